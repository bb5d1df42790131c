"""The entry of `headgate` and `python -m headgate`: hands the command line to `cli`, and the server to `serve`.

It is the one place that knows all edges.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from headgate.cli import run

if TYPE_CHECKING:
    from headgate.platform import Settings


def serve(start: Path, settings: Settings, announce: Callable[[str], None]) -> None:
    """Serve a project; imported only when asked for."""
    from headgate.http import serve as serve_http
    from headgate.ui import build_pages

    serve_http(start, settings, announce, build_pages)


def main() -> int:
    return run(sys.argv[1:], serve)


if __name__ == "__main__":
    sys.exit(main())
