"""Embeddings: texts become the vectors that an app's release compares, or those of a provider's model. Called by
`platform` for `/v1/embeddings`.

It is a request like others: it pins a release, counts against limits, passes the input guards and is recorded, under a
source of its own, so that it is no traffic which monitors, drift or retraining could take for answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from headgate.guard import Nested
from headgate.kernel import Answer, HeadgateError, InvalidInput, Request, Unavailable, Usage
from headgate.retrieve import Retriever
from headgate.serve.budget import Lease
from headgate.serve.guarding.aside import aside
from headgate.serve.journey import Journey, TurnedAway
from headgate.serve.money.draw import count, settle
from headgate.serve.record import record
from headgate.serve.route import Destination
from headgate.serve.runtime import Runtime
from headgate.serve.snapshot import Snapshot

from .provider import ask, drawn
from .texts import Encoding, Wanted, read_wanted

_EMBEDDINGS = Destination("embeddings")
_CLIENT_LEFT = 499


@dataclass(frozen=True, slots=True)
class Embedding:
    """The vectors, in the order of the texts: `bytes` are float32, little-endian; anything else is written as it is.

    encoding: how the client wants numbers. answer: the account of the request, without a text.
    """

    vectors: Sequence[Any]
    encoding: Encoding
    answer: Answer


async def embed_texts(
    snapshot: Snapshot, request: Request, runtime: Runtime, leases: list[Lease] | None = None
) -> Embedding:
    """Embed a request's texts as a release does; for a model addressed by its own name, let its provider do it.

    Raises InvalidInput for a body that asks for something else, or a text that a guard stops (`content_filter`),
    Exhausted for a used-up limit, Unavailable for a provider that does not answer.
    """
    journey = Journey(snapshot, request, replace(runtime, source="embeddings"))
    journey.destination = _EMBEDDINGS
    if leases is not None:
        journey.leases = leases
    try:
        wanted = read_wanted(request.body)
        journey.request = request.with_messages([{"role": "user", "content": text} for text in wanted.texts])
        if snapshot.digest:
            vectors = await _by_release(journey, wanted)
        else:
            await count(journey)
            vectors = (await ask(journey, wanted, snapshot.app)).vectors
    except TurnedAway as turned:
        raise ended(journey, turned.problem) from None
    except HeadgateError as problem:
        raise ended(journey, problem) from None
    except asyncio.CancelledError:
        journey.end("error", "client_left", "error")
        record(journey, settled(journey), http_status=_CLIENT_LEFT)
        raise
    except Exception as problem:  # noqa: BLE001  the boundary of a request
        code = f"internal: {type(problem).__name__}"
        hint = f"try again; the trace {request.id} says what happened"
        raise ended(journey, Unavailable("the texts could not be embedded", hint, code="internal"), code) from None
    answer = settled(journey)
    record(journey, answer)
    return Embedding(vectors, wanted.encoding, answer)


async def _by_release(journey: Journey, wanted: Wanted) -> Sequence[bytes]:
    snapshot = journey.snapshot
    retriever = _retriever(snapshot, journey.request.body.get("retrieval"))
    _fitting(wanted, retriever, snapshot.app)
    await count(journey)
    texts = await guarded(journey, wanted.texts)
    await drawn(journey, {"cost": 0, "tokens": wanted.size})
    vectors = await _embedded(journey, retriever, texts)
    journey.usage = Usage(sum(-(-len(text) // 4) for text in texts), estimated=True)
    return vectors


async def guarded(journey: Journey, texts: Sequence[str]) -> list[str]:
    """Return the texts as the input guards let them pass, masked. Raises TurnedAway when one is stopped."""
    policy = journey.snapshot.policy
    if not policy.input:
        journey.masked = True
        return list(texts)
    nested = Nested(policy.input, "input")
    with journey.stage("guard_input") as facts:
        about = sum(map(len, texts)), journey.runtime.looks
        found = await aside(policy.input, about, _look, nested, texts)
        journey.verdicts = tuple(nested.verdicts.values())
        facts["verdicts"] = {name: verdict.verdict for name, verdict in nested.verdicts.items()}
    if nested.blocked is not None and nested.blocked.blocked is not None:
        name = nested.blocked.blocked.guard
        journey.end("blocked", name, "content_filter")
        hint = "leave it out; the other texts were not embedded either"
        problem = InvalidInput(
            f"input[{len(found) - 1}] was stopped by the guard {name!r}", hint, code="content_filter"
        )
        raise TurnedAway(problem)
    journey.request = journey.request.with_messages([{"role": "user", "content": text} for text in found])
    journey.masked = True
    return found


def ended(journey: Journey, problem: HeadgateError, reason: str = "") -> HeadgateError:
    """Record a request that was not answered."""
    if journey.status != "blocked":
        journey.end("error", reason or problem.code, "error")
    record(journey, settled(journey), http_status=problem.status)
    return problem


def settled(journey: Journey) -> Answer:
    settle(journey)
    return journey.answer()


def _look(nested: Nested, texts: Sequence[str]) -> list[str]:
    """Return the texts up to the one that was stopped, masked."""
    found: list[str] = []
    for text in texts:
        found.append(nested.look(text))
        if nested.blocked is not None:
            break
    return found


def _retriever(snapshot: Snapshot, name: Any) -> Retriever:
    """Return the retrieval whose embedder is meant: the only one, or the one that the body names."""
    known = {to.retrieval: to.retriever for to in snapshot.routes.values() if to.retriever is not None}
    if not known:
        hint = "give a route a retrieval, or name a provider's model: openai/text-embedding-3-small"
        raise InvalidInput(f"the app {snapshot.app!r} retrieves nothing, so it embeds nothing", hint)
    if name is None:
        first, *others = known.values()
        if any(other.embedding != first.embedding for other in others):
            hint = f"name one in `retrieval`: {', '.join(sorted(known))}"
            raise InvalidInput(f"the retrievals of {snapshot.app!r} embed differently", hint)
        return first
    if not isinstance(name, str):
        raise InvalidInput("retrieval must be the name of a retrieval", f"one of {', '.join(sorted(known))}")
    if name not in known:
        raise InvalidInput(f"{snapshot.app!r} has no retrieval {name!r}", f"one of {', '.join(sorted(known))}")
    return known[name]


def _fitting(wanted: Wanted, retriever: Retriever, app: str) -> None:
    if wanted.tokens:
        raise InvalidInput(f"the app {app!r} embeds texts, not tokens", "send `input` as text")
    if wanted.dimensions not in (None, retriever.dimensions):
        hint = f"leave it out, or send {retriever.dimensions}: the release pins it"
        raise InvalidInput(f"the vectors of {app!r} do not have {wanted.dimensions} dimensions", hint)


async def _embedded(journey: Journey, retriever: Retriever, texts: Sequence[str]) -> list[bytes]:
    with journey.stage("embed") as facts:
        facts |= {"texts": len(texts), "dimensions": retriever.dimensions, **retriever.embedding}
        return await aside((), (sum(map(len, texts)), journey.runtime.looks), _rows, retriever, texts)


def _rows(retriever: Retriever, texts: Sequence[str]) -> list[bytes]:
    return [row.astype("<f4").tobytes() for row in retriever.embed(texts)]
