"""Chains of models: retries, fallbacks, and everything that a provider may do wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from tests.serve.conftest import GROUNDED, World, end

from headgate.kernel import Answer
from headgate.models import Delta, End, Price, ProviderError, Providers

SAFE = "A person will answer you."
ASK = "Hello there"


def busy(**options: Any) -> ProviderError:
    return ProviderError("busy", code="provider_rate_limit", retryable=True, upstream_status=429, **options)


def broken() -> ProviderError:
    return ProviderError("no", code="provider_auth", upstream_status=401)


def attempts(given: Answer) -> list[tuple[str, str]]:
    stage = next(stage for stage in given.stages if stage.name == "generate")
    return [(attempt["target"], attempt.get("error", "")) for attempt in stage.facts["attempts"]]


@pytest.mark.parametrize("stream", [False, True])
async def test_what_may_succeed_later_is_tried_once_more(built: World, stream: bool) -> None:
    built.one.says = [busy(), "Hi!"]
    given = await built.ask(ASK, stream)
    assert (given.text, given.model, given.attempts) == ("Hi!", "one/model", 2)
    assert attempts(given) == [("one/model", "provider_rate_limit"), ("one/model", "")]


@pytest.mark.parametrize("stream", [False, True])
async def test_the_chain_goes_on_when_a_target_does_not_answer(built: World, stream: bool) -> None:
    built.one.says, built.two.says = [busy()], ["Hi from two!"]
    given = await built.ask(ASK, stream)
    assert (given.text, given.model, given.attempts) == ("Hi from two!", "two/model", 3)


async def test_what_cannot_succeed_is_not_tried_again(built: World) -> None:
    built.one.says, built.two.says = [broken()], ["Hi!"]
    given = await built.ask(ASK)
    assert attempts(given) == [("one/model", "provider_auth"), ("two/model", "")]


async def test_what_a_provider_did_not_understand_is_kept_without_what_is_private(built: World) -> None:
    said = "the provider answered 400: 'made_up' is unknown; asked by ann.smith@example.com"
    built.one.says = [ProviderError(said, code="provider_rejected", upstream_status=400)]
    given = await built.ask(ASK)
    stage = next(stage for stage in given.stages if stage.name == "generate")
    assert stage.facts["attempts"][0]["said"] == said.replace("ann.smith@example.com", "<EMAIL>")


async def test_a_long_wait_is_not_waited_for(built: World) -> None:
    built.one.says, built.two.says = [busy(retry_after=60)], ["Hi!"]
    given = await built.ask(ASK)
    assert (given.model, given.attempts) == ("two/model", 2)
    assert given.latency_us < 5_000_000


@pytest.mark.parametrize("stream", [False, True])
async def test_a_refusal_for_content_is_taken_nowhere_else(built: World, stream: bool) -> None:
    built.one.says = [ProviderError("filtered", code="content_filter")]
    given = await built.ask(ASK, stream)
    assert (given.text, given.status, given.reason) == (SAFE, "refused", "content_filter")
    assert not built.two.calls


async def test_a_stream_fails_over_only_before_its_first_content(built: World) -> None:
    built.one.says, built.two.says = [["Hello there. " * 20, ProviderError("cut", retryable=True)]], ["Hi!"]
    given = await built.ask(ASK, True)
    assert given.text.startswith("Hello there. ")
    assert len(given.text) < 260
    assert (given.status, given.finish_reason) == ("error", "error")
    assert not built.two.calls
    assert len(built.one.calls) == 1


async def test_text_that_has_not_left_is_replaced_when_the_rest_never_comes(built: World) -> None:
    built.one.says = [[GROUNDED, ProviderError("cut", code="provider_protocol")]]
    given = await built.ask("How long can I return a router?", True)
    assert (given.text, given.status, given.reason) == (SAFE, "safe", "provider_protocol")


async def hang(call: Any) -> AsyncIterator[End]:
    await asyncio.sleep(60)
    yield end()


async def hang_after(call: Any) -> AsyncIterator[Delta]:
    yield Delta("Hello")
    await asyncio.sleep(60)


def not_an_iterator(call: Any) -> Any:
    return 7


async def a_coroutine(call: Any) -> Any:
    return 7


def raises_at_once(call: Any) -> Any:
    raise KeyError("x")


async def closes_badly(call: Any) -> AsyncIterator[Delta]:
    try:
        yield Delta("Hello")
        raise RuntimeError("x")
    finally:
        raise OSError("close")


class NeverCloses:
    def __aiter__(self) -> NeverCloses:
        return self

    async def __anext__(self) -> Any:
        raise RuntimeError("x")

    async def aclose(self) -> None:
        raise RuntimeError("y")


FAULTS: dict[str, Any] = {
    "raises": RuntimeError("boom"),
    "raises at once": raises_at_once,
    "raises after text": ["Hello", RuntimeError("boom")],
    "hangs": hang,
    "hangs after text": hang_after,
    "ends without an end": ["Hello"],
    "says nothing at all": [],
    "two ends": ["Hello", end("Hello"), end("again")],
    "text after the end": ["Hello", end("Hello"), "more"],
    "a number": [7],
    "bytes": [Delta(b"Hello")],  # type: ignore[arg-type]
    "none": [None],
    "a dict": [{"text": "Hello"}],
    "not an iterator": not_an_iterator,
    "closes badly": closes_badly,
    "never closes": lambda call: NeverCloses(),
    "no usage": ["Hello", End("stop", None, "m")],  # type: ignore[arg-type]
    "no reason": ["Hello", End("", end().usage, "m")],
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("question", [ASK, "How long can I return a router?"])
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
async def test_whatever_a_provider_does_there_is_one_answer(
    built: World, fault: Any, question: str, stream: bool
) -> None:
    built.one.says = built.two.says = [fault]
    given = await built.around(timeout_s=0.05).ask(question, stream)
    assert given.status in ("answered", "safe", "error")
    assert given.text
    assert given.attempts >= 1


async def test_a_provider_that_hangs_is_left_for_the_next(built: World) -> None:
    built.one.says, built.two.says = [hang], ["Hi!"]
    given = await built.around(timeout_s=0.05).ask(ASK)
    assert given.text == "Hi!"
    assert attempts(given)[0] == ("one/model", "provider_timeout")


async def test_time_that_a_provider_takes_is_not_our_overhead(built: World) -> None:
    async def slow(call: Any) -> AsyncIterator[Delta | End]:
        await asyncio.sleep(0.05)
        yield Delta("Hi!")
        await asyncio.sleep(0.05)
        yield end("Hi!")

    built.one.says = [slow]
    given = await built.ask(ASK)
    assert given.latency_us >= 100_000
    assert given.overhead_us < 50_000


async def test_a_target_that_cannot_be_resolved_is_one_failed_attempt(built: World) -> None:
    built.around(providers=Providers({}, {"two": built.two}))
    given = await built.ask(ASK)
    assert given.model == "two/model"
    assert attempts(given)[0] == ("one/model", "invalid_input")


async def test_no_call_is_left_open(built: World) -> None:
    say: list[Callable[..., Any] | Any] = ["Hi!", busy(), RuntimeError("x"), ["a"], [7]]
    built.one.says = say
    for stream in (False, True):
        for _ in range(4):
            await built.ask(ASK, stream)
    assert built.one.closed == len(built.one.calls)


# ── money ────────────────────────────────────────────────────────────────────────────────────────────────────────


def dear(built: World) -> World:
    built.one.cost = Price(input="$10", output="$100")
    return built


async def test_what_is_used_is_paid_for(built: World) -> None:
    given = await dear(built).ask(ASK)
    assert given.cost_nano == 100 * 10_000 + len(GROUNDED.split()) * 100_000
    assert built.recorder.last.cost_nano == given.cost_nano


async def test_a_call_that_breaks_off_is_paid_by_estimate(built: World) -> None:
    dear(built).one.says = [["Hello there. " * 20, RuntimeError("x")]]
    given = await built.ask(ASK, True)
    assert given.usage.estimated
    assert given.cost_nano > 0


async def test_one_request_never_costs_more_than_the_contract_allows(world: World) -> None:
    world.edit("contracts/support.yaml", "evidence:", "cost: {per_request: $0.03}\nevidence:")
    dear(world.build())
    await world.ask(ASK)
    sent = world.one.calls[0].body
    assert sent["max_tokens"] == 80
    world.edit("contracts/support.yaml", "$0.03", "$0.016")
    dear(world.build())
    await world.ask(ASK)
    assert 16 <= world.one.calls[1].body["max_tokens"] < 80
    world.edit("contracts/support.yaml", "$0.016", "$0.000001")
    given = await dear(world.build()).ask(ASK)
    assert attempts(given) == [("one/model", "cost_per_request"), ("two/model", "")]


async def test_when_no_target_is_affordable_the_safe_template_is_sent(world: World) -> None:
    world.edit("contracts/support.yaml", "evidence:", "cost: {per_request: $0.000001}\nevidence:")
    dear(world.build()).two.cost = Price(input="$10", output="$100")
    given = await world.ask(ASK)
    assert (given.status, given.reason, given.text) == ("safe", "cost_per_request", SAFE)
