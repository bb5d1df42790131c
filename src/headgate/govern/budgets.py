"""Budgets as people read them: what may be spent today, what was, and what is held. Operation `budget.list`.

The ledger in `store` keeps the money; `serve` reserves and settles. Nothing here moves any of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from headgate import artifacts
from headgate.kernel import day, units
from headgate.store import Context, ledger, tables


class BudgetQuery(BaseModel):
    """Which budgets of today, a UTC day."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    scope: str | None = Field(None, description="one scope, such as app:support; all when left out")


class BudgetRow(BaseModel):
    """One scope today, in USD. `left` is what may still be reserved; a frozen budget allows nothing more today.

    `reserved` is held for requests that run, and in slices for those that come next: it counts as spent until settled.
    """

    model_config = ConfigDict(frozen=True)
    scope: str
    name: str
    limit_usd: str | None
    settled_usd: str
    reserved_usd: str
    left_usd: str | None
    frozen: bool


class BudgetList(BaseModel):
    """Budgets of one UTC day. What has no limit is not counted, so it is not listed."""

    model_config = ConfigDict(frozen=True)
    day: str
    budgets: list[BudgetRow]


def list_budgets(ctx: Context, request: BudgetQuery) -> BudgetList:
    """List today's budgets: apps first, then keys, by name; those that nobody has drawn on stand at zero."""
    today = day(ctx.now)
    table = tables.budget
    used = ctx.tx.all(select(table.c.scope).where(table.c.project_id == ctx.project, table.c.window == today))
    known: dict[str, tuple[int | None, str]] = {row["scope"]: (None, row["scope"].partition(":")[2]) for row in used}
    known.update({scope: (limit, name) for scope, limit, name in (*_of_apps(ctx), *_of_keys(ctx))})
    wanted = sorted(scope for scope in known if request.scope in (None, scope))
    return BudgetList(day=today, budgets=[_row(ctx, scope, today, known[scope]) for scope in wanted])


def _row(ctx: Context, scope: str, today: str, known: tuple[int | None, str]) -> BudgetRow:
    limit, name = known
    stands = ledger.balance(ctx.tx, ctx.project, scope, today)
    most = stands.limit_nano if stands.limit_nano is not None else limit
    left = None if most is None else 0 if stands.frozen else max(0, most - stands.settled - stands.reserved)
    return BudgetRow(
        scope=scope,
        name=name,
        limit_usd=None if most is None else units.usd(most),
        settled_usd=units.usd(stands.settled),
        reserved_usd=units.usd(stands.reserved),
        left_usd=None if left is None else units.usd(left),
        frozen=stands.frozen,
    )


def _of_apps(ctx: Context) -> Iterator[tuple[str, int, str]]:
    """Yield what the contracts of served releases allow a day; of an app's environments, the largest."""
    environment, release = tables.environment, tables.release
    served = (
        select(environment.c.app, release.c.manifest)
        .join(release, (release.c.project_id == environment.c.project_id) & (release.c.digest == environment.c.stable))
        .where(environment.c.project_id == ctx.project)
    )
    most: dict[str, int] = {}
    for row in ctx.tx.all(served):
        limits = (_per_day(ctx, pin) for pin in row["manifest"]["pins"].values() if pin["kind"] == "contract")
        for limit in limits:
            if limit is not None:
                most[row["app"]] = max(limit, most.get(row["app"], 0))
    for app, limit in most.items():
        yield f"app:{app}", limit, app


def _per_day(ctx: Context, pin: Mapping[str, Any]) -> int | None:
    document = artifacts.get(ctx.tx, ctx.project, pin["digest"]).document
    written = document.get("cost", {}).get("per_day")
    return None if written is None else units.parse_usd(written)


def _of_keys(ctx: Context) -> Iterator[tuple[str, int, str]]:
    table = tables.api_key
    query = select(table).where(table.c.project_id == ctx.project, table.c.revoked_at.is_(None))
    for row in ctx.tx.all(query):
        if row["budget_per_day"] is not None:
            yield f"key:{row['id']}", row["budget_per_day"], row["name"] or row["person"]
