"""Proposals: text added at the end of project files, once, and never anywhere else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

from headgate.improve import CloseProposal, ProposalList, ProposalQuery, Pull, close_proposal, list_proposals, pull
from headgate.improve.proposals import add_proposal
from headgate.kernel import Conflict, InvalidInput, NotFound, plugins
from headgate.store import tables

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
