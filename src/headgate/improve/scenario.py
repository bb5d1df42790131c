"""An incident becomes a scenario in one step: personal data removed, context frozen, shown to fail where it happened.

Called as the job `incident.to-scenario`. It changes no file: the scenario is offered as a proposal.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import update

from headgate.evaluate import Expectation, Message, Scenario, expectation_of, judge, request_of
from headgate.kernel import Answer, InvalidInput, RequestRecord, iso
from headgate.measure import find_pii, find_secrets, mask
from headgate.models import Providers
from headgate.observe import Incident, find_record, get_incident
from headgate.serve import Runtime, execute, load
from headgate.store import Transaction, Work, tables

from .proposals import add_proposal

HEADER = (
    "# Scenarios that came from incidents: each one failed on the release that served it.\n"
    "# Offered by `headgate incident to-scenario`, written by `headgate pull`, reviewed like any other change.\n"
)


class ToScenario(BaseModel):
    """Which incident, and what a right answer must hold."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    incident_id: str = Field(description="its id, inc_…")
    expect: list[str] = Field(
        default_factory=list, description="what a right answer holds: contains=30 days, cites=corpus/returns, grounded"
    )
    trace_id: str | None = Field(None, description="which of the incident's traces; the first unless given")
    suite: str = Field("suites/incidents", pattern=r"^suites/[a-z0-9][a-z0-9-]*$", description="the suite to add it to")
    severity: str = Field("critical", pattern="^(normal|critical)$", description="normal or critical")


class ScenarioOffered(BaseModel):
    """The scenario as text, how it was judged on the release that caused it, and the proposal that offers it.

    `reproduced` is False when that release passes it: then nothing is offered, because it would guard nothing.
    """

    model_config = ConfigDict(frozen=True)
    incident_id: str
    scenario: str
    release: str
    verdict: str
    reproduced: bool
    answer: str
    scores: list[dict[str, Any]]
    text: str
    suite: str
    proposal_id: str | None = None


def to_scenario(work: Work, request: ToScenario) -> ScenarioOffered:
    """Freeze an incident as a scenario, run it on the release that caused it, and offer it when it fails there.

    Raises InvalidInput when nothing says what a right answer holds, NotFound when the trace is gone.
    """
    project = work.principal.project
    with work.store.records.read() as tx:
        incident = get_incident(tx, project, request.incident_id)
    record = find_record(work.store.spans, project, _trace(incident, request))
    scenario = _scenario(incident, record, request)
    verdict, given, scores = _judge(work, record.release, scenario)
    text = _text(scenario)
    offered = ScenarioOffered(
        incident_id=incident.id,
        scenario=scenario.id,
        release=record.release,
        verdict=verdict,
        reproduced=verdict == "fail",
        answer=given.text,
        scores=scores,
        text=text,
        suite=request.suite,
    )
    if not offered.reproduced:
        return offered
    with work.store.records.begin() as tx:
        return offered.model_copy(update={"proposal_id": _offer(work, tx, incident, record, offered)})


def _trace(incident: Incident, request: ToScenario) -> str:
    if request.trace_id:
        return request.trace_id
    if not incident.trace_ids:
        raise InvalidInput(f"{incident.id} names no trace", "give one with --trace-id")
    return incident.trace_ids[0]


def _scenario(incident: Incident, record: RequestRecord, request: ToScenario) -> Scenario:
    messages = [
        Message(role=turn["role"], content=_clean(str(turn.get("content", ""))))
        for turn in record.payload.get("messages", [])
        if turn.get("role") in ("system", "user", "assistant")
    ]
    if not messages or messages[-1].role != "user":
        raise InvalidInput(
            f"the trace {record.trace_id} holds no conversation", "its payload was not stored, or is past its retention"
        )
    return Scenario(
        id=_id(incident, record.trace_id),
        messages=tuple(messages),
        tags=(
            "incident",
            f"route:{record.route or 'none'}",
            *(("critical",) if request.severity == "critical" else ()),
        ),
        severity="critical" if request.severity == "critical" else "normal",
        expect=_expectations(incident, request),
        recorded={
            "incident": incident.id,
            "title": _clean(incident.title),
            "trace": record.trace_id,
            "release": record.release,
            "at": iso(record.at),
            "answer": _clean(str(record.payload.get("answer", ""))),
            "sources": [str(passage.get("source", "")) for passage in record.payload.get("passages", [])],
        },
    )


