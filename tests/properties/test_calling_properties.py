"""Whatever targets do, whatever a chain says and whoever leaves: one end, bounded calls, nothing left behind."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.kernel import Request, SystemClock, Usage, new_trace_id
from headgate.models import Call, Delta, End, Price, ProviderError, Providers
from headgate.serve import Runtime, Targets
from headgate.serve.calling.attempt import Choice, Plan
from headgate.serve.calling.chain import compile_chain
from headgate.serve.calling.course import Unanswered
from headgate.serve.calling.lane import Crowded
from headgate.serve.generate import generate
from headgate.serve.journey import Journey, TurnedAway

NAMES = ["a/m", "b/m", "c/m"]
FAULTS = [
    "ok",
    "ok",
    "slow",
    "hang",
    "again",
    "never",
    "filtered",
    "limited",
    "rest",
    "cut",
    "cut_late",
    "no_end",
    "number",
]
PRICE = Price(input="$1", output="$1")


class Wild:
    """A provider that does one thing after the other; its text names it, and it knows what it has open."""

    def __init__(self, name: str, script: list[str]) -> None:
        self.name, self.script, self.turn, self.open = name, script, 0, 0

    async def chat(self, call: Call) -> AsyncIterator[Any]:
        fault = self.script[self.turn % len(self.script)]
        self.turn += 1
        self.open += 1
        try:
            await self._before(fault)
            if fault != "no_end":
                yield Delta(f"{self.name} ")
            if fault == "cut_late":
                raise ProviderError("cut", code="provider_connection")
            if fault == "number":
                yield 7
            await asyncio.sleep(0)
            if fault != "no_end":
                yield End("stop", Usage(10, 2), self.name)
        finally:
            self.open -= 1

    async def _before(self, fault: str) -> None:
        errors = {
            "again": ProviderError("x", code="provider_server", retryable=True),
            "never": ProviderError("x", code="provider_auth"),
            "filtered": ProviderError("x", code="content_filter"),
            "limited": ProviderError("x", code="provider_rate_limit", retryable=True, retry_after=0.001),
            "rest": ProviderError("x", code="provider_rate_limit", retryable=True, retry_after=60.0),
            "cut": ProviderError("x", code="provider_connection", retryable=True),
        }
        await asyncio.sleep({"slow": 0.004, "hang": 30.0}.get(fault, 0.0))
        if fault in errors:
            raise errors[fault]


LIMITS = {"a/m": {"concurrent": 2, "queue": 2, "wait": "5ms"}, "b/m": {"concurrent": 1, "total": "8ms"}}
SCRIPTS = st.lists(st.lists(st.sampled_from(FAULTS), min_size=1, max_size=4), min_size=3, max_size=3)
RULES = st.fixed_dictionaries(
    {"targets": st.sampled_from([NAMES, NAMES[:1], [{"any": NAMES}], [{"any": [{"a/m": 3}, "b/m"]}, "c/m"]])},
    optional={
        "retries": st.integers(0, 3),
        "first_token": st.just("10ms"),
        "idle": st.just("10ms"),
        "total": st.just("40ms"),
        "hedge": st.just("2ms"),
        "limits": st.just(LIMITS),
    },
)


async def one(journey: Journey, plan: Plan) -> tuple[list[Any], Exception | None]:
    events: list[Any] = []

    async def hear(delta: Delta) -> None:
        events.append(delta)

    try:
        events.append(await generate(journey, plan, hear))
    except (Unanswered, TurnedAway) as problem:
        return events, problem
    return events, None


def check(journey: Journey, plan: Plan, found: tuple[list[Any], Exception | None]) -> None:
    events, problem = found
    ends = [event for event in events if isinstance(event, End)]
    assert len(ends) == (problem is None)
    assert not ends or events[-1] is ends[0]
    assert len({event.text for event in events if isinstance(event, Delta)}) <= 1, "two models in one answer"
    if isinstance(problem, TurnedAway):
        assert isinstance(problem.problem, Crowded)
        assert not events
        assert journey.attempts == 0
    refused = [place for place, attempt in enumerate(plan.attempts) if attempt.get("error") == "content_filter"]
    if refused and plan.hedge_s is None:
        assert refused == [len(plan.attempts) - 1]


@settings(max_examples=80, deadline=None)
@given(RULES, SCRIPTS, st.integers())
def test_every_request_ends_once_and_leaves_nothing_behind(
    rules: dict[str, Any], scripts: list[list[str]], seed: int
) -> None:
    asyncio.run(_storm(rules, scripts, random.Random(seed)))


async def _storm(rules: dict[str, Any], scripts: list[list[str]], chance: random.Random) -> None:
    clock, chain = SystemClock(), compile_chain(rules)
    targets = Targets(clock.monotonic)
    wild: dict[str, Any] = {name: Wild(name, script) for name, script in zip(NAMES, scripts, strict=True)}
    runtime = Runtime(Providers({}), SimpleNamespace(record=print), clock, targets=targets, timeout_s=0.05)
    snapshot: Any = None

    async def request(stream: bool, leave_after: float | None) -> None:
        asked = Request(new_trace_id(), {"messages": []}, key_id=chance.choice("xyz"))
        journey = Journey(snapshot, asked, runtime)
        plan = Plan([], (), (), 10, stream, chain.total_s, chain.hedge_s)
        for link in chain.order(asked.id):
            plan.choices.append(Choice(link, targets.of(link.target), wild[link.target], "m", PRICE, {}, 1))
        task = asyncio.create_task(one(journey, plan))
        await asyncio.wait([task], timeout=leave_after)
        if not task.done():
            task.cancel()
            await asyncio.wait([task])
        made = Counter(attempt["target"] for attempt in plan.attempts if "took_us" in attempt)
        tries = {choice.link.target: choice.link.tries for choice in plan.choices}
        assert all(count <= tries[target] for target, count in made.items()), "more calls than were reserved for"
        assert sum(made.values()) == journey.attempts
        assert journey.cost_nano == sum(attempt.get("cost_nano", 0) for attempt in plan.attempts)
        if not task.cancelled():
            check(journey, plan, task.result())

    async with asyncio.timeout(30):
        leaving = [chance.choice([None, None, 0.0, 0.001, 0.003]) for _ in range(12)]
        await asyncio.gather(*(request(chance.random() < 0.5, after) for after in leaving))
    for hint in targets.snapshot():
        assert (hint.in_flight, hint.waiting, targets.of(hint.target).lane.active) == (0, 0, 0)
    assert all(provider.open == 0 for provider in wild.values())
