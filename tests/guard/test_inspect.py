"""Whole texts: masks are joined, faults never pass, observers change nothing, strangers cannot hang a request."""

from __future__ import annotations

import threading
import time
from types import ModuleType
from typing import Any

import pytest

from headgate.guard import Finding, Guard, inspect
from headgate.guard.checking import OnThread
from headgate.measure import Found

SPAN = Finding(True, 1.0, "word", "found a word", spans=(Found(0, 4, "WORD"),))
FAULTS: dict[str, Any] = {
    "raises": ValueError("boom: secret text"),
    "exits": SystemExit(1),
    "returns nothing": lambda text: None,
    "returns a truth value": lambda text: True,
    "returns a text": lambda text: "ok",
    "hit is no truth value": lambda text: Finding("yes"),  # type: ignore[arg-type]
    "value is no number": lambda text: Finding(True, "high"),  # type: ignore[arg-type]
    "spans outside": lambda text: Finding(True, spans=(Found(0, 10_000, "X"),)),
    "spans out of order": lambda text: Finding(True, spans=(Found(3, 4, "X"), Found(0, 1, "X"))),
    "masks without saying where": lambda text: Finding(True),
}


def on_thread(guard: Guard) -> Guard:
    return Guard(guard.name, OnThread(guard.checker), guard.action, guard.mode, guard.unit, trusted=False)


@pytest.mark.parametrize("own_thread", [False, True], ids=["in place", "on a thread"])
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_blocks_when_enforced_and_is_never_a_pass(tools: ModuleType, name: str, own_thread: bool) -> None:
    if name == "exits" and not own_thread:
        pytest.skip("a built-in guard does not exit")
    for mode, expected in (("enforce", "error_blocked"), ("observe", "error_allowed")):
        guard = tools.guard(FAULTS[name], action="mask", mode=mode)
        outcome = inspect([on_thread(guard) if own_thread else guard], "some text", "output")
        assert [said.verdict for said in outcome.verdicts] == [expected]
        assert (outcome.blocked is not None) == (mode == "enforce")
        assert outcome.text == ("" if mode == "enforce" else "some text")
        assert "secret text" not in outcome.verdicts[0].explanation


def test_a_stranger_that_hangs_is_left_behind_and_then_refused(tools: ModuleType) -> None:
    release = threading.Event()
    guard = tools.guard(lambda text: release.wait(20) and Finding(False))
    hanging = Guard("slow", OnThread(guard.checker, limit_s=0.02), "block", "enforce", "answer", trusted=False)
    for _ in range(4):
        began = time.monotonic()
        outcome = inspect([hanging], "x", "input")
        assert time.monotonic() - began < 2
        assert outcome.verdicts[0].verdict == "error_blocked"
        assert "longer than 20 ms" in outcome.verdicts[0].explanation
    assert "stuck" in inspect([hanging], "x", "input").verdicts[0].explanation
    release.set()
    assert isinstance(hanging.checker, OnThread)
    until = time.monotonic() + 5
    while hanging.checker.stuck and time.monotonic() < until:
        time.sleep(0.005)
    assert inspect([hanging], "x", "input").verdicts[0].verdict == "pass"


def test_every_guard_looks_at_the_text_as_it_came_and_masks_are_joined(tools: ModuleType) -> None:
    seen: list[str] = []

    def look(text: str) -> Finding:
        seen.append(text)
        return Finding(False)

    watch = tools.guard(look)
    policy = tools.policy({"type": "pii"}, {"type": "secrets"})
    text = "a@b.example and AKIAIOSFODNN7EXAMPLE"
    outcome = inspect([*policy.output, watch], text, "output")
    assert outcome.text == "<EMAIL> and <AWS_KEY>"
    assert seen == [text]
    assert [said.verdict for said in outcome.verdicts] == ["mask", "mask", "pass"]


def test_the_first_block_ends_it_and_the_others_are_skipped(tools: ModuleType) -> None:
    guards = [
        tools.guard(Finding(False), name="a"),
        tools.guard(SPAN, name="b", reply="prompts/no"),
        tools.guard(SPAN, name="c"),
    ]
    outcome = inspect(guards, "some text", "input")
    assert [said.verdict for said in outcome.verdicts] == ["pass", "block", "skipped"]
    assert (outcome.text, outcome.reply) == ("", "prompts/no")
    assert outcome.blocked is outcome.verdicts[1]


def test_observers_say_what_would_have_happened(tools: ModuleType) -> None:
    outcome = inspect(
        [tools.guard(SPAN, mode="observe"), tools.guard(SPAN, action="mask", mode="observe")], "text x", "input"
    )
    assert outcome.text == "text x"
    assert outcome.blocked is None
    assert [(said.verdict, said.observed) for said in outcome.verdicts] == [("block", True), ("mask", True)]


def test_a_flag_passes_and_leaves_its_mark(tools: ModuleType) -> None:
    outcome = inspect([tools.guard(SPAN, action="flag")], "some text", "input")
    assert outcome.text == "some text"
    assert (outcome.verdicts[0].verdict, outcome.verdicts[0].value) == ("pass", 1.0)
    assert outcome.verdicts[0].explanation.startswith("flagged")


def test_a_guard_that_rewrites_sees_what_the_others_masked(tools: ModuleType) -> None:
    rewrite = tools.guard(lambda text: Finding(True, text=text.replace("code", "----")), action="mask")
    spans = tools.guard(SPAN, action="mask")
    assert inspect([rewrite, spans], "word code", "output").text == "<WORD> ----"


def test_long_texts_are_checked_in_parts_without_losing_anything(tools: ModuleType) -> None:
    longest: list[int] = []

    def check(text: str) -> Finding:
        longest.append(len(text))
        at = [place for place in range(len(text)) if text.startswith("BAD", place)]
        return Finding(bool(at), float(len(at)), spans=tuple(Found(place, place + 3, "BAD") for place in at))

    text = ("x" * 4_997 + "BAD") * 40
    outcome = inspect([tools.guard(check, action="mask")], text, "input")
    assert outcome.text == text.replace("BAD", "<BAD>")
    assert max(longest) <= 32_768
