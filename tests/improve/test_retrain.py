"""The job `retrain`: a model learns what people labelled, wins or stops, and moves only through the gate."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from headgate.artifacts import Lock
from headgate.kernel import Conflict, InvalidInput, NotFound, Unavailable
from headgate.platform import read_settings, run_operation

if TYPE_CHECKING:
    from tests.improve.shop import Shop

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
DRONES = [
    pattern.format(thing)
    for pattern in ("the {} drone shows invoice 7", "{} drone: gimbal rattles, invoice code 3",
                    "propeller of my {} drone hums since the invoice came", "invoice 9 blinks on the {} gimbal")
    for thing in ("red", "green", "blue", "old", "new", "small", "large", "second", "spare", "broken", "cheap", "loud")
]  # fmt: skip
ALL = ["labels", "data", "train", "contest", "release", "evidence", "gate", "promotion", "proposal"]


def words(result: dict[str, Any], step: str) -> str:
    return next(str(item["words"]) for item in result["steps"] if item["name"] == step)


def facts(result: dict[str, Any], step: str) -> dict[str, Any]:
    return next(dict(item["facts"]) for item in result["steps"] if item["name"] == step)


def test_labels_become_a_better_model_that_is_served_and_offered_to_git(shop: Shop, shop_root: Path) -> None:
    before = shop.serves()
    shop.label(DRONES, "device")
    done = shop.retrain()
    assert [step["name"] for step in done["steps"]] == ALL
    assert (done["state"], done["outcome"]) == ("promoted", "pass")
    assert shop.serves() == done["candidate"] != before
    contest = facts(done, "contest")
    assert contest["new"]["gained"] >= 5
    assert contest["new"]["lost"] == 0
    assert contest["new"]["rows"] < contest["all"]["rows"]
    assert facts(done, "labels")["people"] == {"person_b": len(DRONES)}

    old, new = (shop.do("release.show", {"release": name}) for name in (before, done["candidate"]))
    changed = [a["path"] for a, b in zip(old["pins"], new["pins"], strict=True) if a["digest"] != b["digest"]]
    assert changed == ["models/router"], "no other change sneaks in"
    assert new["created_by"] == "headgate"
    assert "person_b" not in new["authors"], "who labels is no author, and may approve"

    shop.close()

    def run(name: str, **request: Any) -> Any:
        return run_operation(name, request, shop_root, read_settings({}), lambda *_: None)

    assert run("pull")["written"] == ["data/utterances.csv", "headgate.lock"]
    assert Lock.read(shop_root).models["models/router"].digest == facts(done, "train")["model"]
    assert run("release.create")["digest"] == done["candidate"], "the working tree makes the very same release"
    assert run("train.run", model="models/router")["new"] is False, "and training there the very same model"


def test_what_is_trained_needs_the_approvals_that_the_environment_asks_for(shop: Shop) -> None:
    before = shop.serves("guarded")
    shop.label(DRONES, "device")
    done = shop.retrain("guarded")
    assert (done["state"], done["outcome"], shop.serves("guarded")) == ("waiting", "review", before)
    assert "1 more approval needed" in done["words"]
    shop.do("release.approve", {"release": done["candidate"], "environment": "guarded"}, "person_b")
    assert shop.do("release.promote", {"release": done["candidate"], "environment": "guarded"})["moved"]
    shown = shop.do("retraining.show", {"retraining_id": done["id"]})
    assert (shown["state"], shown["outcome"]) == ("promoted", "pass")


def test_an_environment_without_a_gate_asks_for_no_evidence(shop: Shop) -> None:
    shop.label(DRONES, "device")
    done = shop.retrain("open")
    assert done["state"] == "promoted"
    assert words(done, "evidence") == "open asks for no evidence"


def test_without_new_labels_nothing_is_trained(shop: Shop) -> None:
    done = shop.retrain()
    assert (done["state"], done["outcome"]) == ("stopped", "fail")
    assert "nothing new to learn from: 0 of 0 labels" in done["words"]
    assert [step["name"] for step in done["steps"]] == ["labels"]
    shop.label(["my invoice for the red line is wrong"], "billing")
    assert "1 already in the data" in shop.retrain()["words"]


def test_labels_that_teach_nothing_stop_at_the_contest(shop: Shop) -> None:
    before = shop.serves()
    shop.label([f"my invoice for line {number} is wrong" for number in range(30)], "billing")
    done = shop.retrain()
    assert (done["state"], shop.serves()) == ("stopped", before)
    assert done["words"].startswith("the candidate is not shown to be better than what is served")
    assert done["steps"][-1]["name"] == "contest"
    assert done["candidate"] == ""
    assert shop.do("proposal.list", {})["proposals"] == []


def test_a_batch_that_breaks_the_expectations_stops_at_the_data_gate(shop: Shop) -> None:
    shop.label(["drone " * 60, *DRONES], "device")
    done = shop.retrain()
    assert done["steps"][-1]["name"] == "data"
    assert "has 360 characters" in done["words"].replace("359", "360")
    assert done["state"] == "stopped"


def test_a_gate_that_fails_moves_nothing(shop: Shop) -> None:
    """Labels that win the contest and break the app: drones go to a person, and golden says that they must not."""
    before = shop.serves()
    shop.label(DRONES, "returns")
    done = shop.retrain()
    assert (done["state"], done["outcome"], shop.serves()) == ("stopped", "fail", before)
    assert done["words"].startswith("the gate of prod says fail: no scenario of suites/golden fails: 1 of 3 failed")
    assert done["steps"][-1]["name"] == "gate"
    assert done["candidate"], "what was refused can be looked at"
    assert shop.do("proposal.list", {})["proposals"] == []


def test_code_that_is_not_here_is_said(shop: Shop, shop_root: Path) -> None:
    shop.label(DRONES[:3], "device")
    (shop_root / "models/router.py").unlink()
    with pytest.raises(Unavailable, match="cannot train") as caught:
        shop.retrain()
    assert "HEADGATE_CODE" in caught.value.hint
    [row] = shop.do("retraining.list", {})["retrainings"]
    assert row["state"] == "failed"


def test_a_mistake_in_the_training_code_is_told_by_file_and_line(shop: Shop, shop_root: Path) -> None:
    shop.label(DRONES[:9], "device")
    code = shop_root / "models/router.py"
    code.write_text(code.read_text().replace("    words = Tfidf", "    raise RuntimeError('oops')\n    words = Tfidf"))
    with pytest.raises(InvalidInput, match="oops") as caught:
        shop.retrain()
    assert caught.value.where is not None
    assert caught.value.where.file == "models/router.py"
    assert caught.value.where.line is not None


def test_other_code_than_what_is_served_is_said(shop: Shop, shop_root: Path) -> None:
    shop.label(DRONES, "device")
    code = shop_root / "models/router.py"
    code.write_text(code.read_text().replace("C=20", "C=21"))
    done = shop.retrain()
    assert words(done, "train").endswith("trained by other code than what is served")
    assert facts(done, "train")["other_code"] is True


def test_an_unknown_model_or_environment_is_told_with_the_nearest(shop: Shop) -> None:
    with pytest.raises(NotFound, match="no model 'models/rooter'") as caught:
        shop.finish(shop.do("retrain", {"model": "models/rooter"})["job"])
    assert "models/router" in caught.value.hint
    with pytest.raises(NotFound):
        shop.finish(shop.do("retrain", {"model": "models/router", "environment": "nowhere"})["job"])


def test_of_many_triggers_one_job_is_made_and_of_two_jobs_one_runs(shop: Shop) -> None:
    shop.label(DRONES, "device")
    jobs: set[str] = set()
    asked = {"model": "models/router", "environment": "prod", "app": "support"}

    def trigger() -> None:
        jobs.add(shop.do("retrain", asked)["job"])

    threads = [threading.Thread(target=trigger) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(jobs) == 1
    other = shop.do("retrain", {"model": "models/router"})["job"]
    found: dict[str, Any] = {}
    first = threading.Thread(target=lambda: found.update(shop.finish(next(iter(jobs)))))
    first.start()
    while not shop.do("retraining.list", {})["retrainings"]:
        pass
    with pytest.raises(Conflict, match="being retrained"):
        shop.finish(other)
    first.join()
    assert found["state"] == "promoted"
    assert len(shop.do("retraining.list", {})["retrainings"]) == 1


def test_a_release_promoted_meanwhile_is_not_overwritten(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    from headgate.store import tables

    steps = sys.modules["headgate.improve.retrain"].__dict__["_STEPS"]
    shop.label(DRONES, "device")
    ask = steps["gate"]

    def and_somebody_promotes(run: Any) -> Any:
        found = ask(run)
        with shop.embedded.store.records.begin() as tx:
            tx.execute(tables.environment.update().where(tables.environment.c.name == "prod").values(stable="sha256:x"))
        return found

    monkeypatch.setitem(steps, "gate", and_somebody_promotes)
    done = shop.retrain()
    assert done["state"] == "stopped"
    assert "given another release meanwhile" in done["words"]
