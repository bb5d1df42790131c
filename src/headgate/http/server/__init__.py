"""`headgate serve`: listening, one process or several, the notes that commands find them by, and the drain."""

from .serve import serve

__all__ = ["serve"]
