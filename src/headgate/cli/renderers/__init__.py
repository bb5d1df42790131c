"""How results look on a terminal: one file for each group of commands, a plain form for what has none."""

from .screen import console, show

__all__ = ["console", "show"]
