"""Retrain the shop as a process of its own that dies: `killable.py ROOT STEP`.

It is killed when STEP has done its work and before that is journaled, which is the worst moment there is.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    root, step = sys.argv[1:]
    spec = importlib.util.spec_from_file_location("improve_shop", Path(__file__).parent / "shop.py")
    assert spec is not None
    assert spec.loader is not None
    shop = sys.modules["improve_shop"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(shop)
    import headgate.improve  # noqa: F401

    steps = sys.modules["headgate.improve.retrain"].__dict__["_STEPS"]
    work = steps[step]

    def die(run: Any) -> None:
        work(run)
        os.kill(os.getpid(), signal.SIGKILL)

    steps[step] = die
    shop.Shop.opened(Path(root)).retrain()


if __name__ == "__main__":
    main()
