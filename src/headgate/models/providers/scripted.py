"""Answers from a script, for tests: what it says, how long it takes and when it fails is all written down.

Called through `Providers` and, as `headgate.testing.ScriptedModel`, by people's own tests.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

from pydantic import BaseModel, ConfigDict

from headgate.kernel import Duration, Usage, text_of
from headgate.models.call import Call, Delta, End, ProviderError
from headgate.models.prices import FREE, Price
from headgate.models.streaming import pieces


class Options(BaseModel):
    """script: replies in turn (the last one repeats), or reply by text found in the last user message, `*` for any.

    delay: before the first word. failures: how many calls fail first, with `failure` as the HTTP status.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    script: list[str] | dict[str, str] = ["ok"]
    delay: Duration = 0
    failures: int = 0
    failure: int = 503
    revision: str = ""
    price: Price = FREE


class Scripted:
    """A provider whose every answer is known before; `calls` remembers what it was asked."""

    def __init__(self, name: str, options: Options) -> None:
        self.name = name
        self.calls: list[Call] = []
        self._options = options
        self._lock = threading.Lock()

    def identity(self, model: str) -> dict[str, Any]:
        found: dict[str, Any] = {"type": "scripted", "model": model, "behaviour": plugin.behaviour}
        return found | ({"revision": self._options.revision} if self._options.revision else {})

    def price(self, model: str) -> Price | None:
        return self._options.price

    async def chat(self, call: Call) -> AsyncIterator[Delta | End]:
        with self._lock:
            turn = len(self.calls)
            self.calls.append(call)
        if self._options.delay:
            await asyncio.sleep(self._options.delay / 1e6)
        if turn < self._options.failures:
            status = self._options.failure
            code = "provider_rate_limit" if status == 429 else "provider_server"
            raise ProviderError(
                f"scripted failure {status}",
                code=code,
                retryable=status == 429 or status >= 500,
                upstream_status=status,
            )
        text = self._reply(call, turn - self._options.failures)
        for piece in pieces(text, call.stream):
            yield Delta(piece)
        prompt = sum(len(text_of(message.get("content")).split()) for message in call.body.get("messages") or [])
        yield End("stop", Usage(prompt, len(text.split())), call.model)

    async def close(self) -> None:
        return None

    def _reply(self, call: Call, turn: int) -> str:
        script = self._options.script
        if isinstance(script, list):
            return script[min(turn, len(script) - 1)] if script else ""
        users = [message for message in call.body.get("messages") or [] if message.get("role") == "user"]
        question = text_of(users[-1].get("content")).lower() if users else ""
        found = next((reply for part, reply in script.items() if part != "*" and part.lower() in question), None)
        return found if found is not None else script.get("*", "")


class Plugin:
    behaviour = 1
    options = Options

    def build(self, name: str, options: Options) -> Scripted:
        return Scripted(name, options)


plugin = Plugin()
