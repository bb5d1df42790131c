"""A checked project on a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from .screen import line


def checked(screen: Console, result: Mapping[str, Any]) -> None:
    line(screen, ("✓ ", "green"), f"project {result['project']}: every file is written correctly")
    for text in result["lines"]:
        line(screen, (f"  {text}", "dim"))
    for warning in result["warnings"]:
        line(screen, ("  warning ", "yellow"), str(warning))


SHOW = {"check": checked}
