"""Streams: whatever the pieces, nothing banned leaves, masked text is what leaves, and nothing else is lost (P11)."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.guard import Finding, OutputStream, compile_policy, inspect
from headgate.measure import Found

LONG = "The plan costs a bit and has many gigabytes for everybody who needs them at home or abroad, always. "
BANNED = "NL-OVERRIDE"
TERMS = {"type": "terms", "deny": [BANNED, "KEEP-25", "extension 4471"]}
SIZES = [(1,), (2,), (3,), (5,), (7, 1), (13,), (1, 40), (64,), (1000,)]


@pytest.mark.parametrize("before", ["", "Say ", LONG, LONG * 3])
@pytest.mark.parametrize("term", ["NL-OVERRIDE", "KEEP-25", "extension 4471", "nl override", "K E E P - 2 5"])
def test_a_banned_text_split_anywhere_leaks_nothing(tools: ModuleType, before: str, term: str) -> None:
    policy = tools.policy(TERMS)
    text = f"{before}{term} and more words follow. {LONG}"
    for cut in range(len(before), len(before) + len(term) + 1):
        left, end = tools.stream(policy, [text[:cut], text[cut:]])
        assert end.blocked is not None
        assert before.startswith(left)


@pytest.mark.parametrize("sizes", SIZES)
def test_any_pieces_leak_nothing(tools: ModuleType, sizes: tuple[int, ...]) -> None:
    policy = tools.policy(TERMS)
    text = f"{LONG}{BANNED} {LONG}"
    left, end = tools.stream(policy, tools.pieces(text, *sizes))
    assert end.blocked is not None
    assert (end.text, end.blocked.guard) == ("", "terms")
    assert LONG.startswith(left)
    assert not any(left.endswith(BANNED[:size]) for size in range(1, len(BANNED)))


@pytest.mark.parametrize(
    "disguise",
    [
        "N\u200bL-OVER\u200bRIDE",
        "N L  -  O V E R R I D E",
        (" " * 5).join("NLOVERRIDE"),
        (" \n" * 20).join("NLOVERRIDE"),
        ("\u200b" * 30).join("NLOVERRIDE"),
        "ＮＬ-ＯＶＥＲＲＩＤＥ",
        "TkwtT1ZFUlJJREU=",
    ],
)
def test_stretched_and_encoded_texts_leak_nothing(tools: ModuleType, disguise: str) -> None:
    for size in (1, 3, 11):
        left, end = tools.stream(tools.policy(TERMS), tools.pieces(f"{LONG}{disguise} {LONG}", size))
        assert end.blocked is not None
        assert LONG.startswith(left)


MASKED = [
    ("mail jo.sample@post.example now", "mail <EMAIL> now"),
    ("card 4111 1111 1111 1111 ok", "card <CARD> ok"),
    ("IBAN DE89 3704 0044 0532 0130 00 ok", "IBAN <IBAN> ok"),
    ("call +1 212 555 0147 ok", "call <PHONE> ok"),
]


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize(("text", "expected"), MASKED)
def test_what_leaves_is_masked(tools: ModuleType, text: str, expected: str, sizes: tuple[int, ...]) -> None:
    policy = tools.policy({"type": "pii"})
    left, end = tools.stream(policy, tools.pieces(f"{LONG}{text} {LONG}", *sizes))
    assert left == f"{LONG}{expected} {LONG}"
    assert end.verdicts[0].verdict == "mask"


def test_every_split_of_a_card_is_masked(tools: ModuleType) -> None:
    policy = tools.policy({"type": "pii"})
    text = f"{LONG}4111 1111 1111 1111 {LONG}"
    for cut in range(len(LONG) - 2, len(LONG) + 22):
        left, _ = tools.stream(policy, [text[:cut], text[cut:]])
        assert left == f"{LONG}<CARD> {LONG}"


@pytest.mark.parametrize("size", [1, 9, 200])
def test_a_private_key_is_held_until_its_end(tools: ModuleType, size: int) -> None:
    key = "-----BEGIN PRIVATE KEY-----\n" + "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n" * 30 + "-----END PRIVATE KEY-----"
    for action, expected in (("mask", f"{LONG}<PRIVATE_KEY>\n{LONG}"), ("block", None)):
        left, end = tools.stream(
            tools.policy({"type": "secrets", "action": action}), tools.pieces(f"{LONG}{key}\n{LONG}", size)
        )
        if expected:
            assert left == expected
        else:
            assert end.blocked is not None
            assert LONG.startswith(left)


def test_harmless_text_comes_through_unchanged_and_early(tools: ModuleType) -> None:
    policy = tools.policy({"type": "pii"}, TERMS)
    gate = OutputStream(policy)
    left = [gate.feed(piece) for piece in tools.pieces(LONG * 6, 4)]
    assert sum(map(len, left)) > len(LONG * 6) - 200
    assert "".join(left) + gate.finish().text == LONG * 6


def test_what_may_still_grow_waits(tools: ModuleType) -> None:
    policy = tools.policy({"type": "terms", "deny": ["KEEP-2"]})
    assert tools.stream(policy, [f"{LONG}KEEP-2", f"5 is fine. {LONG}"])[1].blocked is None
    assert tools.stream(policy, [f"{LONG}KEEP-2", f" is not. {LONG}"])[1].blocked is not None
    assert tools.stream(policy, [f"{LONG}KEEP-2"])[1].blocked is not None


def test_a_sentence_unit_holds_a_sentence_until_it_is_complete(tools: ModuleType) -> None:
    bad = tools.guard(lambda text: Finding("bad" in text, 1.0), unit="sentence")
    gate = OutputStream(type(tools.policy(TERMS))(output=(bad,)))
    assert gate.feed("This is the first sentence, which is good") == ""
    assert gate.feed(". The second") == "This is the first sentence, which is good. "
    assert gate.feed(" one is ba") == ""
    assert gate.feed("d. ") == ""
    assert gate.blocked is not None
    assert gate.finish().text == ""


def test_an_answer_unit_holds_everything(tools: ModuleType) -> None:
    guard = tools.guard(Finding(False), unit="answer")
    gate = OutputStream(type(tools.policy(TERMS))(output=(guard,)))
    assert [gate.feed(LONG) for _ in range(5)] == [""] * 5
    assert gate.finish().text == LONG * 5


def test_a_masker_that_does_not_say_where_holds_the_answer(tools: ModuleType) -> None:
    guard = tools.guard(
        lambda text: Finding("code" in text, 1.0, text=text.replace("code", "----")), action="mask", unit=8
    )
    policy = type(tools.policy(TERMS))(output=(guard,))
    left, end = tools.stream(policy, tools.pieces(f"{LONG}my code is here. {LONG}", 5))
    assert left == f"{LONG}my ---- is here. {LONG}"
    assert end.verdicts[0].verdict == "mask"


def test_observers_hold_nothing_back_and_see_the_whole_answer(tools: ModuleType) -> None:
    policy = tools.policy({**TERMS, "mode": "observe"}, {"type": "pii", "action": "flag"})
    gate = OutputStream(policy)
    assert gate.feed("the phrase is NL-OVER") == "the phrase is NL-OVER"
    assert gate.feed("RIDE for a@b.example") == "RIDE for a@b.example"
    end = gate.finish()
    assert [(said.verdict, said.observed) for said in end.verdicts] == [("block", True), ("pass", False)]
    assert end.verdicts[1].explanation.startswith("flagged")


@pytest.mark.parametrize(("mode", "verdict"), [("enforce", "error_blocked"), ("observe", "error_allowed")])
def test_a_guard_that_fails_in_the_middle_is_a_fault(tools: ModuleType, mode: str, verdict: str) -> None:
    def check(text: str) -> Finding:
        if "second" in text:
            raise RuntimeError("gone")
        return Finding(False)

    policy = type(tools.policy(TERMS))(output=(tools.guard(check, mode=mode, unit=4),))
    left, end = tools.stream(policy, tools.pieces(f"{LONG} second {LONG}", 10))
    assert end.verdicts[0].verdict == verdict
    assert (left == f"{LONG} second {LONG}") == (mode == "observe")


def test_no_guards_pass_everything_on() -> None:
    gate = OutputStream(compile_policy({}))
    assert gate.feed("abc") == "abc"
    assert gate.finish().text == ""


def test_a_finding_that_began_in_what_left_still_blocks_or_masks_the_rest(tools: ModuleType) -> None:
    def check(text: str) -> Finding:
        at = text.find("<<")
        end = text.find(">>", at)
        return Finding(end > 0, 1.0, spans=(Found(at, end + 2, "X"),)) if end > 0 else Finding(False)

    text = "<<" + "word " * 40 + ">> tail"
    masked, _ = tools.stream(
        type(tools.policy(TERMS))(output=(tools.guard(check, action="mask", unit=8),)), tools.pieces(text, 6)
    )
    assert ">>" not in masked
    assert masked.endswith("<X> tail")


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_stream_says_what_the_whole_text_would(tools: ModuleType, data: Any) -> None:
    words = st.sampled_from(
        [
            "a ",
            "plan. ",
            "NL-OVERRIDE ",
            "KEEP ",
            "-25 ",
            "jo@post.example ",
            "4111 1111 1111 1111 ",
            "costs $5\n",
            "…",
            "\u200b",
        ]
    )
    text = "".join(data.draw(st.lists(words, max_size=40)))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=20)))
    parts = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    policy = tools.policy({"type": "pii"}, TERMS)
    left, end = tools.stream(policy, parts)
    whole = inspect(policy.output, text, "output")
    assert (end.blocked is None) == (whole.blocked is None)
    if whole.blocked is None:
        assert left == whole.text
    assert "OVERRIDE" not in left
    assert "4111" not in left


@settings(max_examples=150)
@given(st.text(st.sampled_from("ab1é_ .,\n\u200b٤!"), max_size=300), st.integers(1, 80))
def test_holding_back_counts_letters_and_digits(text: str, letters: int) -> None:
    """The place is that of the last so many letters, moved back to where a word begins."""
    stream = OutputStream(compile_policy({}))
    stream._pending = text
    places = [place for place, sign in enumerate(text) if sign.isalnum()]
    wanted = 0
    if len(places) >= letters:
        place = places[-letters]
        wanted = next((at for at in range(place, 0, -1) if text[at - 1].isspace()), 0)
    assert stream._before_last(letters) == wanted
