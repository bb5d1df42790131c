"""Proposals: text added at the end of project files, once, and never anywhere else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

from headgate.artifacts import DatasetEntry, Lock, ModelEntry
from headgate.data import read_expectations
from headgate.improve import CloseProposal, ProposalList, ProposalQuery, Pull, close_proposal, list_proposals, pull
from headgate.improve.proposals import add_proposal
from headgate.kernel import Conflict, InvalidInput, NotFound, blob_digest, plugins
from headgate.store import tables
from headgate.train import code_digest

if TYPE_CHECKING:
    from tests.release.conftest import World

ITEM = "- id: incident-1\n  input: How long?\n  expect: [contains: 10 days]\n"
HEADER = "# Scenarios that came from incidents.\n"


@dataclass
class Desk:
    """A workspace that knows the two operations that a pull calls."""

    world: World
    root: Path

    def report(self, text: str, done: int = 0, total: int = 0) -> None: ...

    def call(self, operation: str, request: BaseModel | Mapping[str, Any]) -> dict[str, Any]:
        with self.world.store.records.begin() as tx:
            ctx = self.world.context(tx)
            if isinstance(request, ProposalQuery):
                return list_proposals(ctx, request).model_dump(mode="json")
            assert isinstance(request, CloseProposal)
            return close_proposal(ctx, request).model_dump(mode="json")

    def offer(self, file: str = "suites/incidents.yaml", text: str = ITEM, header: str = HEADER) -> str:
        values = {"file": file, "text": text, "header": header, "reason": "inc_1: wrong", "subject": ""}
        with self.world.store.records.begin() as tx:
            return add_proposal(tx, "acme-support", values, "person_d", self.world.clock.now())

    def listed(self, **query: Any) -> ProposalList:
        with self.world.store.records.read() as tx:
            return list_proposals(self.world.context(tx), ProposalQuery(**query))

    def reopen(self, proposal: str) -> None:
        with self.world.store.records.begin() as tx:
            tx.execute(tables.proposal.update().where(tables.proposal.c.id == proposal).values(state="open"))


@pytest.fixture
def desk(world: World) -> Desk:
    return Desk(world, world.root)


def test_a_file_that_is_not_there_begins_with_the_header(desk: Desk) -> None:
    desk.offer()
    pulled = pull(desk, Pull())
    assert pulled.written == ["suites/incidents.yaml"]
    text = (desk.root / "suites/incidents.yaml").read_text(encoding="utf-8")
    assert text == f"{HEADER}\n{ITEM}"
    assert not list(desk.root.glob("suites/*.new"))
    document = plugins.load("kinds", "suite").parse(desk.root, "suites/incidents").document
    assert [item["id"] for item in document["scenarios"]] == ["incident-1"]


def test_a_file_that_is_there_is_added_to_and_otherwise_left_alone(desk: Desk) -> None:
    before = (desk.root / "suites/golden.yaml").read_text(encoding="utf-8")
    desk.offer("suites/golden.yaml")
    desk.offer("suites/golden.yaml", ITEM.replace("incident-1", "incident-2"))
    assert pull(desk, Pull()).written == ["suites/golden.yaml"]
    text = (desk.root / "suites/golden.yaml").read_text(encoding="utf-8")
    assert text.startswith(before)
    assert HEADER not in text
    scenarios = plugins.load("kinds", "suite").parse(desk.root, "suites/golden").document["scenarios"]
    assert [item["id"] for item in scenarios][-2:] == ["incident-1", "incident-2"]


def test_what_is_pulled_is_applied_and_not_pulled_again(desk: Desk) -> None:
    proposal = desk.offer()
    pull(desk, Pull())
    assert desk.listed().proposals == []
    assert [item.id for item in desk.listed(state="applied").proposals] == [proposal]
    before = (desk.root / "suites/incidents.yaml").read_text(encoding="utf-8")
    assert pull(desk, Pull()).proposals == []
    desk.reopen(proposal)
    assert len(pull(desk, Pull()).proposals) == 1
    assert (desk.root / "suites/incidents.yaml").read_text(encoding="utf-8") == before, "written once, however often"


def test_a_dry_run_writes_and_marks_nothing(desk: Desk) -> None:
    desk.offer()
    found = pull(desk, Pull(dry_run=True))
    assert len(found.proposals) == 1
    assert found.written == []
    assert not (desk.root / "suites/incidents.yaml").exists()
    assert len(desk.listed().proposals) == 1


@pytest.mark.parametrize(
    "file",
    [
        "/etc/cron.d/run.yaml", "../outside.yaml", "suites/../../outside.yaml", ".github/workflows/ci.yaml",
        "suites/.hidden.yaml", "tools/run.py", "Makefile", "suites/x.yaml.sh", "", ".", "linked/x.yaml",
    ],
)  # fmt: skip
def test_no_text_of_a_server_becomes_a_path_outside_or_a_file_that_runs(desk: Desk, file: str, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (desk.root / "linked").symlink_to(tmp_path / "elsewhere")
    files = sorted(path for path in tmp_path.rglob("*") if "data" not in path.parts)
    desk.offer(file)
    with pytest.raises(InvalidInput) as caught:
        pull(desk, Pull())
    assert "dismiss" in caught.value.hint
    assert sorted(path for path in tmp_path.rglob("*") if "data" not in path.parts) == files
    assert len(desk.listed().proposals) == 1, "what was not written is not applied"


def test_a_proposal_is_closed_once(desk: Desk) -> None:
    proposal = desk.offer()
    closed = desk.call("proposal.close", CloseProposal(proposal_id=proposal))
    assert closed["state"] == "dismissed"
    with pytest.raises(Conflict, match="dismissed"):
        desk.call("proposal.close", CloseProposal(proposal_id=proposal, state="applied"))
    with pytest.raises(NotFound):
        desk.call("proposal.close", CloseProposal(proposal_id="prp_none"))
    assert desk.listed(state="all").proposals[0].state == "dismissed"


# ── what a retraining offers: rows, and entries of the lock ─────────────────────────────────────────────────────────

ROWS = "the drone hums,device\n"
DATA = "text,intent\r\nMy invoice is wrong,billing\r\n"
DIGEST = "sha256:" + "d" * 64


@pytest.fixture
def stocked(desk: Desk) -> Desk:
    """The project with a dataset, its rows as another system writes them, and a training file."""
    (desk.root / "data").mkdir()
    (desk.root / "models").mkdir()
    (desk.root / "data/words.csv").write_bytes(DATA.encode())
    (desk.root / "data/words.yaml").write_text("source: data/words.csv\ncolumns:\n  text: {}\n  intent: {}\n")
    (desk.root / "models/router.py").write_text("from headgate.train import Pipeline\n")
    return desk


def locked(desk: Desk, after: str) -> str:
    """The lock's text as a retraining offers it, for a data file whose text will be `after`."""
    data = DatasetEntry(
        digest=DIGEST, source="data/words.csv", content=blob_digest(after.encode()), rows=2,
        expectations=read_expectations(desk.root, "data/words").digest,
    )  # fmt: skip
    model = ModelEntry(
        digest=DIGEST, data="data/words", dataset=DIGEST, code=code_digest(desk.root, "models/router"), seed=0
    )
    return Lock(datasets={"data/words": data}, models={"models/router": model}).text()


