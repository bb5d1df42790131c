"""A release pins what its targets declared; a gateway whose project declares less does not ask them (P12)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.serve.conftest import World

from headgate.kernel import Answer
from headgate.models import Facts, Providers

ASK = "Hello there"
PINNED = Facts.model_validate({"region": "eu", "retention": "30d", "trains": False, "filter": True})


def gateway(built: World, declared: dict[str, Any] | None, **pinned: Facts) -> World:
    """The release pins facts of targets; the gateway's own project declares these of the first."""
    entry = {"type": "scripted"} | ({"facts": declared} if declared else {})
    built.around(providers=Providers({"one": entry}, {"one": built.one, "two": built.two}))
    built.snapshot = replace(built.snapshot, facts={f"{name}/model": facts for name, facts in pinned.items()})
    return built


def attempts(given: Answer) -> list[tuple[str, str]]:
    stage = next(stage for stage in given.stages if stage.name == "generate")
    return [(item["target"], item.get("error", "")) for item in stage.facts["attempts"]]


SAME: dict[str, Any] = {"region": ["eu"], "retention": "30d", "trains": False, "filter": True}


@pytest.mark.parametrize(
    "now",
    [SAME, SAME | {"region": "eu-west-1", "retention": "none"}],
    ids=["the same", "stricter"],
)
async def test_what_is_as_strict_as_pinned_is_asked(built: World, now: dict[str, Any]) -> None:
    given = await gateway(built, now, one=PINNED).ask(ASK)
    assert given.status == "answered"
    assert len(built.one.calls) == 1


LESS: list[dict[str, Any]] = [{"region": "us"}, {"retention": "31d"}, {"trains": True}, {"filter": False}]


@pytest.mark.parametrize(
    "now", [*(SAME | less for less in LESS), None], ids=["region", "retention", "trains", "filter", "unsaid"]
)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_what_is_less_strict_is_passed_over(built: World, now: dict[str, Any] | None, stream: bool) -> None:
    given = await gateway(built, now, one=PINNED).ask(ASK, stream)
    assert given.status == "answered"
    assert attempts(given) == [("one/model", "less_strict"), ("two/model", "")]
    assert not built.one.calls


async def test_when_nobody_is_left_the_asker_gets_the_fallback(built: World) -> None:
    given = await gateway(built, SAME | {"region": "us"}, one=PINNED, two=PINNED).ask(ASK)
    assert (given.status, given.reason) == ("safe", "less_strict")
    assert [*built.one.calls, *built.two.calls] == []


async def test_a_release_that_pins_no_facts_asks_whom_it_names(built: World) -> None:
    await gateway(built, {"region": "us"}).ask(ASK)
    assert len(built.one.calls) == 1
