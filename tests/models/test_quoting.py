"""Answering by quotation: the right sentence, the right number, and silence when nothing answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from headgate.kernel import Passage, parse_yaml, plugins
from headgate.models import nearest_example, quote
from headgate.retrieve import Retriever, compile_retrieval

TEMPLATE = Path(__file__).parents[2] / "src" / "headgate" / "templates" / "support"

PASSAGES = (
    Passage(
        "corpus/device-returns",
        "You can return a device within 30 days of delivery. The returned device must include the original box. "
        "Returning a device does not cancel the mobile plan.",
        "Returning a device › Time limit",
    ),
    Passage(
        "corpus/late-fees",
        "A late fee of $5 is added when a bill is still unpaid 7 days after the due date. "
        "The late fee is charged once per bill and does not grow with time.",
        "Late payment › The late fee",
    ),
    Passage("corpus/plans", "The Max plan costs $40 per month. The Plus plan costs $25 per month.", "Plans › Prices"),
    Passage("corpus/esim", "To move an eSIM:\n- open SIM in the app\n- choose Move eSIM here", "eSIM › Moving"),
)


def said(question: str, **options: object) -> str:
    return " ".join(f"{found.text} [{found.number}]" for found in quote(question, PASSAGES, **options))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Within how many days can I return a device?", "within 30 days of delivery. [1]"),
        ("how much is the late fee?", "A late fee of $5"),
        ("Does the late fee grow with time?", "does not grow with time. [2]"),
        ("What does the Max plan cost?", "The Max plan costs $40 per month. [3]"),
        ("how do i move my esim", "choose Move eSIM here. [4]"),
        ("what is the prise of the max plann", "The Max plan costs $40"),
        ("Does sending a phone back cancel my plan?", "does not cancel the mobile plan. [1]"),
        ("My aunt wrote to me. She has three parrots. She asks: how much is the late fee on a bill?", "$5"),
    ],
)
def test_the_sentence_that_answers_is_quoted_with_its_number(question: str, answer: str) -> None:
    assert answer in said(question)


@pytest.mark.parametrize(
    "question",
    [
        "Which dog food is good for a puppy?",
        "Who won the cup final in 1998?",
        "Do I need a visa for Brazil?",
        "How tall is the Eiffel tower?",
        "",
        "?",
        "the of and",
    ],
)
def test_a_question_that_nothing_answers_gets_no_quote(question: str) -> None:
    assert said(question) == ""


def test_a_follow_up_is_read_after_the_question_before_it() -> None:
    assert said("And the Plus plan?") == "The Plus plan costs $25 per month. [3]"
    assert "$5" in said("and how much is it?", earlier=["When is the late fee added?"])
    assert said("and how much is it?") == ""


def test_a_limit_of_one_quotes_one_sentence() -> None:
    assert len(quote("What do the Max plan and the Plus plan cost?", PASSAGES, limit=1)) == 1
    assert len(quote("What do the Max plan and the Plus plan cost?", PASSAGES, limit=2)) == 2


def test_the_same_sentence_is_never_quoted_twice() -> None:
    twice = (PASSAGES[1], PASSAGES[1], PASSAGES[1])
    assert len({found.text for found in quote("how much is the late fee?", twice, limit=3)}) == len(
        quote("how much is the late fee?", twice, limit=3)
    )


def test_without_passages_nothing_is_quoted() -> None:
    assert quote("How much is the late fee?", ()) == []


def test_the_nearest_example_replies_and_a_stranger_does_not() -> None:
    examples = (("Hello, good morning!", "Hi there."), ("Thank you very much", "Welcome."))
    assert nearest_example("good morning", examples) == "Hi there."
    assert nearest_example("thank you!", examples) == "Welcome."
    assert nearest_example("What does the Max plan cost?", examples) == ""


@pytest.fixture(scope="module")
def handbook() -> Retriever:
    draft = plugins.load("kinds", "retrieval").parse(TEMPLATE, "retrieval/handbook")
    return compile_retrieval(draft.document, draft.blobs.__getitem__)


@pytest.mark.parametrize("suite", ["golden", "edge"])
def test_the_templates_facts_are_found_and_cited(handbook: Retriever, suite: str) -> None:
    cases = parse_yaml((TEMPLATE / f"suites/{suite}.yaml").read_text(encoding="utf-8"), suite).data
    wrong, asked = [], 0
    for case in cases:
        facts = [check["contains"] for check in case["expect"] if isinstance(check, dict) and "contains" in check]
        pages = {check["cites"] for check in case["expect"] if isinstance(check, dict) and "cites" in check}
        if "input" not in case or not (facts and pages):
            continue
        asked += 1
        passages = handbook.search(case["input"])
        quotes = quote(case["input"], passages)
        text = " ".join(found.text for found in quotes)
        if not (all(fact in text for fact in facts) and pages <= {passages[q.number - 1].source for q in quotes}):
            wrong.append(case["id"])
    assert asked >= 10
    assert len(wrong) <= 0.05 * asked, wrong


def test_questions_outside_the_handbook_are_refused(handbook: Retriever) -> None:
    strangers = [
        "Do you offer satellite television?", "Can I pay my bill with bitcoin?", "Do you sell laptops on instalments?",
        "Does Northline have a podcast?", "How do I renew my passport?", "Do you ship mattresses?",
        "How do I return a book to the library?", "How long is the warranty of my washing machine?",
        "Which vaccine do I need for Kenya?", "Can I cancel my gym membership with you?", "Do you support 6G?",
        "What does a train ticket to Paris cost?", "Do you have vacancies for interns in marketing?",
    ]  # fmt: skip
    answered = [question for question in strangers if quote(question, handbook.search(question))]
    assert len(answered) <= 1, answered
