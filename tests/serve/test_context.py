"""Fitting a conversation and its sources to a budget: what is always kept, what goes first."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from headgate.kernel import Passage
from headgate.serve.asking.context import Fitted, estimate, fit, in_context, numbered
from headgate.serve.asking.prompt import Prompt, compile_prompt

History = list[dict[str, Any]]
Passages = tuple[Passage, ...]
WORDS = st.text(alphabet="abc äöü 漢字{}[]\n", max_size=120)
TURN = st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant", "system", "tool"]), "content": WORDS})
HISTORY = st.lists(TURN, max_size=12)
PASSAGES = st.lists(WORDS, max_size=5).map(
    lambda texts: tuple(Passage(f"corpus/{index}", text) for index, text in enumerate(texts))
)


def prompt(sources: bool = True) -> Prompt:
    text = "Be short. {{ sources }}" if sources else "Be short."
    return compile_prompt(
        "prompts/x", {"messages": [{"role": "system", "text": text}, {"role": "user", "text": "Q: {{ question }}"}]}
    )


def ask(history: History, question: str, passages: Passages, budget: int) -> Fitted:
    return fit(prompt(), [*history, {"role": "user", "content": question}], passages, {"question": question}, budget)


@given(HISTORY, WORDS, PASSAGES, st.integers(1, 400))
def test_the_budget_holds_unless_what_is_always_kept_exceeds_it(
    history: History, question: str, passages: Passages, budget: int
) -> None:
    fitted = ask(history, question, passages, budget)
    assert fitted.tokens == sum(estimate(message) for message in fitted.messages)
    if fitted.tokens > budget:
        assert not fitted.passages
        assert all(message["role"] in ("system", "developer") for message in fitted.messages[1:-1])


@given(HISTORY, WORDS, PASSAGES, st.integers(1, 400))
def test_what_is_kept_is_the_newest_in_order(history: History, question: str, passages: Passages, budget: int) -> None:
    fitted = ask(history, question, passages, budget)
    middle = fitted.messages[1:-1]
    assert fitted.messages[0]["role"] == "system"
    assert fitted.messages[-1] == {"role": "user", "content": f"Q: {question}"}
    turns = [message for message in history if message["role"] != "system"]
    kept = [message for message in middle if message["role"] != "system"]
    assert kept == turns[len(turns) - len(kept) :]
    assert [message for message in middle if message["role"] == "system"] == [
        m for m in history if m["role"] == "system"
    ]
    assert not kept or kept[0]["role"] == "user" or len(kept) == len(turns)
    assert fitted.dropped_turns == len(turns) - len(kept)


@given(HISTORY, WORDS, PASSAGES, st.integers(1, 400))
def test_sources_go_last_and_the_weakest_first(
    history: History, question: str, passages: Passages, budget: int
) -> None:
    fitted = ask(history, question, passages, budget)
    assert fitted.passages == passages[: len(fitted.passages)]
    assert fitted.dropped_passages == len(passages) - len(fitted.passages)
    if fitted.dropped_passages:
        assert not [message for message in fitted.messages[1:-1] if message["role"] != "system"]


@given(HISTORY, WORDS, PASSAGES)
def test_with_room_nothing_is_lost(history: History, question: str, passages: Passages) -> None:
    fitted = ask(history, question, passages, 1_000_000)
    assert fitted.messages[1:-1] == history
    assert fitted.passages == passages
    assert numbered(passages) in fitted.messages[0]["content"]


def test_sources_are_numbered_from_one() -> None:
    shown = numbered((Passage("corpus/a", "First.", "Returns"), Passage("corpus/b", "Second.")))
    assert shown == "[1] Returns (corpus/a)\nFirst.\n\n[2] (corpus/b)\nSecond."


def test_a_prompt_that_shows_no_sources_is_given_none() -> None:
    found = (Passage("corpus/a", "First."),)
    fitted = fit(prompt(sources=False), [{"role": "user", "content": "x"}], found, {"question": "x"}, 1000)
    assert fitted.passages == ()
    assert fitted.dropped_passages == 0


PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}


def test_messages_go_on_with_their_parts_calls_and_unknown_fields() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    conversation: list[dict[str, Any]] = [
        {"role": "user", "content": [{"type": "text", "text": "What is this?"}, PICTURE], "name": "person_a"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "a cat"},
    ]
    document = {"messages": [{"role": "system", "text": "S"}]}
    assert fit(compile_prompt("p", document), conversation, (), {}, 5000).messages[1:] == conversation


def test_a_prompt_that_wraps_the_question_keeps_its_pictures() -> None:
    document = {"messages": [{"role": "user", "text": "Answer: {{ question }}"}]}
    asked = [{"role": "user", "content": [{"type": "text", "text": "What?"}, PICTURE]}]
    fitted = fit(compile_prompt("p", document), asked, (), {"question": "What?"}, 5000)
    assert fitted.messages == [{"role": "user", "content": [{"type": "text", "text": "Answer: What?"}, PICTURE]}]
    assert fitted.tokens > 1000


def test_few_shot_pairs_stand_between_prompt_and_conversation() -> None:
    document = {"messages": [{"role": "system", "text": "S"}], "examples": [{"user": "hi", "assistant": "hello"}]}
    conversation = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": "c"},
    ]
    fitted = fit(compile_prompt("p", document), conversation, (), {}, 1000)
    assert [message["content"] for message in fitted.messages] == ["S", "hi", "hello", "a", "b", "c"]


def test_what_is_substituted_is_never_looked_at_again() -> None:
    fitted = ask([], "{{ sources }} {{question}}", (Passage("corpus/a", "{{ question }}"),), 1000)
    assert fitted.messages[-1]["content"] == "Q: {{ sources }} {{question}}"
    assert "{{ question }}" in fitted.messages[0]["content"]


def said(*texts: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text} for text in texts]


def test_a_follow_up_is_read_after_what_it_follows() -> None:
    first = "What does roaming cost in the USA?"
    assert in_context(said(first, "And in Canada?")) == f"{first}\nAnd in Canada?"
    assert in_context(said(first, "How long is it valid?")) == f"{first}\nHow long is it valid?"
    whole = "How long can I return a router that I bought online?"
    assert in_context(said(first, whole)) == whole
    assert in_context(said("And in Canada?")) == "And in Canada?"
    assert in_context([]) == ""
