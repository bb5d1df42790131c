"""Grounding: numbers and negations must match, small talk is neutral, quotes stand."""

from __future__ import annotations

import pytest

from headgate.kernel import Passage
from headgate.measure import ground, is_refusal

PAGES = (
    Passage(
        "corpus/returns",
        "You can return a device within 30 days of delivery. Opened earphones cannot be returned. "
        "A paper bill costs $2 per month.",
        "Returning a device",
    ),
    Passage("corpus/plans", "The Max plan costs $45 per month and includes 1,000 GB. One line is included."),
)


@pytest.mark.parametrize(
    ("answer", "supported"),
    [
        ("You can return a device within 30 days of delivery. [1]", True),
        ("Devices can be returned within 30 days after delivery [1].", True),
        ("You can return a device within 60 days of delivery. [1]", False),
        ("The Max plan costs $45.00 and includes 1000 GB. [2]", True),
        ("The Max plan costs $54 per month. [2]", False),
        ("Opened earphones can be returned. [1]", False),
        ("Opened earphones cannot be returned. [1]", True),
        ("Our founder was born in a small village by the sea.", False),
        ("1 line is included [2]", True),
    ],
)
def test_sentences_are_judged_by_words_numbers_and_negation(answer: str, supported: bool) -> None:
    found = ground(answer, PAGES)
    assert found.value == float(supported), found


def test_the_source_of_each_sentence_is_named() -> None:
    found = ground("You can return a device within 30 days. [1] The Max plan costs $45 per month. [2]", PAGES)
    assert [source for _, _, source in found.sentences] == ["corpus/returns", "corpus/plans"]


@pytest.mark.parametrize(
    "text", ["", "Hello!", "I do not know.", "Sorry, I could not find that in the sources I have."]
)
def test_what_claims_nothing_is_supported(text: str) -> None:
    assert ground(text, ()).value == 1.0


def test_an_answer_without_sources_is_not_grounded() -> None:
    assert ground("The warranty lasts two years.", ()).value == 0.0


def test_the_value_is_the_share_of_sentences() -> None:
    found = ground("A paper bill costs $2 per month. The moon is made of green cheese.", PAGES)
    assert found.value == 0.5


@pytest.mark.parametrize(
    "text",
    [
        "I could not find that in the sources I have.",
        "I'm sorry, but I can't help with that.",
        "We are unable to share other customers' data.",
        "I don't know.",
        "As an AI, I cannot feel pain.",
        "I am sorry, but I cannot help with that request. I can answer questions about Northline.",
    ],
)
def test_refusals_are_recognised(text: str) -> None:
    assert is_refusal(text)


@pytest.mark.parametrize(
    "text", ["You cannot return opened earphones.", "The bill is due in 14 days.", "", "I found it: $2."]
)
def test_answers_are_no_refusals(text: str) -> None:
    assert not is_refusal(text)
