"""When a model is due: drift, labels, schedule; and what is said while it is not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import insert

from headgate.kernel import InvalidInput, server
from headgate.release import read_project
from headgate.release.project import check_references
from headgate.store import tables
from headgate.testing import FakeClock

if TYPE_CHECKING:
    from tests.improve.shop import Shop

pytestmark = pytest.mark.timeout(120)
DAY = 86_400.0


@pytest.fixture
def timed(shop_root: Path, shop_module: Any) -> Iterator[Shop]:
    """The shop with a clock that stands an hour after it was made."""
    with_clock = shop_module.Shop.opened(shop_root)
    now = with_clock.embedded.clock.now()
    with_clock.close()
    shop: Shop = shop_module.Shop.opened(shop_root, FakeClock(now + 3600))
    yield shop
    shop.close()


def check(root: Path) -> None:
    check_references(root, read_project(root))


def due(shop: Shop) -> dict[str, Any]:
    [found] = shop.do("retraining.triggers", {"environment": "prod"})["triggers"]
    return dict(found)


def ended(shop: Shop, state: str, until: float) -> None:
    """Write down a retraining as the job leaves it."""
    row = {
        "project_id": "shop", "id": f"rtr_{until:.0f}", "app": "support", "environment": "prod",
        "model": "models/router", "state": state, "open_for": None, "step": 1,
        "steps": {"labels": {"words": "", "at": until, "facts": {"until": until}}}, "words": "so", "candidate": "",
        "job_id": "", "created_by": "person_a", "created_at": shop.embedded.clock.now(), "finished_at": None,
    }  # fmt: skip
    with shop.embedded.store.records.begin() as tx:
        tx.execute(insert(tables.retraining).values(**row))


def test_without_labels_nothing_is_due(timed: Shop) -> None:
    found = due(timed)
    assert not found["ready"]
    assert found["words"].startswith("no drift; 0 of 30 labels are there; every 30d, in 3")


def test_enough_new_labels_make_it_due(timed: Shop) -> None:
    timed.label([f"drone {number}" for number in range(29)], "device")
    assert not due(timed)["ready"]
    timed.label(["drone 29"], "device")
    found = due(timed)
    assert found["ready"]
    assert found["words"] == "30 of 30 labels are there"


def test_labels_that_a_retraining_has_seen_are_not_new(timed: Shop) -> None:
    timed.label([f"drone {number}" for number in range(30)], "device")
    ended(timed, "stopped", timed.embedded.clock.now())
    found = due(timed)
    assert (found["ready"], found["new_labels"]) == (False, 0)


def test_drift_waits_for_its_questions_and_then_fires_once(timed: Shop) -> None:
    clock = timed.embedded.clock
    assert isinstance(clock, FakeClock)
    incident = timed.drift(timed.asked(["drone 1", "drone 2"]))
    assert "no label is new since the last retraining" in due(timed)["words"], "it says what it lacks"
    asked = timed.do("review.ask", {"incident_id": incident})
    timed.do("review.decide", {"review_id": asked["opened"][0], "label": "device"})
    assert "1 of its label questions are open" in due(timed)["words"]
    timed.do("review.decide", {"review_id": asked["opened"][1], "label": "device"})
    assert due(timed)["ready"]
    clock.advance(60)
    ended(timed, "promoted", clock.now())
    clock.advance(60)
    timed.label(["drone 3"], "device")
    assert not due(timed)["ready"], "a candidate has answered this incident"


def test_the_schedule_counts_from_the_last_retraining_and_needs_labels(timed: Shop) -> None:
    clock = timed.embedded.clock
    assert isinstance(clock, FakeClock)
    clock.advance(31 * DAY)
    assert due(timed)["words"].startswith("every 30d, but no label is new")
    timed.label(["drone"], "device")
    assert due(timed)["ready"]
    ended(timed, "stopped", clock.now())
    clock.advance(29 * DAY)
    timed.label(["drone again"], "device")
    assert not due(timed)["ready"]
    clock.advance(2 * DAY)
    assert due(timed)["ready"]


@pytest.mark.parametrize("state", ["running", "waiting"])
def test_while_one_runs_or_waits_for_approval_none_is_due(timed: Shop, state: str) -> None:
    ended(timed, state, 0.0)
    timed.label([f"drone {number}" for number in range(30)], "device")
    found = due(timed)
    assert not found["ready"]
    assert found["last"] in found["words"]


def test_the_server_starts_what_is_due_once(timed: Shop) -> None:
    timed.label([f"drone {number}" for number in range(30)], "device")
    for _ in range(3):
        timed.embedded.retrain(server("shop"))
    with timed.embedded.store.records.read() as tx:
        jobs = [row for row in tx.all(tables.job.select()) if row["operation"] == "retrain"]
    assert [(row["state"], row["person"]) for row in jobs] == [("queued", "headgate")]


@pytest.mark.parametrize(
    ("written", "message", "hint"),
    [
        ("{models/rooter: {drift: true}}", "no model 'models/rooter'", "models/router"),
        ("{models/router: {drft: true}}", "drft", "drift"),
        ("{models/router: {labels: 0}}", "labels", ""),
        ("{router: {drift: true}}", "router", ""),
    ],
)
def test_a_mistake_in_the_key_is_told_by_line(shop_root: Path, written: str, message: str, hint: str) -> None:

    file = shop_root / "headgate.yaml"
    lines = file.read_text().splitlines()
    lines[5] = f"  prod: {{gate: release, retrain: {written}}}"
    file.write_text("\n".join(lines))
    with pytest.raises(InvalidInput, match=message) as caught:
        check(shop_root)
    assert hint in caught.value.hint
    assert caught.value.where is not None
    assert caught.value.where.line == 6
