"""Floor 10: the pages. Server-rendered, no decisions: they call operations and show what came back."""

from .app import Pages, build_pages

__all__ = ["Pages", "build_pages"]
