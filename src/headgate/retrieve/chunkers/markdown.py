"""Cuts Markdown by its headings, then packs whole sentences up to a size. Called when a retrieval is compiled.

Chunk text is plain: inline marks are gone, list items keep their dash, a table row becomes `column: cell; …`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from headgate.models import sentences
from headgate.retrieve.chunk import Chunk

if TYPE_CHECKING:
    from markdown_it.token import Token

_CHARS_PER_TOKEN = 4
_HTML = re.compile(r"<!--.*?-->|<(script|style)\b.*?</\1\s*>|<[^>]*>", re.DOTALL | re.IGNORECASE)
_FRONT_MATTER = "---\n"


class Options(BaseModel):
    """max_tokens: size of a chunk, estimated at 4 characters a token; a longer single sentence stays whole."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_tokens: int = Field(default=240, ge=20, le=4000)


@dataclass(slots=True)
class _Section:
    trail: tuple[str, ...]
    blocks: list[str] = field(default_factory=list)


class MarkdownChunker:
    def __init__(self, options: Options) -> None:
        self._limit = options.max_tokens * _CHARS_PER_TOKEN

    def cut(self, source: str, text: str) -> list[Chunk]:
        sections = list(_sections(_without_front_matter(text)))
        title = next((section.trail[0] for section in sections if section.trail), "") or _named(source)
        chunks = []
        for section in sections:
            trail = section.trail[1:] if section.trail[:1] == (title,) else section.trail
            chunks += [Chunk(source, title, trail, piece) for piece in self._packed(section.blocks)]
        return chunks

    def _packed(self, blocks: list[str]) -> Iterator[str]:
        """Join blocks up to the limit; a block that is longer by itself is cut between sentences."""
        held = ""
        for piece in (part for block in blocks for part in self._fitting(block)):
            if held and len(held) + len(piece) + 1 > self._limit:
                yield held
                held = ""
            held = f"{held}\n{piece}" if held else piece
        if held:
            yield held

    def _fitting(self, block: str) -> list[str]:
        if len(block) <= self._limit:
            return [block]
        pieces = [""]
        for sentence in sentences(block):
            if pieces[-1] and len(pieces[-1]) + len(sentence) + 1 > self._limit:
                pieces.append("")
            pieces[-1] = f"{pieces[-1]} {sentence}".strip()
        return [piece for piece in pieces if piece]


def _sections(text: str) -> Iterator[_Section]:
    """Walk a page's blocks and gather them under their headings; headings nest by level."""
    tokens = _parser().parse(text)
    section, levels = _Section(()), list[int]()
    index = 0
    while index < len(tokens):
        token = tokens[index]
        if token.type == "heading_open":
            if section.blocks or section.trail:
                yield section
            level, name = int(token.tag[1:]), _inline(tokens[index + 1])
            keep = sum(1 for held in levels if held < level)
            levels = [*levels[:keep], level]
            section = _Section((*section.trail[:keep], name))
            index += 3
            continue
        block, index = _block(tokens, index)
        section.blocks += [block] if block else []
    yield section


def _block(tokens: list[Token], index: int) -> tuple[str, int]:
    """Return the plain text of the block that starts at `index`, and the index after it."""
    token = tokens[index]
    if token.type == "table_open":
        return _table(tokens, index)
    if token.type in ("bullet_list_open", "ordered_list_open"):
        return _list(tokens, index)
    if token.type == "inline":
        return _inline(token), index + 1
    if token.type in ("fence", "code_block"):
        return token.content.strip(), index + 1
    if token.type == "html_block":
        return " ".join(_HTML.sub(" ", token.content).split()), index + 1
    return "", index + 1


def _list(tokens: list[Token], index: int) -> tuple[str, int]:
    """Write a list as one line per item; nested lists follow their item."""
    depth, lines = 0, list[str]()
    while index < len(tokens):
        token = tokens[index]
        depth += token.nesting if token.type.endswith(("list_open", "list_close")) else 0
        if token.type == "list_item_open":
            lines.append("-")
        elif token.type == "inline":
            lines[-1] += f" {_inline(token)}"
        elif token.type in ("fence", "code_block"):
            lines[-1] += f" {' '.join(token.content.split())}"
        index += 1
        if depth == 0:
            break
    return "\n".join(line for line in lines if line != "-"), index


def _table(tokens: list[Token], index: int) -> tuple[str, int]:
    """Write a table as one line per row, each cell with its column's name."""
    rows: list[list[str]] = []
    while tokens[index].type != "table_close":
        token = tokens[index]
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline":
            rows[-1].append(_inline(token))
        index += 1
    head, body = (rows[0], rows[1:]) if rows else ([], [])
    lines = [
        "; ".join(f"{name}: {cell}" if name else cell for name, cell in zip(head, row, strict=False) if cell)
        for row in body
    ]
    return "\n".join(f"- {line}." for line in lines if line), index + 1


def _inline(token: Token) -> str:
    """Return the text that a reader sees: link texts, code, image descriptions; no marks, no HTML."""
    parts = []
    for child in token.children or []:
        if child.type in ("softbreak", "hardbreak"):
            parts.append(" ")
        elif child.type in ("text", "code_inline", "image"):
            parts.append(child.content)
    return " ".join("".join(parts).split())


def _without_front_matter(text: str) -> str:
    if text.startswith(_FRONT_MATTER):
        _, end, rest = text[len(_FRONT_MATTER) :].partition("\n---\n")
        return rest if end else text
    return text


def _named(source: str) -> str:
    return source.rpartition("/")[2].replace("-", " ").replace("_", " ").capitalize()


@lru_cache(maxsize=1)
def _parser() -> Any:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark").enable("table")


class Plugin:
    behaviour = 1
    options = Options

    def build(self, options: Options) -> MarkdownChunker:
        return MarkdownChunker(options)


plugin = Plugin()
