"""One case: ask the release through the only path there is, let every expectation look, say the verdict.

Called by the runner for each scenario of each suite. It stores nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from headgate.kernel import Answer, InvalidInput, Request, new_trace_id
from headgate.measure import Score, Scorer, Subject
from headgate.models import Providers
from headgate.serve import Runtime, Snapshot, execute

from .journal import CaseCalls, JournaledProviders
from .rows import CaseRow
from .scenarios import Scenario, scorers_of

CaseVerdict = Literal["pass", "fail", "review", "error"]


@dataclass(frozen=True, slots=True)
class Case:
    """One scenario of one suite, to be asked once."""

    suite: str
    scenario: Scenario
    repeat: int = 0

    @property
    def key(self) -> tuple[str, str, int]:
        return self.suite, self.scenario.id, self.repeat


async def run_case(case: Case, snapshot: Snapshot, runtime: Runtime, calls: CaseCalls) -> CaseRow:
    """Execute one scenario with journaled providers and judge the answer.

    Raises what the journal's commit raised: then the case was not judged, and must not look as if it was.
    """
    providers: Providers = JournaledProviders(runtime.providers, calls)
    request = request_of(case.scenario, snapshot.app)
    try:
        given = await execute(snapshot, request, replace(runtime, providers=providers))
    except InvalidInput as refused:
        given = Answer(text="", status="error", release=snapshot.digest, trace_id=request.id, reason=refused.message)
    if calls.journal.failure is not None:
        raise calls.journal.failure
    verdict, scores = judge(case.scenario, given)
    return CaseRow(
        suite=case.suite,
        scenario=case.scenario.id,
        repeat=case.repeat,
        verdict=verdict,
        scores=scores,
        answer={**answer_document(given), "reused": calls.reused},
        trace_id=given.trace_id,
        cost_nano=given.cost_nano,
        latency_us=given.latency_us,
    )


def request_of(scenario: Scenario, app: str) -> Request:
    """Build the request a scenario stands for; a conversation is sent whole, its last turn is the question."""
    messages = [message.model_dump() for message in scenario.messages]
    return Request(id=new_trace_id(), body={"model": app, "messages": messages})


def judge(scenario: Scenario, given: Answer) -> tuple[CaseVerdict, list[dict[str, Any]]]:
    """Let every expectation look at an answer.

    One failed expectation fails the case; one that cannot tell (label `review`, or neither passed nor failed) asks
    for a human; an execution that ended in error, or a scorer that broke, is an `error` and counts as not passed.
    """
    question = scenario.messages[-1].content
    subject = Subject(text=given.text, question=question, answer=given, passages=given.passages)
    looks = [_look(name, scorer, subject) for name, scorer in scorers_of(scenario)]
    return _verdict(given, looks), [_score_document(name, score) for name, score in looks]


def _look(name: str, scorer: Scorer, subject: Subject) -> tuple[str, Score]:
    try:
        return name, scorer.look(subject)
    except Exception as problem:  # noqa: BLE001  plugin call: a broken scorer is an error of the case, not of the run
        return name, Score(name=name, value=0.0, label="error", explanation=f"{type(problem).__name__}: {problem}")


def _verdict(given: Answer, looks: Sequence[tuple[str, Score]]) -> CaseVerdict:
    if given.status == "error" or any(score.label == "error" for _, score in looks):
        return "error"
    if any(score.passed is False and score.label != "review" for _, score in looks):
        return "fail"
    if all(score.passed and score.label != "review" for _, score in looks):
        return "pass"
    return "review"


def _score_document(name: str, score: Score) -> dict[str, Any]:
    return {
        "name": name,
        "passed": None if score.label in ("review", "error") else score.passed,
        "value": score.value,
        "label": score.label,
        "explanation": score.explanation[:500],
    }


def answer_document(given: Answer) -> Mapping[str, Any]:
    """Keep of an answer what people need to understand a verdict."""
    return {
        "text": given.text,
        "status": given.status,
        "route": given.route,
        "label": given.label,
        "model": given.model,
        "reason": given.reason,
        "citations": list(given.citations),
        "sources": [passage.source for passage in given.passages],
        "verdicts": [f"{verdict.guard}: {verdict.verdict}" for verdict in given.verdicts if verdict.verdict != "pass"],
        "grounding": given.grounding.value if given.grounding else None,
    }
