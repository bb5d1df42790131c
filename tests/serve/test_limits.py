"""What a request draws on: key, team, app, user and session; requests, tokens, steps and money; minutes to months."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from msgspec import structs
from tests.serve.conftest import PROJECT, World

from headgate.kernel import Exhausted, Rate, Request, parse_rate
from headgate.models import Price
from headgate.serve import Purse, compile_limits, execute
from headgate.serve.money.draw import is_step
from headgate.serve.money.loops import Loops, repeated_call
from headgate.store import ledger
from headgate.testing import FakeClock

ASK = "Hello there"


@pytest.fixture
async def served(built: World, clock: FakeClock) -> AsyncIterator[World]:
    purse = Purse(built.records, clock)
    built.one.cost = Price(input="$1", output="$1")
    yield built.around(purse=purse, clock=clock)
    await purse.close()


def limited(world: World, **limits: list[str]) -> None:
    world.snapshot = replace(world.snapshot, limits=compile_limits({"limits": limits}))


async def asked(world: World, times: int, **fields: Any) -> list[str]:
    """Ask again and again; return the code of each refusal, '' for an answer."""
    codes = []
    for _ in range(times):
        request: Request = structs.replace(world.request(ASK), **fields)
        try:
            await execute(world.snapshot, request, world.runtime)
            codes.append("")
        except Exhausted as problem:
            codes.append(problem.code)
    return codes


async def test_requests_of_a_minute_are_counted_and_come_back(served: World, clock: FakeClock) -> None:
    limited(served, app=["3 requests/minute"])
    assert await asked(served, 5) == ["", "", "", "rate_limited", "rate_limited"]
    kept = served.recorder.last
    assert (kept.status, kept.reason, kept.http_status) == ("error", "rate_limited", 429)
    assert [stage["name"] for stage in kept.stages] == ["admit"], "nothing is done for a request that is too many"
    assert len(served.one.calls) == 3
    clock.advance(60)
    assert await asked(served, 1) == [""]


async def test_the_refusal_says_what_ran_out_when_it_resets_and_what_to_do(served: World, clock: FakeClock) -> None:
    limited(served, app=["1 request/minute"])
    await asked(served, 1)
    with pytest.raises(Exhausted) as caught:
        await execute(served.snapshot, served.request(ASK), served.runtime)
    assert caught.value.message == "app support has used its 1 request a minute"
    assert "UTC" in caught.value.hint
    assert "ask for a higher limit" in caught.value.hint
    assert 0 < caught.value.retry_after <= 61


async def test_users_and_sessions_have_limits_of_their_own(served: World) -> None:
    limited(served, user=["2 requests/day"], session=["1 request/month"])
    assert await asked(served, 2, subject="a") == ["", ""]
    assert await asked(served, 1, subject="a") == ["rate_limited"]
    assert await asked(served, 1, subject="b", session="s") == [""]
    assert await asked(served, 1, subject="b", session="s") == ["rate_limited"]
    assert await asked(served, 1, subject="c", session="s", key_id="k2") == [""], "a session belongs to a key"
    assert await asked(served, 3) == ["", "", ""], "whoever names no user and no session draws on none"


async def test_a_key_and_its_team_are_limited_at_once(served: World) -> None:
    rates = (parse_rate("2 requests/minute"),)
    team = (parse_rate("3 requests/minute"),)
    one = (("key:k1", rates), ("team:web", team))
    two = (("key:k2", rates), ("team:web", team))
    served.around(key_limits=one)
    assert await asked(served, 3) == ["", "", "rate_limited"]
    served.around(key_limits=two)
    assert await asked(served, 2) == ["", "rate_limited"]
    with pytest.raises(Exhausted, match="team web"):
        await execute(served.snapshot, served.request(ASK), served.runtime)


async def test_what_one_limit_refuses_is_not_taken_from_another(served: World) -> None:
    served.around(key_limits=(("key:k1", (Rate("requests", "day", 1),)), ("team:web", (Rate("requests", "day", 100),))))
    assert await asked(served, 4) == ["", "rate_limited", "rate_limited", "rate_limited"]
    assert served.runtime.purse is not None
    await served.runtime.purse.close()
    day = served.runtime.purse.windows().day
    with served.records.read() as tx:
        assert ledger.balance(tx, PROJECT, "team:web", "requests", day).settled == 1


async def test_tokens_are_reserved_at_most_and_settled_as_used(served: World) -> None:
    limited(served, app=["1M tokens/day"])
    assert await asked(served, 3) == ["", "", ""]
    assert served.runtime.purse is not None
    await served.runtime.purse.close()
    used = sum(record.input_tokens + record.output_tokens for record in served.recorder.records)
    with served.records.read() as tx:
        found = ledger.balance(tx, PROJECT, "app:support", "tokens", served.runtime.purse.windows().day)
    assert (found.settled, found.reserved) == (used, 0)
    limited(served, app=["50 tokens/day"])
    assert await asked(served, 1) == ["tokens_exhausted"]


async def test_a_contracts_limits_are_read_from_its_file_and_pinned(world: World) -> None:
    world.edit(
        "contracts/support.yaml", "evidence:", "limits: {user: [20rpm], loops: 3}\ncost: {per_day: $2}\nevidence:"
    )
    world.build()
    assert world.snapshot.limits.user == (Rate("requests", "minute", 20),)
    assert world.snapshot.limits.app == (Rate("cost", "day", 2_000_000_000),)
    assert world.snapshot.limits.loops == 3


@pytest.mark.parametrize(
    ("last", "step"),
    [
        ({"role": "user", "content": "And now?"}, False),
        ({"role": "tool", "tool_call_id": "c1", "content": "42"}, True),
        ({"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "42"}]}, True),
        ({"role": "user", "content": [{"type": "text", "text": "Hello"}]}, False),
        ({"role": "assistant", "content": None}, False),
    ],
)
def test_a_step_of_a_loop_is_what_a_tool_said(last: dict[str, object], step: bool) -> None:
    assert is_step([{"role": "user", "content": "Do it"}, last]) is step


async def test_output_is_clamped_to_what_is_left_of_a_limit(served: World) -> None:
    """The prompt allows 80 tokens; a limit that has room for 70 of them gets a shorter answer, not a refusal."""
    served.two.cost = Price(input="$1", output="$1")
    await asked(served, 1)
    unseen = 1_000  # what a server may tell its model beside the body
    most = (len(msgspec.json.encode(served.one.calls[-1].body)) + unseen + 80) * 4
    limited(served, app=[f"{most - 40} tokens/day"])
    assert await asked(served, 1) == [""]
    assert served.one.calls[-1].body["max_tokens"] == 70
    reserved = next(stage for stage in served.recorder.last.stages if stage["name"] == "reserve")
    assert reserved["facts"]["clamped"] == 70
    limited(served, user=[f"{most - 100} tokens/day"])
    assert await asked(served, 1, subject="a") == ["tokens_exhausted"], "fewer than 64 tokens are no answer"


async def test_output_is_clamped_to_what_money_is_left(served: World) -> None:
    served.one.cost = served.two.cost = Price(input="$0", output="$10")
    limited(served, app=["$0.003/day"])
    assert await asked(served, 1) == [""]
    assert served.one.calls[-1].body["max_tokens"] == 74


async def test_the_same_question_again_and_again_is_stopped_and_the_trace_says_so(served: World) -> None:
    served.snapshot = replace(served.snapshot, limits=compile_limits({"limits": {"loops": 3}}))
    assert await asked(served, 5, session="s") == ["", "", "", "loop_stopped", "loop_stopped"]
    kept = served.recorder.last
    assert (kept.reason, kept.http_status) == ("loop_stopped", 429)
    assert kept.stages[0]["facts"] == {"what": "question", "times": 5, "threshold": 3, "error": "loop_stopped"}
    assert len(served.one.calls) == 3
    assert await asked(served, 2, session="other") == ["", ""]
    assert await asked(served, 5) == [""] * 5, "without a session nobody can tell a loop from a crowd"
    other = structs.replace(served.request("Hello there, again"), session="s")
    await execute(served.snapshot, other, served.runtime)
    assert await asked(served, 1, session="s") == [""], "whoever asks something else is in no loop"


async def test_a_tool_called_with_the_same_arguments_again_and_again_is_stopped(served: World) -> None:
    def turn(arguments: str) -> list[dict[str, Any]]:
        call = {"id": "c", "type": "function", "function": {"name": "look_up", "arguments": arguments}}
        return [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "user", "content": "nothing found"},
        ]

    start = [{"role": "user", "content": "Find it"}]
    same = start + [message for _ in range(11) for message in turn('{"a": 1, "b": 2}')]
    assert repeated_call(same) == ("look_up", 11)
    assert repeated_call(same + turn('{"b": 2, "a": 1}')) == ("look_up", 12), "the order of keys says nothing"
    assert repeated_call(same + turn('{"a": 2}')) == ("look_up", 1)
    assert repeated_call(start) == ("", 0)
    with pytest.raises(Exhausted, match="look_up with the same arguments, 11 times") as caught:
        await execute(served.snapshot, served.request(same), served.runtime)
    assert (caught.value.code, caught.value.retry_after) == ("loop_stopped", 0)
    assert not served.one.calls


def test_what_sessions_asked_is_forgotten_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headgate.serve.money.loops._MOST_SESSIONS", 2)
    seen, ask = Loops(), [{"role": "user", "content": "Hello"}]
    assert [seen.again("a", ask, 0.0), seen.again("a", ask, 1.0), seen.again("a", ask, 700.0)] == [1, 2, 1]
    assert [seen.again(name, ask, 701.0) for name in "bca"] == [1, 1, 1]
