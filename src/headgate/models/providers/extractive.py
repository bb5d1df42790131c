"""Answers by quoting its sources, with no key and no network, or says that it cannot. The last link of a chain.

Called through `Providers`. It reads `call.passages` (what the prompt rendered as sources), or, without any, the
few-shot examples; it never follows instructions found in either.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from headgate.kernel import Usage, text_of
from headgate.models.call import Call, Delta, End
from headgate.models.prices import FREE, Price
from headgate.models.quoting import CANNOT, nearest_example, quote
from headgate.models.streaming import pieces
from headgate.models.words import words

_LONG = 8_192


class Options(BaseModel):
    """max_sentences: how many sentences an answer quotes at most, unless the call's `max_sentences` says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_sentences: int = Field(default=2, ge=1, le=10)


class Extractive:
    """Selects the sentences that answer best, each followed by the number of its source."""

    def __init__(self, name: str, options: Options) -> None:
        self.name = name
        self._options = options

    def identity(self, model: str) -> dict[str, Any]:
        found: dict[str, Any] = {"type": "extractive", "model": model, "behaviour": plugin.behaviour}
        changed = self._options.model_dump(exclude_defaults=True)
        return found | ({"options": changed} if changed else {})

    def price(self, model: str) -> Price | None:
        return FREE

    async def chat(self, call: Call) -> AsyncIterator[Delta | End]:
        # It reads as fast as anybody writes, but a long text would keep everybody else waiting.
        long = sum(len(text_of(message.get("content"))) for message in call.body.get("messages") or []) > _LONG
        text, asked = await asyncio.to_thread(self._read, call) if long else self._read(call)
        for piece in pieces(text, call.stream):
            yield Delta(piece)
        yield End("stop", Usage(asked, len(words(text))), call.model)

    async def close(self) -> None:
        return None

    def _read(self, call: Call) -> tuple[str, int]:
        """Return the answer, and how many words were asked."""
        asked = sum(len(words(text_of(message.get("content")))) for message in call.body.get("messages") or [])
        return self._answer(call), asked

    def _answer(self, call: Call) -> str:
        turns = [message for message in call.body.get("messages") or [] if isinstance(message, dict)]
        asked = [text_of(turn.get("content")) for turn in turns if turn.get("role") == "user"]
        question, earlier = (asked[-1], asked[:-1]) if asked else ("", [])
        if not call.passages:
            return nearest_example(question, call.examples) or CANNOT
        wanted = call.body.get("max_sentences")
        limit = wanted if isinstance(wanted, int) and 1 <= wanted <= 10 else self._options.max_sentences
        quotes = quote(question, call.passages, earlier=earlier, limit=limit)
        return " ".join(f"{found.text} [{found.number}]" for found in quotes) or CANNOT


class Plugin:
    behaviour = 1
    inside = True
    options = Options

    def build(self, name: str, options: Options) -> Extractive:
        return Extractive(name, options)


plugin = Plugin()
