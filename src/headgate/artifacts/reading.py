"""Reading versions of artifacts. Operations `artifact.list` and `artifact.show`; `get` is what the floors above call.

A digest is verified on every load, over the very document that is handed out (P16). Nothing here writes.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from headgate.kernel import Corrupt, HeadgateError, InvalidInput, NotFound, canonical, digest, is_digest, nearest
from headgate.store import Blobs, Context, Transaction, tables

_PREFIX = re.compile(r"^(sha256:)?[0-9a-f]{8,64}$")


@dataclass(frozen=True, slots=True)
class Stored:
    """One stored version; `document` has just been verified against `digest`, `about` is no part of it."""

    kind: str
    schema: int
    path: str
    digest: str
    document: Mapping[str, Any]
    about: Mapping[str, Any]
    blobs: tuple[str, ...]
    created_at: float
    created_by: str


class ArtifactQuery(BaseModel):
    """Which versions to list."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: str | None = Field(None, description="only this kind, for example model")
    path: str | None = Field(None, description="only versions of this path")
    limit: int = Field(50, ge=1, le=1000, description="how many at most")


class ArtifactRow(BaseModel):
    """One version: the `seq`-th that its path has had."""

    model_config = ConfigDict(frozen=True)
    kind: str
    path: str
    seq: int
    digest: str
    created_at: float
    created_by: str


class ArtifactList(BaseModel):
    model_config = ConfigDict(frozen=True)
    artifacts: list[ArtifactRow]


class ArtifactShow(BaseModel):
    """Which version."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str = Field(description="a path (its newest version), a digest, or the first 8 or more digits of one")
    blob: str | None = Field(None, description="also return the bytes of this blob of it")


class ArtifactShown(BaseModel):
    """One version: what it says, where it comes from, and the versions its path has had, newest first."""

    model_config = ConfigDict(frozen=True, serialize_by_alias=True, validate_by_name=True)
    kind: str
    schema_: int = Field(alias="schema")
    path: str
    digest: str
    created_at: float
    created_by: str
    document: dict[str, Any]
    about: dict[str, Any]
    blobs: list[str]
    versions: list[ArtifactRow]
    content: str | None = Field(None, description="the blob asked for, in base64")


def get(tx: Transaction, project: str, digest: str) -> Stored:
    """Return one version. Raises NotFound, or Corrupt when what is stored is not what the digest says."""
    table = tables.artifact
    try:
        row = tx.one(select(table).where(table.c.project_id == project, table.c.digest == digest))
    except ValueError:
        raise _corrupt(digest) from None
    if row is None:
        raise NotFound(f"there is no artifact {digest}", "it was never registered in this project")
    return _verified(row)


def listing(ctx: Context, request: ArtifactQuery) -> ArtifactList:
    """List versions, newest first."""
    table = tables.version
    query = select(table).where(table.c.project_id == ctx.project)
    if request.kind:
        query = query.where(table.c.kind == request.kind)
    if request.path:
        query = query.where(table.c.path == request.path)
    query = query.order_by(table.c.created_at.desc(), table.c.seq.desc(), table.c.path).limit(request.limit)
    return ArtifactList(artifacts=[_row(row) for row in ctx.tx.all(query)])


def show(ctx: Context, request: ArtifactShow) -> ArtifactShown:
    """Show one version. Raises NotFound with the nearest path, InvalidInput when digits fit several versions."""
    stored = get(ctx.tx, ctx.project, _find(ctx.tx, ctx.project, request.name))
    return ArtifactShown(
        kind=stored.kind,
        schema_=stored.schema,
        path=stored.path,
        digest=stored.digest,
        created_at=stored.created_at,
        created_by=stored.created_by,
        document=dict(stored.document),
        about=dict(stored.about),
        blobs=list(stored.blobs),
        versions=[_row(row) for row in _versions(ctx.tx, ctx.project, stored.path)],
        content=None if request.blob is None else _content(ctx.store.blobs, stored, request.blob),
    )


def _verified(row: Mapping[str, Any]) -> Stored:
    try:
        found = digest(row["kind"], row["schema"], canonical(row["document"]))
    except HeadgateError:
        found = ""
    if found != row["digest"]:
        raise _corrupt(row["digest"])
    names = ("kind", "schema", "path", "digest", "document", "about", "created_at", "created_by")
    return Stored(**{name: row[name] for name in names}, blobs=tuple(row["blobs"]))


def _corrupt(digest: str) -> Corrupt:
    hint = "the records were changed from outside: restore them from a backup"
    return Corrupt(f"the artifact {digest} is not what its digest says", hint)


def _find(tx: Transaction, project: str, name: str) -> str:
    if is_digest(name):
        return name
    versions = _versions(tx, project, name)
    if versions:
        return str(versions[0]["digest"])
    table = tables.artifact
    if _PREFIX.match(name):
        start = f"sha256:{name.removeprefix('sha256:')}"
        query = select(table.c.digest, table.c.path).where(table.c.project_id == project)
        fitting = tx.all(query.where(table.c.digest.startswith(start)).order_by(table.c.digest).limit(5))
        if len(fitting) == 1:
            return str(fitting[0]["digest"])
        if fitting:
            paths = ", ".join(f"{row['digest'][7:27]} ({row['path']})" for row in fitting)
            raise InvalidInput(f"{name!r} fits several artifacts", f"write more of its digits: {paths}")
    paths_known = tx.all(select(table.c.path).where(table.c.project_id == project).distinct())
    hint = nearest(name, [row["path"] for row in paths_known])
    raise NotFound(f"there is no artifact {name!r}", hint or "nothing is registered in this project yet")


def _versions(tx: Transaction, project: str, path: str) -> list[Mapping[str, Any]]:
    table = tables.version
    query = select(table).where(table.c.project_id == project, table.c.path == path)
    return tx.all(query.order_by(table.c.seq.desc()))


def _row(row: Mapping[str, Any]) -> ArtifactRow:
    return ArtifactRow(**{name: row[name] for name in ArtifactRow.model_fields})


def _content(blobs: Blobs, stored: Stored, name: str) -> str:
    if name not in stored.blobs:
        raise NotFound(f"{stored.path} has no blob {name}", nearest(name, stored.blobs) or "it has none")
    return base64.b64encode(blobs.get(name)).decode("ascii")
