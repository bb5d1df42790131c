"""Proposals: what the server would add to a project's files. It offers; `headgate pull` writes (decision 6)."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import insert, select, update

from headgate.artifacts import FILE as LOCK
from headgate.artifacts import Lock
from headgate.data import added, changed_since
from headgate.kernel import (
    Conflict,
    InvalidInput,
    NotFound,
    Workspace,
    iso,
    new_id,
    normalise,
    parse_yaml,
    validate,
)
from headgate.store import Context, Transaction, tables
from headgate.train import code_digest

_ROWS = (".csv", ".jsonl")


class ProposalQuery(BaseModel):
    """Which proposals to list."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    state: Literal["open", "applied", "dismissed", "all"] = Field("open", description="open, applied, dismissed or all")
    limit: int = Field(100, ge=1, le=1000, description="how many at most")


class Proposal(BaseModel):
    """Text to add at the end of a project file; `header` begins the file when it does not exist yet."""

    model_config = ConfigDict(frozen=True)
    id: str
    file: str
    text: str
    header: str
    reason: str
    state: Literal["open", "applied", "dismissed"]
    created_at: str
    created_by: str


class ProposalList(BaseModel):
    model_config = ConfigDict(frozen=True)
    proposals: list[Proposal]


class CloseProposal(BaseModel):
    """What became of a proposal."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    proposal_id: str = Field(description="its id, prp_…")
    state: Literal["applied", "dismissed"] = Field("dismissed", description="applied or dismissed")


class Pull(BaseModel):
    """Write open proposals into the working tree."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    dry_run: bool = Field(False, description="only show what would be written")


class Pulled(BaseModel):
    model_config = ConfigDict(frozen=True)
    proposals: list[Proposal]
    written: list[str]


def add_proposal(tx: Transaction, project: str, values: dict[str, Any], person: str, now: float) -> str:
    """Store a proposal (file, text, header, reason, subject) and return its id."""
    proposal_id = new_id("prp")
    tx.execute(
        insert(tables.proposal).values(
            project_id=project,
            id=proposal_id,
            state="open",
            created_at=now,
            created_by=person,
            applied_at=None,
            **values,
        )
    )
    return proposal_id


def list_proposals(ctx: Context, request: ProposalQuery) -> ProposalList:
    """List proposals, oldest first: the order in which they are applied."""
    table = tables.proposal
    query = select(table).where(table.c.project_id == ctx.principal.project).order_by(table.c.created_at)
    if request.state != "all":
        query = query.where(table.c.state == request.state)
    return ProposalList(proposals=[_proposal(row) for row in ctx.tx.all(query.limit(request.limit))])


def close_proposal(ctx: Context, request: CloseProposal) -> Proposal:
    """Mark a proposal as applied or dismissed. Raises Conflict when it is closed already."""
    table = tables.proposal
    mine = (table.c.project_id == ctx.principal.project, table.c.id == request.proposal_id)
    row = ctx.tx.one(select(table).where(*mine))
    if row is None:
        raise NotFound(f"there is no proposal {request.proposal_id}", "list them with headgate proposal list")
    if row["state"] != "open":
        raise Conflict(f"{request.proposal_id} is {row['state']} already")
    ctx.tx.execute(update(table).where(*mine).values(state=request.state, applied_at=ctx.clock.now()))
    return _proposal(ctx.tx.one(select(table).where(*mine)))


def pull(workspace: Workspace, request: Pull) -> Pulled:
    """Append every open proposal to its file in the working tree and mark it applied."""
    found = workspace.call("proposal.list", ProposalQuery())
    proposals = [Proposal.model_validate(item) for item in found["proposals"]]
    proposals.sort(key=lambda proposal: proposal.file == LOCK)  # what the lock holds speaks of the other files
    written = []
    for proposal in proposals:
        if not request.dry_run:
            _write(workspace.root, proposal)
            workspace.call("proposal.close", CloseProposal(proposal_id=proposal.id, state="applied"))
        written.append(proposal.file)
    return Pulled(proposals=proposals, written=[] if request.dry_run else list(dict.fromkeys(written)))


def _write(root: Path, proposal: Proposal) -> None:
    if proposal.file == LOCK:
        _lock(root, proposal)
    elif PurePosixPath(proposal.file).suffix in _ROWS:
        _add_rows(root, proposal)
    else:
        _append(root, proposal)


def _lock(root: Path, proposal: Proposal) -> None:
    """Take a proposal's entries into the lock, when the files here are those that they were made from.

    Only digests ever come in this way: the text is read as a lock, strictly, and never written as it is.
    """
    offered = validate(Lock, parse_yaml(proposal.text, f"the proposal {proposal.id}"))
    for path, entry in offered.datasets.items():
        changed = changed_since(root, path, entry)
        if changed:
            raise Conflict(
                f"{changed} is not what {path} was retrained from",
                f"keep the rows, run `headgate data add {path}` and `headgate train`, and dismiss {proposal.id}",
            )
    for path, trained in offered.models.items():
        if code_digest(root, path) != trained.code:
            hint = f"run `headgate train {path}` and dismiss {proposal.id}"
            raise Conflict(f"{path} was retrained by other code than {path}.py is here", hint)
    for path, entry in offered.datasets.items():
        Lock.update(root, "datasets", path, entry)
    for path, trained in offered.models.items():
        Lock.update(root, "models", path, trained)


def _add_rows(root: Path, proposal: Proposal) -> None:
    """Add rows at the end of a data file that is there, byte for byte as the retraining did."""
    path = _inside(root, proposal.file)
    if not path.is_file():
        raise InvalidInput(f"there is no file {proposal.file} to add rows to", "dismiss the proposal")
    before = path.read_bytes().decode("utf-8")
    if normalise(proposal.text).strip() not in normalise(before):
        _replace(path, added(before, proposal.text))


def _append(root: Path, proposal: Proposal) -> None:
    path = _inside(root, proposal.file)
    path.parent.mkdir(parents=True, exist_ok=True)
    before = path.read_text(encoding="utf-8") if path.exists() else proposal.header
    if proposal.text.strip() in before:
        return
    joined = before.rstrip("\n") + "\n\n" + proposal.text if before.strip() else proposal.text
    _replace(path, joined.rstrip("\n") + "\n")


def _replace(path: Path, text: str) -> None:
    swap = path.with_name(path.name + ".new")
    swap.write_bytes(text.encode("utf-8"))
    swap.replace(path)


def _inside(root: Path, file: str) -> Path:
    """Resolve a proposal's file. A server's text never becomes a path outside the project, nor a file that runs."""
    parts = PurePosixPath(file).parts
    path = (root / file).resolve()
    if (
        not parts
        or PurePosixPath(file).is_absolute()
        or any(part.startswith(".") for part in parts)
        or PurePosixPath(file).suffix not in (".yaml", ".md", ".csv", ".jsonl")
        or not path.is_relative_to(root.resolve())
    ):
        raise InvalidInput(f"the proposal names {file!r}, which is no project file", "dismiss it, and ask who made it")
    return path


def _proposal(row: Any) -> Proposal:
    fields = {name: row[name] for name in Proposal.model_fields}
    return Proposal(**{**fields, "created_at": iso(row["created_at"])})