def _id(incident: Incident, trace_id: str) -> str:
    """Name the scenario after its incident, and after its trace too unless that is the incident's first."""
    name = f"incident-{incident.id[-8:]}"
    return name if incident.trace_ids[:1] in ([], [trace_id]) else f"{name}-{trace_id[:8]}"


def _expectations(incident: Incident, request: ToScenario) -> tuple[Expectation, ...]:
    """What was asked for, or what the monitor that opened the incident watches."""
    written: list[str | Mapping[str, Any]] = []
    for item in request.expect:
        name, equals, value = item.partition("=")
        written.append({name.strip(): value.strip()} if equals else name.strip())
    if not written and incident.detail.get("monitor") == "groundedness":
        written.append("grounded")
    if not written:
        raise InvalidInput(
            "nothing says what a right answer holds", "for example --expect 'contains=30 days' --expect grounded"
        )
    return tuple(expectation_of(item) for item in written)


def _judge(work: Work, release: str, scenario: Scenario) -> tuple[str, Answer, list[dict[str, Any]]]:
    with work.store.records.read() as tx:
        snapshot = load(tx, work.principal.project, work.store.blobs, release)
    runtime = Runtime(
        providers=work.service(Providers),
        recorder=work.store.spans,
        clock=work.clock,
        source="evaluation",
        project=work.principal.project,
    )

    async def ask() -> Answer:
        return await execute(snapshot, request_of(scenario, snapshot.app), runtime)

    given = asyncio.run(ask())
    verdict, scores = judge(scenario, given)
    return verdict, given, scores


def _offer(work: Work, tx: Transaction, incident: Incident, record: RequestRecord, offered: ScenarioOffered) -> str:
    project, now = work.principal.project, work.clock.now()
    _supersede(tx, project, offered, now)
    proposal = {
        "file": f"{offered.suite}.yaml",
        "text": offered.text,
        "header": HEADER,
        "reason": f"{incident.id}: {_clean(incident.title)}"[:200],
        "subject": record.subject,
    }
    proposal_id = add_proposal(tx, project, proposal, work.principal.person, now)
    table = tables.incident
    tx.execute(
        update(table).where(table.c.project_id == project, table.c.id == incident.id).values(scenario=offered.scenario)
    )
    return proposal_id


def _supersede(tx: Transaction, project: str, offered: ScenarioOffered, now: float) -> None:
    """Dismiss what was offered before under this scenario's id: a suite that holds an id twice cannot be read."""
    table = tables.proposal
    tx.execute(
        update(table)
        .where(
            table.c.project_id == project,
            table.c.state == "open",
            table.c.file == f"{offered.suite}.yaml",
            table.c.text.startswith(f"- id: {offered.scenario}\n", autoescape=True),
        )
        .values(state="dismissed", applied_at=now)
    )


def _clean(text: str) -> str:
    """Remove personal data and secrets: the trace is masked already where the policy says so, a scenario always is."""
    return mask(text, [*find_pii(text), *find_secrets(text)])


def _text(scenario: Scenario) -> str:
    """Write a scenario as people write it."""
    turns = [message.model_dump() for message in scenario.messages]
    item: dict[str, Any] = {"id": scenario.id}
    item |= {"input": turns[0]["content"]} if len(turns) == 1 else {"conversation": turns}
    item["tags"] = [tag for tag in scenario.tags if tag != "critical"]
    if scenario.severity == "critical":
        item["severity"] = "critical"
    item["expect"] = [one.name if one.value is None else {one.name: one.value} for one in scenario.expect]
    item["recorded"] = scenario.recorded
    return yaml.safe_dump([item], sort_keys=False, allow_unicode=True, width=110)
