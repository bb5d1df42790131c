"""Storing versions of artifacts. Operations `artifact.register` and `artifact.missing`; `put` is their inner form.

A document is identified by its canonical bytes and never looked into. What was registered first stays: registering
the same content again changes nothing, whoever does it, and its `about` cannot be rewritten.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.schema import Table

from headgate.kernel import Draft, InvalidInput, NotFound, blob_digest, canonical, is_digest
from headgate.store import Blobs, Context, Transaction, tables

_Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
_Path = Annotated[str, StringConstraints(pattern=r"^[^\s/\\.][^\s/\\]*(/[^\s/\\.][^\s/\\]*)*$", max_length=200)]


class Register(BaseModel):
    """One version to store. `blobs` maps digests to base64, or to null for bytes that the project already has."""

    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True, validate_by_name=True)
    kind: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
    schema_: int = Field(alias="schema", ge=1)
    path: _Path
    document: dict[str, Any]
    blobs: dict[_Digest, str | None] = {}
    about: dict[str, Any] = {}


class Version(BaseModel):
    """A stored version. `new` is false when the path already had it; then the first registration is told."""

    model_config = ConfigDict(frozen=True)
    kind: str
    path: str
    digest: str
    created_at: float
    created_by: str
    new: bool


class Missing(BaseModel):
    """Digests of artifacts and blobs that somebody is about to upload."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    digests: list[_Digest] = Field(max_length=100_000)


class MissingResult(BaseModel):
    """Those of the digests that the project lacks, in the order asked."""

    model_config = ConfigDict(frozen=True)
    missing: list[str]


def missing(ctx: Context, request: Missing) -> MissingResult:
    """Say which artifacts and blobs have to be uploaded. Another project's blobs count as lacking."""
    table = tables.artifact
    rows = ctx.tx.all(select(table.c.digest).where(table.c.project_id == ctx.project))
    here = {row["digest"] for row in rows}
    here |= _blobs_here(ctx.tx, ctx.store.blobs, ctx.project, set(request.digests) - here)
    return MissingResult(missing=[digest for digest in request.digests if digest not in here])


def register(ctx: Context, request: Register) -> Version:
    """Store one version. Raises InvalidInput when bytes are not what their digest says, NotFound for lacking bytes."""
    sent = {name: _decode(name, text) for name, text in request.blobs.items() if text is not None}
    kept = request.blobs.keys() - sent.keys()
    lacking = sorted(kept - _blobs_here(ctx.tx, ctx.store.blobs, ctx.project, kept))
    if lacking:
        raise NotFound(
            f"the blob {lacking[0]} of {request.path} is not stored here", "send its bytes with the artifact"
        )
    draft = Draft(request.kind, request.schema_, request.path, request.document, sent, (), request.about)
    return _store(ctx.tx, ctx.store.blobs, _Origin(ctx.project, ctx.principal.person, ctx.now), draft, request.blobs)


def put(tx: Transaction, blobs: Blobs, project: str, draft: Draft, person: str, now: float) -> Version:
    """Store a draft with all its blobs in `tx`, in the name of `person`. Raises InvalidInput for a wrong digest."""
    return _store(tx, blobs, _Origin(project, person, now), draft, draft.blobs)


@dataclass(frozen=True, slots=True)
class _Origin:
    """Whose version it is, and since when."""

    project: str
    person: str
    now: float


def _store(tx: Transaction, blobs: Blobs, origin: _Origin, draft: Draft, names: Iterable[str]) -> Version:
    canonical(dict(draft.about))
    for name, content in draft.blobs.items():
        if blob_digest(content) != name:
            raise InvalidInput(f"the bytes sent as {name} are not what that digest says", "send them again")
        blobs.put(content)
    digest = draft.digest
    project = origin.project
    stamp = {"project_id": project, "kind": draft.kind, "created_at": origin.now, "created_by": origin.person}
    _insert_once(
        tx,
        tables.artifact,
        {
            **stamp,
            "digest": digest,
            "schema": draft.schema,
            "path": draft.path,
            "document": dict(draft.document),
            "about": dict(draft.about),
            "blobs": sorted(names),
        },
    )
    new = _add_version(tx, {**stamp, "path": draft.path, "digest": digest})
    table = tables.version
    query = select(table).where(table.c.project_id == project, table.c.path == draft.path, table.c.digest == digest)
    row = tx.one(query)
    assert row is not None
    shown = {name: row[name] for name in ("kind", "path", "digest", "created_at", "created_by")}
    return Version(**shown, new=new)


def _add_version(tx: Transaction, values: Mapping[str, Any]) -> bool:
    """Append to the path's history and return whether it was new there; writers to one path take turns."""
    table = tables.version
    if tx.dialect == "postgresql":
        tx.execute(select(func.pg_advisory_xact_lock(func.hashtext(f"{values['project_id']}:{values['path']}"))))
    mine = (table.c.project_id == values["project_id"], table.c.path == values["path"])
    last = tx.one(select(func.max(table.c.seq).label("seq")).where(*mine))
    seq = 1 + ((last["seq"] if last else 0) or 0)
    return _insert_once(tx, table, {**values, "seq": seq})


def _insert_once(tx: Transaction, table: Table, values: Mapping[str, Any]) -> bool:
    build = postgresql.insert if tx.dialect == "postgresql" else sqlite.insert
    statement = build(table).values(**values).on_conflict_do_nothing().returning(table.c.digest)
    return tx.one(statement) is not None


def _blobs_here(tx: Transaction, blobs: Blobs, project: str, wanted: Iterable[str]) -> set[str]:
    """Return which blobs an artifact of this very project names and the store really has."""
    asked = set(wanted)
    if not asked:
        return set()
    table = tables.artifact
    rows = tx.all(select(table.c.blobs).where(table.c.project_id == project))
    named = {name for row in rows for name in row["blobs"] if name in asked}
    return {name for name in named if blobs.has(name)}


def _decode(name: str, text: str) -> bytes:
    if not is_digest(name):
        raise InvalidInput(f"{name!r} is no digest of a blob")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidInput(f"the bytes sent as {name} are not base64") from None