def test_rows_and_lock_are_taken_in_together(stocked: Desk) -> None:
    after = "text,intent\nMy invoice is wrong,billing\nthe drone hums,device\n"
    stocked.offer("headgate.lock", locked(stocked, after), "")
    stocked.offer("data/words.csv", ROWS, "")
    assert pull(stocked, Pull()).written == ["data/words.csv", "headgate.lock"], "rows first, whatever came first"
    written = (stocked.root / "data/words.csv").read_bytes().decode()
    assert written == DATA + ROWS.replace("\n", "\r\n"), "nothing of the file changes but its end"
    assert Lock.read(stocked.root).models["models/router"].digest == DIGEST


def test_rows_are_added_once(stocked: Desk) -> None:
    proposal = stocked.offer("data/words.csv", ROWS, "")
    pull(stocked, Pull())
    before = (stocked.root / "data/words.csv").read_bytes()
    stocked.reopen(proposal)
    pull(stocked, Pull())
    assert (stocked.root / "data/words.csv").read_bytes() == before


def test_a_lock_for_other_data_or_other_code_is_not_taken(stocked: Desk) -> None:
    proposal = stocked.offer("headgate.lock", locked(stocked, "text,intent\nsomething else,billing\n"), "")
    with pytest.raises(Conflict, match=r"data/words\.csv is not what data/words was retrained from"):
        pull(stocked, Pull())
    stocked.call("proposal.close", CloseProposal(proposal_id=proposal))
    stocked.offer("headgate.lock", locked(stocked, DATA.replace("\r\n", "\n")), "")
    (stocked.root / "models/router.py").write_text("# changed\n")
    with pytest.raises(Conflict, match="other code"):
        pull(stocked, Pull())
    assert not (stocked.root / "headgate.lock").exists()
    assert len(stocked.listed().proposals) == 1, "what was not taken is still there"


@pytest.mark.parametrize(
    "text", ["headgate: 1\nrun: rm -rf /\n", "headgate: 2\n", "import os\n", "!!python/object x\n"]
)
def test_only_a_lock_goes_into_the_lock(stocked: Desk, text: str) -> None:
    stocked.offer("headgate.lock", text, "")
    with pytest.raises(InvalidInput):
        pull(stocked, Pull())
    assert not (stocked.root / "headgate.lock").exists()


def test_rows_for_a_file_that_is_not_there_make_none(stocked: Desk) -> None:
    stocked.offer("data/other.csv", ROWS, "")
    with pytest.raises(InvalidInput, match="no file"):
        pull(stocked, Pull())
    assert not (stocked.root / "data/other.csv").exists()
