"""An incident becomes a scenario: freed of personal data, shown to fail where it happened, and only then offered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from headgate.improve import (
    IncidentShow,
    OpenFromTrace,
    ProposalQuery,
    ScenarioOffered,
    ToScenario,
    list_proposals,
    open_from_trace,
    show,
    to_scenario,
)
from headgate.kernel import InvalidInput, NotFound, plugins
from headgate.models import Providers
from headgate.observe import OpenIncident, open_incident
from headgate.store import Work
from headgate.testing import ScriptedModel

if TYPE_CHECKING:
    from tests.release.conftest import World

    from headgate.improve.proposals import Proposal

Traced = Callable[..., str]


class Desk:
    """The small project with one release, and somebody who works on its incidents."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.release = world.create()
        self.model = ScriptedModel(["You have 30 days."])

    def incident(self, *traces: str, title: str = "wrong number of days", **changes: Any) -> str:
        facts: dict[str, Any] = {"app": "support", "environment": "prod", "release": self.release, "source": "manual"}
        incident = OpenIncident(**{**facts, "title": title, "trace_ids": list(traces), **changes})
        with self.world.store.records.begin() as tx:
            return open_incident(tx, "acme-support", incident, self.world.clock.now())

    def work(self) -> Work:
        return replace(self.world.work(), services={Providers: self.model.providers("bot")})

    def turn(self, incident: str, *expect: str, **changes: Any) -> ScenarioOffered:
        return to_scenario(self.work(), ToScenario(incident_id=incident, expect=list(expect), **changes))

    def proposals(self) -> list[Proposal]:
        with self.world.store.records.read() as tx:
            return list_proposals(self.world.context(tx), ProposalQuery()).proposals

    def scenario_of(self, incident: str) -> str | None:
        with self.world.store.records.read() as tx:
            return show(self.world.context(tx), IncidentShow(incident_id=incident)).scenario

    def parse(self, text: str) -> dict[str, Any]:
        """Read a proposal's text as people will: through the suite kind."""
        self.world.write("suites/offered.yaml", text)
        document = plugins.load("kinds", "suite").parse(self.world.root, "suites/offered").document
        [scenario] = document["scenarios"]
        return dict(scenario)


@pytest.fixture
def desk(world: World) -> Desk:
    return Desk(world)


def test_what_fails_where_it_happened_is_offered(desk: Desk, traced: Traced) -> None:
    trace = traced("How long?", release=desk.release)
    incident = desk.incident(trace)
    offered = desk.turn(incident, "contains=10 days")
    assert (offered.verdict, offered.reproduced, offered.release) == ("fail", True, desk.release)
    assert offered.answer == "You have 30 days."
    assert offered.scores
    [proposal] = desk.proposals()
    assert proposal.id == offered.proposal_id
    assert (proposal.file, proposal.text) == ("suites/incidents.yaml", offered.text)
    assert desk.scenario_of(incident) == offered.scenario


def test_the_offered_text_is_a_suite_as_people_write_it(desk: Desk, traced: Traced) -> None:
    trace = traced("How long?", release=desk.release)
    offered = desk.turn(desk.incident(trace), "contains=10 days", "not-contains=secret", "grounded")
    [proposal] = desk.proposals()
    scenario = desk.parse(proposal.header + proposal.text)
    assert scenario["id"] == offered.scenario
    assert scenario["severity"] == "critical"
    assert [turn["content"] for turn in scenario["messages"]] == ["How long?"]
    assert [item["name"] for item in scenario["expect"]] == ["contains", "not-contains", "grounded"]
    assert scenario["recorded"]["trace"] == trace
    assert scenario["recorded"]["sources"] == ["corpus/a"]


def test_a_whole_conversation_is_kept_in_order(desk: Desk, traced: Traced) -> None:
    trace = traced("Hello", "Good day", "How long?", release=desk.release)
    offered = desk.turn(desk.incident(trace), "contains=10 days", severity="normal")
    scenario = desk.parse(offered.text)
    assert [turn["role"] for turn in scenario["messages"]] == ["user", "assistant", "user"]
    assert scenario.get("severity", "normal") == "normal"


def test_what_the_release_passes_is_not_offered(desk: Desk, traced: Traced) -> None:
    incident = desk.incident(traced("How long?", release=desk.release))
    offered = desk.turn(incident, "contains=30 days")
    assert (offered.verdict, offered.reproduced, offered.proposal_id) == ("pass", False, None)
    assert desk.proposals() == []
    assert desk.scenario_of(incident) is None


