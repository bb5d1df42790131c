"""What asking a model costs beside the model: microseconds of `generate` over the same iterator read bare.

    python benchmarks/bench_calling.py [requests]

A provider that answers at once, so whatever is measured is ours. Each row adds one rule to a chain of two targets; all
rows are run in turns, in rounds, and the least of all rounds is shown beside the median, because other work disturbs.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing
from types import SimpleNamespace
from typing import Any

from headgate.kernel import Request, SystemClock, Usage, new_trace_id
from headgate.models import FREE, Call, Delta, End, Providers
from headgate.serve import Runtime, Targets
from headgate.serve.calling.attempt import Choice, Plan
from headgate.serve.calling.breaker import Outcome
from headgate.serve.calling.chain import compile_chain
from headgate.serve.generate import generate
from headgate.serve.journey import Journey

ROUNDS = 40
BOTH = ["a/one", "b/two"]
RULES: Mapping[str, Any] = {
    "plain list": BOTH,
    "first_token, idle": {"targets": BOTH, "first_token": "5s", "idle": "10s"},
    "total": {"targets": BOTH, "total": "60s"},
    "any, by weight": {"targets": [{"any": [{"a/one": 3}, {"b/two": 1}]}]},
    "concurrent: 8": {"targets": BOTH, "limits": {"a/one": {"concurrent": 8}}},
    "hedge: 800ms": {"targets": BOTH, "hedge": "800ms"},
    "first breaker open": {"targets": BOTH, "idle": "9s"},
}


class Instant:
    """Answers at once."""

    name = "instant"

    async def chat(self, call: Call) -> AsyncIterator[Delta | End]:
        yield Delta("Within 30 days [1].")
        yield End("stop", Usage(400, 12), call.model)


class Row:
    """One chain, its targets, and the times that were taken."""

    def __init__(self, name: str, document: Any) -> None:
        clock = SystemClock()
        self.targets = Targets(clock.monotonic)
        self.runtime = Runtime(Providers({}), SimpleNamespace(record=print), clock, targets=self.targets)
        self.chain, self.provider, self.times = compile_chain(document), Instant(), list[float]()
        if name == "first breaker open":
            first = self.targets.of("a/one")
            while (admission := first.admit()) is not None:
                first.settle(admission, Outcome.FAILED)

    async def once(self, request: Request) -> None:
        snapshot: Any = None
        provider: Any = self.provider
        journey = Journey(snapshot, request, self.runtime)
        plan = Plan([], (), (), 400, True, self.chain.total_s, self.chain.hedge_s)
        for link in self.chain.order(request.id):
            plan.choices.append(Choice(link, self.targets.of(link.target), provider, "m", FREE, request.body, 0))
        await generate(journey, plan, hear)


async def hear(delta: Delta) -> None:
    """Nothing is done with what is said."""


async def bare(request: Request) -> None:
    stream: Any = Instant().chat(Call("m", request.body))
    async with aclosing(stream) as events:
        async for _ in events:
            pass


async def timed(ask: Callable[[Request], Any], requests: int) -> float:
    made = [Request(new_trace_id(), {"messages": [{"role": "user", "content": "?"}]}) for _ in range(requests)]
    began = time.perf_counter_ns()
    for request in made:
        await ask(request)
    return (time.perf_counter_ns() - began) / requests / 1000


async def main(requests: int) -> None:
    floor: list[float] = []
    rows = {name: Row(name, document) for name, document in RULES.items()}
    for _ in range(ROUNDS):
        floor.append(await timed(bare, requests))
        for row in rows.values():
            row.times.append(await timed(row.once, requests))
    print(f"{requests} requests in each of {ROUNDS} rounds; µs a request\n{'chain':<22}{'least':>8}{'median':>8}")
    print(f"{'the iterator, bare':<22}{min(floor):>8.1f}{statistics.median(floor):>8.1f}")
    for name, row in rows.items():
        print(f"{name:<22}{min(row.times):>8.1f}{statistics.median(row.times):>8.1f}")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100))
