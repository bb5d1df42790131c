"""Budgets as people read and set them: what may be used now, what was, and what is held. Called by the CLI and HTTP.

The ledger in `store` keeps the accounts; `serve` reserves and settles. Nothing here moves any of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from headgate import artifacts
from headgate.kernel import (
    NotFound,
    Rate,
    RateText,
    Span,
    Unit,
    Windows,
    iso,
    parse_rate,
    span_of,
    tightest,
    units,
    window_end,
    windows,
)
from headgate.store import Balance, Context, ledger, tables

from .keys import limits_of, put_limits

_MOST_ROWS = 1_000
_PEOPLE = ("user", "session")


class BudgetQuery(BaseModel):
    """Which budgets of now: of this UTC minute, day and month."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    scope: str | None = Field(
        None, description="one scope, such as app:support, or a sort of them, such as user; all but users and sessions"
    )


class BudgetRow(BaseModel):
    """One budget now. Amounts of the unit `cost` are in USD. A frozen budget allows nothing more in its window.

    `reserved` is held for requests that run, and in slices for those that come next: it counts as used until settled.
    """

    model_config = ConfigDict(frozen=True)
    scope: str
    name: str
    unit: Unit
    span: Span
    limit: str | None
    settled: str
    reserved: str
    left: str | None
    frozen: bool
    resets_at: str


class BudgetList(BaseModel):
    """Budgets of now. What has no limit is not counted, so it is not listed."""

    model_config = ConfigDict(frozen=True)
    budgets: list[BudgetRow]


class BudgetSet(BaseModel):
    """What a key or a team may use, in place of what was set before."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    scope: str = Field(pattern=r"^(key|team):[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="key:key_… or team:NAME")
    limit: tuple[RateText, ...] = Field(
        (), description="for example '60 requests/minute', '200k tokens/day' or $90/month; none lifts them all"
    )


class BudgetLimits(BaseModel):
    """What a scope may use now."""

    model_config = ConfigDict(frozen=True)
    scope: str
    limits: list[str]


def set_limits(ctx: Context, request: BudgetSet) -> BudgetLimits:
    """Limit a key or a team. Raises NotFound for a key that is not there."""
    kind, _, name = request.scope.partition(":")
    table = tables.api_key
    if kind == "key" and not ctx.tx.one(
        select(table.c.id).where(table.c.project_id == ctx.project, table.c.id == name)
    ):
        raise NotFound(f"there is no key {name}", "list them with `headgate key list`")
    put_limits(ctx, request.scope, request.limit)
    return BudgetLimits(scope=request.scope, limits=list(request.limit))


def list_budgets(ctx: Context, request: BudgetQuery) -> BudgetList:
    """List the budgets of now: apps, keys and teams by name; those that nobody has drawn on stand at zero."""
    now = windows(ctx.now)
    known: dict[tuple[str, Unit, str], tuple[int | None, str]] = {}
    for scope, rate, name in (*_of_apps(ctx), *_of_keys(ctx)):
        known[scope, rate.unit, getattr(now, rate.span)] = rate.most, name
    used = _used(ctx, request, now)
    for key in used:
        known.setdefault(key, (None, key[0].partition(":")[2]))
    wanted = sorted((key for key in known if _meant(request.scope, key[0])), key=lambda key: (*key[:2], len(key[2])))
    return BudgetList(budgets=[_row(key, used.get(key), known[key]) for key in wanted[:_MOST_ROWS]])


def _meant(wanted: str | None, scope: str) -> bool:
    kind = scope.partition(":")[0]
    return kind not in _PEOPLE if wanted is None else wanted in (scope, kind)


def _used(ctx: Context, request: BudgetQuery, now: Windows) -> dict[tuple[str, Unit, str], Balance]:
    table = tables.budget
    mine = table.c.project_id == ctx.project, table.c.window.in_((now.minute, now.day, now.month))
    query = select(table).where(*mine)
    if request.scope is None:
        query = query.where(*(table.c.scope.not_like(f"{kind}:%") for kind in _PEOPLE))
    elif ":" in request.scope:
        query = query.where(table.c.scope == request.scope)
    rows = ctx.tx.all(query.order_by(table.c.settled.desc()).limit(_MOST_ROWS))
    return {(row["scope"], row["unit"], row["window"]): ledger.stands(row) for row in rows}


def _row(key: tuple[str, Unit, str], found: Balance | None, known: tuple[int | None, str]) -> BudgetRow:
    scope, unit, window = key
    limit, name = known
    stands = found or Balance(limit, 0, 0)
    shown = units.usd if unit == "cost" else str
    left = Balance(stands.most if stands.most is not None else limit, stands.settled, stands.reserved, stands.frozen)
    return BudgetRow(
        scope=scope,
        name=name,
        unit=unit,
        span=span_of(window),
        limit=None if left.most is None else shown(left.most),
        settled=shown(stands.settled),
        reserved=shown(stands.reserved),
        left=None if left.left is None else shown(left.left),
        frozen=stands.frozen,
        resets_at=iso(window_end(window).timestamp()),
    )


def _of_apps(ctx: Context) -> Iterator[tuple[str, Rate, str]]:
    """Yield what the contracts of served releases allow; of an app's environments, the largest."""
    environment, release = tables.environment, tables.release
    served = (
        select(environment.c.app, release.c.manifest)
        .join(release, (release.c.project_id == environment.c.project_id) & (release.c.digest == environment.c.stable))
        .where(environment.c.project_id == ctx.project)
    )
    most: dict[tuple[str, Unit, Span], int] = {}
    for row in ctx.tx.all(served):
        for pin in row["manifest"]["pins"].values():
            for rate in _of_contract(ctx, pin) if pin["kind"] == "contract" else ():
                key = row["app"], rate.unit, rate.span
                most[key] = max(rate.most, most.get(key, 0))
    for (app, unit, span), limit in most.items():
        yield f"app:{app}", Rate(unit, span, limit), app


def _of_contract(ctx: Context, pin: Mapping[str, Any]) -> tuple[Rate, ...]:
    from headgate.serve import compile_limits  # what serves is slow to import, and keys do not need it

    return compile_limits(artifacts.get(ctx.tx, ctx.project, pin["digest"]).document).app


def _of_keys(ctx: Context) -> Iterator[tuple[str, Rate, str]]:
    table, limits = tables.api_key, limits_of(ctx)
    query = select(table).where(table.c.project_id == ctx.project, table.c.revoked_at.is_(None))
    for row in ctx.tx.all(query):
        daily = [] if row["budget_per_day"] is None else [Rate("cost", "day", row["budget_per_day"])]
        scope = f"key:{row['id']}"
        for rate in tightest([*daily, *map(parse_rate, limits.get(scope, ()))]):
            yield scope, rate, row["name"] or row["person"]
    for scope, written in limits.items():
        if scope.startswith("team:"):
            for rate in tightest(map(parse_rate, written)):
                yield scope, rate, scope.partition(":")[2]
