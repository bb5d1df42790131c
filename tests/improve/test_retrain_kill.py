"""A retraining that is killed after every one of its steps ends as if nobody had touched it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select
from tests import forked

from headgate.store import tables

if TYPE_CHECKING:
    from tests.improve.shop import Shop

KILLABLE = Path(__file__).with_name("killable.py")
DRONES = [
    f"{pattern} {number}" for number in range(24) for pattern in ("drone gimbal invoice", "propeller invoice hum")
]
STEPS = ("labels", "data", "train", "contest", "release", "evidence", "gate", "promotion", "proposal")


def outcome(shop: Shop) -> dict[str, Any]:
    """What a retraining left behind, without ids and times."""
    [row] = shop.do("retraining.list", {})["retrainings"]
    with shop.embedded.store.records.read() as tx:
        evidence = tx.all(select(tables.evidence.c.state).where(tables.evidence.c.release == row["candidate"]))
        moves = tx.all(select(tables.environment_history).where(tables.environment_history.c.name == "prod"))
    return {
        "state": row["state"],
        "candidate": row["candidate"],
        "words": [step["words"].partition("; write")[0] for step in row["steps"] if step["name"] != "evidence"],
        "releases": [item["digest"] for item in shop.do("release.list", {})["releases"]],
        "proposals": [(item["file"], item["text"]) for item in shop.do("proposal.list", {})["proposals"]],
        "evidence": [item["state"] for item in evidence],
        "moves": [(item["action"], item["stable"]) for item in moves],
        "serves": shop.serves(),
    }


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_killed_after_every_step_it_ends_as_if_nobody_had(shop: Shop, shop_root: Path, tmp_path: Path) -> None:
    shop.label(DRONES, "device")
    shop.close()
    whole = Path(shutil.copytree(shop_root, tmp_path / "whole"))
    opened = type(shop).opened
    other = opened(whole)
    assert other.retrain()["state"] == "promoted"
    expected = outcome(other)
    other.close()

    with forked.forking("headgate.platform", "headgate.improve") as origin:
        for step in STEPS:
            retraining = origin.start(forked.FILE, str(KILLABLE), str(shop_root), step)
            said = retraining.communicate()
            assert retraining.wait() == -9, (step, said)
    again = opened(shop_root)
    try:
        assert again.retrain()["state"] == "promoted"
        with again.embedded.store.records.read() as tx:
            jobs = tx.all(select(tables.job).where(tables.job.c.operation == "retrain"))
        assert [(row["state"], row["attempts"]) for row in jobs] == [("done", len(STEPS) + 1)]
        assert outcome(again) == expected
    finally:
        again.close()
