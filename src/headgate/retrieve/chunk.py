"""A page cut into pieces that can be found and quoted. Chunkers make them, stores search them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of one page: the page's path without extension, title, heading trail below it, plain text."""

    source: str
    title: str
    trail: tuple[str, ...]
    text: str
    digest: str = ""

    @property
    def heading(self) -> str:
        """Title and headings as people read them: `Returning a device › How to return`."""
        return " › ".join(part for part in (self.title, *self.trail) if part)


class Chunker(Protocol):
    def cut(self, source: str, text: str) -> list[Chunk]:
        """Cut one page into chunks, in reading order; a page without text gives none."""
        ...
