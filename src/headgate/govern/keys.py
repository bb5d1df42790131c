"""Keys of people and services: made, listed, revoked. A key is shown once and stored as a hash (P18).

Called by people; `platform` authenticates by the same rows. Nothing here decides what a role may do.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import insert, select, update

from headgate.kernel import Conflict, NotFound, RateText, Usd, iso, new_id, units
from headgate.store import Context, tables, upsert

Role = Literal["viewer", "app", "engineer", "reviewer", "operator", "admin"]


class KeyCreate(BaseModel):
    """Whose key it is and what it may do."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    person: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._@+-]{0,99}$",
        description="the person or service it belongs to; all keys of one person count as one",
    )
    role: tuple[Role, ...] = Field(min_length=1, description="viewer, app, engineer, reviewer, operator or admin")
    name: str = Field("", max_length=100, description="what it is for")
    budget_per_day: Usd | None = Field(None, description="the most it may spend in a UTC day, for example $5")
    limit: tuple[RateText, ...] = Field(
        (), description="what it may use, for example '60 requests/minute', '200k tokens/day' or $90/month"
    )
    team: str = Field("", pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]{0,63})?$", description="whose limits it shares")


class KeyCreated(BaseModel):
    """The new key. `token` is shown now and never again."""

    model_config = ConfigDict(frozen=True)
    id: str
    person: str
    roles: list[str]
    token: str = Field(json_schema_extra={"secret": True})
    first: bool = Field(description="whether it is the project's first key: from now on every request needs one")


class KeyQuery(BaseModel):
    """Which keys to list."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    all: bool = Field(False, description="revoked ones too")


class KeyRow(BaseModel):
    """A key without its secret."""

    model_config = ConfigDict(frozen=True)
    id: str
    person: str
    name: str
    roles: list[str]
    team: str | None
    budget_per_day_usd: str | None
    limits: list[str]
    created_at: str
    created_by: str
    revoked_at: str | None


class KeyList(BaseModel):
    model_config = ConfigDict(frozen=True)
    keys: list[KeyRow]


class KeyRevoke(BaseModel):
    """Which key ends."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    key_id: str = Field(description="its id, key_…")


def create_key(ctx: Context, request: KeyCreate) -> KeyCreated:
    """Make a key: `hg_<id>_<secret>`, 192 random bits."""
    table = tables.api_key
    first = ctx.tx.one(select(table.c.id).where(table.c.project_id == ctx.project).limit(1)) is None
    key_id = new_id("key")
    token = f"hg_{key_id.removeprefix('key_')}_{secrets.token_hex(24)}"
    roles = sorted(set(request.role))
    ctx.tx.execute(
        insert(table).values(
            project_id=ctx.project,
            id=key_id,
            hash=ctx.store.secret.key_hash(token),
            person=request.person,
            name=request.name,
            roles=roles,
            created_at=ctx.now,
            created_by=ctx.principal.person,
            revoked_at=None,
            budget_per_day=request.budget_per_day,
            team=request.team or None,
        )
    )
    if request.limit:
        put_limits(ctx, f"key:{key_id}", request.limit)
    return KeyCreated(id=key_id, person=request.person, roles=roles, token=token, first=first)


def list_keys(ctx: Context, request: KeyQuery) -> KeyList:
    """List keys, oldest first."""
    table = tables.api_key
    query = select(table).where(table.c.project_id == ctx.project).order_by(table.c.created_at)
    if not request.all:
        query = query.where(table.c.revoked_at.is_(None))
    limits = limits_of(ctx)
    return KeyList(keys=[_row(row, limits) for row in ctx.tx.all(query)])


def revoke_key(ctx: Context, request: KeyRevoke) -> KeyRow:
    """End a key at once. Raises NotFound, or Conflict when it is revoked already."""
    table = tables.api_key
    mine = (table.c.project_id == ctx.project, table.c.id == request.key_id)
    row = ctx.tx.one(select(table).where(*mine))
    if row is None:
        raise NotFound(f"there is no key {request.key_id}", "list them with `headgate key list`")
    if row["revoked_at"] is not None:
        raise Conflict(f"{request.key_id} is revoked since {iso(row['revoked_at'])}")
    ctx.tx.execute(update(table).where(*mine).values(revoked_at=ctx.now))
    return _row({**row, "revoked_at": ctx.now}, limits_of(ctx))


def put_limits(ctx: Context, scope: str, written: Sequence[str]) -> None:
    """Set what a scope may use, in place of what was set before."""
    table = tables.limits
    fresh = {"rates": list(written), "at": ctx.now, "person": ctx.principal.person}
    make = upsert(ctx.tx.dialect, table).values(project_id=ctx.project, scope=scope, **fresh)
    ctx.tx.execute(make.on_conflict_do_update(index_elements=["project_id", "scope"], set_=fresh))


def limits_of(ctx: Context) -> dict[str, list[str]]:
    """Return the limits that were set, by scope."""
    table = tables.limits
    rows = ctx.tx.all(select(table).where(table.c.project_id == ctx.project))
    return {str(row["scope"]): list(row["rates"]) for row in rows}


def _row(found: Mapping[str, Any], limits: Mapping[str, list[str]]) -> KeyRow:
    budget, revoked = found["budget_per_day"], found["revoked_at"]
    return KeyRow(
        id=found["id"],
        person=found["person"],
        name=found["name"],
        roles=list(found["roles"]),
        team=found["team"],
        limits=limits.get(f"key:{found['id']}", []),
        budget_per_day_usd=None if budget is None else units.usd(budget),
        created_at=iso(found["created_at"]),
        created_by=found["created_by"],
        revoked_at=None if revoked is None else iso(revoked),
    )