SECRETS = ["person_a.lovelace@mail.example", "DE89 3704 0044 0532 0130 00", "AKIAIOSFODNN7EXAMPLE"]


@pytest.mark.parametrize("secret", SECRETS)
def test_no_personal_data_stands_in_the_scenario_or_reaches_the_model(desk: Desk, traced: Traced, secret: str) -> None:
    payload = {
        "messages": [
            {"role": "user", "content": f"I am {secret}"},
            {"role": "assistant", "content": f"Hello {secret}"},
            {"role": "user", "content": f"How long for {secret} ?"},
        ],
        "answer": f"30 days, {secret} !",
        "passages": [],
    }
    trace = traced(release=desk.release, payload=payload)
    incident = desk.incident(trace, title=f"wrong for {secret} today")
    offered = desk.turn(incident, "contains=10 days")
    assert secret not in offered.text
    assert "How long for" in offered.text
    assert all(secret not in str(call.body) for call in desk.model.calls)
    [proposal] = desk.proposals()
    assert secret not in proposal.text + proposal.reason


def test_without_an_expectation_there_is_nothing_to_guard(desk: Desk, traced: Traced) -> None:
    with pytest.raises(InvalidInput, match="right answer") as caught:
        desk.turn(desk.incident(traced(release=desk.release)))
    assert "--expect" in caught.value.hint
    assert desk.model.calls == []


def test_an_incident_of_groundedness_expects_grounding(desk: Desk, traced: Traced) -> None:
    incident = desk.incident(traced(release=desk.release), detail={"monitor": "groundedness"}, source="monitor")
    offered = desk.turn(incident)
    assert yaml.safe_load(offered.text)[0]["expect"] == ["grounded"]


def test_an_unknown_expectation_names_the_nearest(desk: Desk, traced: Traced) -> None:
    with pytest.raises(InvalidInput) as caught:
        desk.turn(desk.incident(traced(release=desk.release)), "contians=10 days")
    assert "contains" in caught.value.hint


def test_another_trace_of_the_incident_may_be_taken(desk: Desk, traced: Traced) -> None:
    first = traced("First?", release=desk.release)
    second = traced("Second?", release=desk.release, number=2)
    offered = desk.turn(desk.incident(first, second), "contains=10 days", trace_id=second)
    assert "Second?" in offered.text
    assert "First?" not in offered.text


def test_an_incident_without_trace_or_conversation_says_so(desk: Desk, traced: Traced) -> None:
    with pytest.raises(InvalidInput, match="names no trace"):
        desk.turn(desk.incident(), "contains=x")
    bare = traced(release=desk.release, payload={}, number=3)
    with pytest.raises(InvalidInput, match="no conversation"):
        desk.turn(desk.incident(bare, title="bare"), "contains=x")
    with pytest.raises(NotFound):
        desk.turn(desk.incident("f" * 32, title="gone"), "contains=x")


@pytest.mark.parametrize("suite", ["../x", "suites/../x", "suites/.x", "suites/a/b", "data/x", "/suites/x"])
def test_a_suite_outside_the_suites_is_refused(suite: str) -> None:
    with pytest.raises(ValueError):
        ToScenario(incident_id="inc_1", suite=suite)


def test_the_incident_of_one_trace_is_enough(desk: Desk, traced: Traced) -> None:
    trace = traced("How long?", release=desk.release)
    with desk.world.store.records.begin() as tx:
        made = open_from_trace(desk.world.context(tx), OpenFromTrace(trace_id=trace, title="too long"))
    assert desk.turn(made.id, "contains=10 days").reproduced


def test_asking_again_replaces_what_was_offered(desk: Desk, traced: Traced) -> None:
    incident = desk.incident(traced("How long?", release=desk.release))
    desk.turn(incident, "contains=10 days")
    again = desk.turn(incident, "contains=11 days")
    [proposal] = desk.proposals()
    assert proposal.id == again.proposal_id
    assert "11 days" in proposal.text


def test_two_traces_of_an_incident_are_two_scenarios_of_one_suite(desk: Desk, traced: Traced) -> None:
    first = traced("First?", release=desk.release)
    second = traced("Second?", release=desk.release, number=2)
    incident = desk.incident(first, second)
    for trace in (first, second):
        desk.turn(incident, "contains=10 days", trace_id=trace)
    texts = [item.text for item in desk.proposals()]
    assert len(texts) == 2
    desk.world.write("suites/both.yaml", "\n".join(texts))
    document = plugins.load("kinds", "suite").parse(desk.world.root, "suites/both").document
    assert len({item["id"] for item in document["scenarios"]}) == 2
