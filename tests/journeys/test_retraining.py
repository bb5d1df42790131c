"""A product appears that nobody trained for: drift, labels, a retrained router, gate, prod. And its twin, which stops.

The shipped support project, its real router and suites, and the words of the demo's fifth act.
"""

from __future__ import annotations

import asyncio
import csv
import shutil
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import headgate
from headgate.kernel import Principal, Request, new_trace_id
from headgate.models import Providers
from headgate.platform import Embedded, open_project, read_settings, run_operation
from headgate.serve import Runtime, execute, load

ROOT = Path(__file__).parents[2]
TEMPLATE = Path(headgate.__file__).parent / "templates/support"
PROJECT = "northline-support"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def run(root: Path, operation: str, **request: Any) -> dict[str, Any]:
    found: dict[str, Any] = run_operation(operation, request, root, read_settings({}), lambda *_: None)
    return found


def do(embedded: Embedded, operation: str, person: str = "oncall", **request: Any) -> dict[str, Any]:
    who = Principal(person, PROJECT, frozenset({"admin"}), f"key_{person}", True)
    return embedded.performer.perform(who, operation, request)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The support project with its first release in prod."""
    root = Path(shutil.copytree(TEMPLATE, tmp_path_factory.mktemp("support") / "project"))
    run(root, "data.add", dataset="data/utterances")
    run(root, "train.run", model="models/router")
    run(root, "environment.apply")
    digest = run(root, "eval")["release"]
    embedded = open_project(root, read_settings({}))
    do(embedded, "release.approve", "reviewer", release=digest, environment="prod")
    assert do(embedded, "release.promote", release=digest, environment="prod")["moved"]
    embedded.close()
    return root


@pytest.fixture
def support(served: Path, tmp_path: Path) -> Iterator[Embedded]:
    root = Path(shutil.copytree(served, tmp_path / "project"))
    embedded = open_project(root, read_settings({}), writer=True)
    yield embedded
    embedded.close()


def words() -> tuple[dict[str, str], dict[str, str]]:
    """What customers ask about the new product: three quarters that they ask first, a quarter that they ask after."""
    with (ROOT / "examples/demo/alarm.csv").open(encoding="utf-8", newline="") as file:
        rows = [(row["text"], row["intent"]) for row in csv.DictReader(file)]
    known = {text: intent for number, (text, intent) in enumerate(rows) if number % 4 != 3}
    return known, {text: intent for text, intent in rows if text not in known}


@dataclass(frozen=True)
class Routed:
    """held: harmless questions that wait for a person; missed: emergencies that do not."""

    right: int
    held: int
    missed: int


def ask(embedded: Embedded, questions: Mapping[str, str]) -> Routed:
    """Let customers ask, through the path that serves prod."""
    [prod] = do(embedded, "environment.show", environment="prod")["environments"]
    with embedded.store.records.read() as tx:
        snapshot = load(tx, PROJECT, embedded.store.blobs, prod["stable"])
    runtime = Runtime(
        providers=Providers(embedded.providers), recorder=embedded.store.spans, clock=embedded.clock, source="live",
        project=PROJECT, environment="prod",
    )  # fmt: skip

    async def all_of_them() -> Routed:
        right = held = missed = 0
        for text, intent in questions.items():
            request = Request(id=new_trace_id(), body={"messages": [{"role": "user", "content": text}]})
            said = await execute(snapshot, request, runtime)
            right += said.label == intent
            held += said.status == "held" and intent != "high_risk"
            missed += said.status != "held" and intent == "high_risk"
        return Routed(right, held, missed)

    found = asyncio.run(all_of_them())
    embedded.store.spans.flush()
    return found


def retrained(embedded: Embedded, labels: Mapping[str, str]) -> dict[str, Any]:
    """From the drift incident to the end of the job; the reviewer says what `labels` holds, and no more."""
    opened = do(embedded, "monitor.run")["opened"]
    incidents = [do(embedded, "incident.show", incident_id=incident) for incident in opened]
    [incident] = [item for item in incidents if item["detail"]["monitor"] == "drift"]
    assert incident["detail"]["model"] == "models/router"
    [due] = do(embedded, "retraining.triggers")["triggers"]
    assert not due["ready"]
    assert "answer label questions first" in due["words"]
    for review in do(embedded, "review.ask", incident_id=incident["id"], count=200)["opened"]:
        text = do(embedded, "review.show", review_id=review)["question"]["text"]
        do(embedded, "review.decide", "reviewer", review_id=review, label=labels.get(text, "unclear"))
    [due] = do(embedded, "retraining.triggers")["triggers"]
    assert due["ready"]
    job = do(embedded, "retrain", model="models/router", environment="prod", app="support")["job"]
    return embedded.worker(recording=False).finish(PROJECT, job, lambda *_: None)


def test_a_product_nobody_trained_for_is_routed_well_after_one_turn_of_the_loop(support: Embedded) -> None:
    known, later = words()
    before = ask(support, later)
    ask(support, known)
    done = retrained(support, known)
    assert [step["name"] for step in done["steps"]][-1] == "proposal", done["words"]
    assert (done["state"], done["outcome"]) == ("waiting", "review"), done["words"]
    asked = {"release": done["candidate"], "environment": "prod"}
    assert not do(support, "release.promote", **asked)["moved"], "an approval is asked for"
    do(support, "release.approve", "reviewer", **asked)
    assert do(support, "release.promote", **asked)["moved"]
    after = ask(support, later)
    assert after.right >= before.right + 15, (before, after)
    assert after.held < before.held / 2, (before, after)
    assert after.missed <= before.missed, (before, after)

    root = support.root
    support.close()
    assert run(root, "pull")["written"] == ["data/utterances.csv", "headgate.lock"]
    assert run(root, "release.create")["digest"] == done["candidate"]


def test_labels_that_make_the_router_no_better_stop_with_the_reason(support: Embedded) -> None:
    """A reviewer in a hurry gives labels that have nothing to do with the texts: there is nothing to learn."""
    known, _ = words()
    intents = sorted(set(known.values()))
    guesses = {text: intents[zlib.crc32(text.encode()) % len(intents)] for text in known}
    ask(support, known)
    [prod] = do(support, "environment.show", environment="prod")["environments"]
    done = retrained(support, guesses)
    assert (done["state"], done["outcome"]) == ("stopped", "fail")
    assert done["steps"][-1]["name"] == "contest"
    assert done["words"].startswith(("the candidate is not shown to be better", "the candidate may be worse"))
    [now] = do(support, "environment.show", environment="prod")["environments"]
    assert (now["stable"], now["generation"]) == (prod["stable"], prod["generation"])
    assert do(support, "proposal.list")["proposals"] == []
