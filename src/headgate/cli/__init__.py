"""Floor 10: the command line. It parses, calls an operation, renders what came back; it decides nothing."""

from .main import run

__all__ = ["run"]
