"""The journal of model calls: what makes a killed evaluation resume without paying for any recorded call twice (P4).

Called by the runner, one `Journal` for each evidence and one `CaseCalls` for each case. A call's response is on disk
before its result is used; calls that finish together share one commit. It never decides whether to call.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from headgate.kernel import Clock, Usage, canonical, digest
from headgate.models import Call, Delta, End, Facts, Price, Provider, ProviderError, Providers, cost
from headgate.store import Records, tables

from .rows import insert_missing

Response = Mapping[str, Any]


class Journal:
    """Recorded responses of one evidence: read once at the start, appended by group commit.

    `turn` is held by whoever writes to the records: this run never waits for itself in the database. `failure` is set
    when a commit failed; execution turns every trouble into an answer, so the runner looks at it.
    """

    def __init__(self, records: Records, project: str, evidence: str, clock: Clock) -> None:
        self._records, self._project, self._evidence, self._clock = records, project, evidence, clock
        self._waiting: list[tuple[dict[str, Any], asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None
        self._recorded: dict[str, Response] = {}
        self.failure: BaseException | None = None
        self.turn = asyncio.Lock()
        with records.read() as tx:
            table = tables.model_call
            for row in tx.all(select(table.c.key, table.c.response).where(table.c.evidence_id == evidence)):
                self._recorded[row["key"]] = row["response"]

    def lookup(self, key: str) -> Response | None:
        return self._recorded.get(key)

    async def record(self, key: str, response: Response, cost_nano: int) -> None:
        """Put one response on disk; returns when it is there. Calls that wait meanwhile share the next commit."""
        row = {
            "project_id": self._project,
            "evidence_id": self._evidence,
            "key": key,
            "response": dict(response),
            "cost_nano": cost_nano,
            "at": self._clock.now(),
        }
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((row, done))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())
        await done

    async def _write(self) -> None:
        while self._waiting:
            async with self.turn:
                batch, self._waiting = self._waiting, []
                writing = asyncio.to_thread(self._insert, [row for row, _ in batch])
                [result] = await asyncio.gather(writing, return_exceptions=True)
            for row, done in batch:
                if isinstance(result, BaseException):
                    self.failure = result
                    if not done.done():
                        done.set_exception(result)
                    continue
                self._recorded[row["key"]] = row["response"]
                if not done.done():
                    done.set_result(None)

    def _insert(self, rows: list[dict[str, Any]]) -> None:
        with self._records.begin() as tx:
            insert_missing(tx, tables.model_call, rows)


@dataclass(slots=True)
class CaseCalls:
    """The calls of one case: counts equal calls, so that the third one finds the third recorded response."""

    journal: Journal
    case: str
    paid: int = 0
    reused: int = 0
    _seen: dict[str, int] = field(default_factory=dict)

    def _key(self, like: str) -> str:
        return f"{like}#{self._seen.get(like, 0)}"

    def _count(self, like: str) -> None:
        self._seen[like] = self._seen.get(like, 0) + 1

    async def chat(self, provider: Provider, call: Call) -> AsyncIterator[Delta | End]:
        """Yield the recorded response of this call when there is one; else call, record, and only then yield.

        A failed call is recorded too, so that a resumed run takes the same retries and fallbacks. A call that was
        cut off before its end is not: it is the one call per worker that a kill may repeat.
        """
        target = f"{provider.name}/{call.model}"
        like = _likeness(self.case, target, call)
        key = self._key(like)
        response = self.journal.lookup(key)
        if response is None:
            response, cost_nano = await _collect(provider, call)
            await self.journal.record(key, {**response, "case": self.case, "target": target}, cost_nano)
            self.paid += 1
        else:
            self.reused += 1
        self._count(like)
        for event in _replay(response):
            yield event


class JournaledProvider:
    """A provider whose calls go through the journal of one case."""

    def __init__(self, provider: Provider, calls: CaseCalls) -> None:
        self.name = provider.name
        self._provider, self._calls = provider, calls

    def identity(self, model: str) -> dict[str, Any]:
        return self._provider.identity(model)

    def price(self, model: str) -> Price | None:
        return self._provider.price(model)

    def chat(self, call: Call) -> AsyncIterator[Delta | End]:
        return self._calls.chat(self._provider, call)

    async def close(self) -> None:
        """Nothing: the providers underneath belong to the whole run."""


class JournaledProviders(Providers):
    """The providers of one case: the same names and targets, every call journaled."""

    def __init__(self, providers: Providers, calls: CaseCalls) -> None:
        super().__init__({})
        self._providers, self._calls = providers, calls

    def get(self, name: str) -> Provider:
        return JournaledProvider(self._providers.get(name), self._calls)

    def resolve(self, target: str) -> tuple[Provider, str]:
        provider, model = self._providers.resolve(target)
        return JournaledProvider(provider, self._calls), model

    def keeps(self, target: str, pinned: Facts) -> bool:
        return self._providers.keeps(target, pinned)

    async def close(self) -> None:
        """Nothing: the providers underneath belong to the whole run."""


def _likeness(case: str, target: str, call: Call) -> str:
    """Name what a call asks; timeouts and streaming change no answer and are left out."""
    document = {
        "case": case,
        "target": target,
        "body": dict(call.body),
        "passages": [[passage.source, passage.text] for passage in call.passages],
        "examples": [list(pair) for pair in call.examples],
    }
    return digest("call", 1, canonical(document))


async def _collect(provider: Provider, call: Call) -> tuple[Response, int]:
    text = ""
    try:
        async for event in provider.chat(call):
            if isinstance(event, Delta):
                text += event.text
                continue
            usage = event.usage
            end = {
                "finish_reason": event.finish_reason,
                "usage": [usage.input_tokens, usage.output_tokens, usage.estimated],
                "model": event.model,
                "fingerprint": event.fingerprint,
                "extra": dict(event.extra),
            }
            return {"text": text, "end": end}, cost(provider.price(call.model), usage)
    except ProviderError as problem:
        return {"text": text, "error": _error_document(problem)}, 0
    cut = ProviderError(
        f"{provider.name} stopped before the end of its answer", code="provider_protocol", retryable=not text
    )
    return {"text": text, "error": _error_document(cut)}, 0


def _error_document(problem: ProviderError) -> dict[str, Any]:
    return {
        "message": problem.message,
        "hint": problem.hint,
        "code": problem.code,
        "retryable": problem.retryable,
        "retry_after": problem.retry_after,
        "upstream_status": problem.upstream_status,
    }


def _replay(response: Response) -> Iterator[Delta | End]:
    if response["text"]:
        yield Delta(response["text"])
    if "error" in response:
        raise ProviderError(**response["error"])
    end = response["end"]
    yield End(end["finish_reason"], Usage(*end["usage"]), end["model"], end["fingerprint"], end["extra"])
