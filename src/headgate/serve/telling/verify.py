"""Whether an answer may stand: refusals recognised, citations read, grounding measured, output checked against the
contract. Called by `speak` once the whole text is there. It changes no text; it says why an answer may not stand.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from headgate.kernel import Passage, Status
from headgate.measure import ground, is_refusal
from headgate.models import End
from headgate.serve.journey import Journey

from .beside import calls

_CITATION = re.compile(r"\[(\d{1,3}(?:\s*,\s*\d{1,3})*)\]")
_FILTERED = "content_filter"

Ending = tuple[Status, str]


def must_hold(journey: Journey) -> bool:
    """Whether nothing may leave before the whole answer is verified."""
    snapshot, to = journey.snapshot, journey.destination
    if snapshot.contract.output is not None:
        return True
    enforced = snapshot.citations_required or snapshot.grounding_floor is not None
    return enforced and to is not None and to.retriever is not None


def verify(journey: Journey, text: str, end: End) -> Ending | None:
    """Look at a whole answer and note on the journey what is found.

    Returns how the request ends when the answer may not stand: the caller replaces it, unless text has left already.
    """
    journey.end("answered", "", end.finish_reason or "stop")
    if usage := end.extra.get("usage"):
        journey.extra["usage"] = usage
    with journey.stage("verify") as facts:
        problem = _judged(journey, text, end, facts)
        if problem:
            facts["objection"] = problem[1]
            journey.citations = ()
            if journey.released:
                journey.end(*problem, end.finish_reason)
    return problem


def _judged(journey: Journey, text: str, end: End, facts: dict[str, Any]) -> Ending | None:
    snapshot, to = journey.snapshot, journey.destination
    if end.finish_reason == _FILTERED:
        return "refused", _FILTERED
    if not text.strip():
        return None if calls(end) else ("safe", "empty")
    journey.citations = cited(text, journey.passages)
    if not journey.citations and declined(text, end):
        journey.end("refused", "model", journey.finish_reason)
        return None
    if snapshot.contract.output is not None and (wrong := snapshot.contract.output(text)):
        return "safe", f"contract_output: the answer {wrong}"
    if to is None or to.retriever is None:
        return None
    journey.grounding = ground(text, journey.passages)
    facts["grounding"], facts["citations"] = round(journey.grounding.value, 4), list(journey.citations)
    if snapshot.citations_required and not journey.citations:
        return "safe", "no_citation"
    if snapshot.grounding_floor is not None and journey.grounding.value < snapshot.grounding_floor:
        return "safe", "ungrounded"
    return None


def declined(text: str, end: End) -> bool:
    """Whether the model said that it can or will not answer: by its wire's own refusal field, or in words."""
    message = end.extra.get("message")
    if isinstance(message, Mapping) and message.get("refusal"):
        return True
    return is_refusal(text)


def cited(text: str, passages: Sequence[Passage]) -> tuple[str, ...]:
    """Return the sources that `[n]` and `[n, m]` marks name, in order, each once; marks of no source are ignored."""
    found: dict[str, None] = {}
    if not passages or "[" not in text:
        return ()
    for mark in _CITATION.findall(text):
        for number in mark.split(","):
            if 1 <= int(number) <= len(passages):
                found[passages[int(number) - 1].source] = None
    return tuple(found)
