"""Why a request ended as it did, in words: what a page says of a model that did not answer."""

from __future__ import annotations

from typing import Any

import pytest

from headgate.ui.reasons import attempt_words, stage_words, why


def trace(status: str, reason: str) -> dict[str, Any]:
    return {"summary": {"status": status, "reason": reason}, "stages": [], "blocked_by": "", "attributes": {}}


@pytest.mark.parametrize(
    ("status", "reason", "says"),
    [
        ("safe", "provider_rate_limit", "No model answered. The last that was asked: its provider says that it is"),
        ("safe", "breaker_open", "it had failed too often"),
        ("safe", "ungrounded", "Too little of the answer stood in its sources."),
        ("safe", "something_new", "The answer could not stand: something_new."),
        ("error", "provider_server", "The model did not answer, or not to its end. The last that was asked: its prov"),
        ("error", "budget_exhausted", "A budget was used up"),
        ("error", "internal: KeyError", "It failed: internal: KeyError."),
    ],
)
def test_why_no_answer_came_is_said_in_words(status: str, reason: str, says: str) -> None:
    assert says in " ".join(why(trace(status, reason)))


def test_what_a_provider_said_of_a_call_that_it_did_not_understand_is_shown() -> None:
    attempt = {"target": "east/large", "error": "provider_rejected", "upstream_status": 400, "said": "no such model"}
    assert attempt_words(attempt) == "east/large failed: provider_rejected (400): no such model"


def test_a_stage_without_guards_says_so() -> None:
    assert stage_words({"name": "guard_input", "facts": {"verdicts": {}}}) == ["no guards"]
    assert stage_words({"name": "guard_input", "facts": {"verdicts": {"pii": "pass"}}}) == ["pii: pass"]
