"""The first page: what waits for somebody, what each app serves where, and how it does. Agreeing to waiting rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from headgate.kernel import Conflict
from headgate.ui.attention import waiting
from headgate.ui.visit import Visit

_RELEASES = 50
_WINDOW = {"last": "24h", "step": "1h"}


async def show(visit: Visit) -> Response:
    """What waits, then one panel an app with one row an environment."""
    shown = await visit.call("environment.show")
    listed = await visit.call("release.list", limit=_RELEASES)
    budgets = await visit.ask("budget.list")
    newest = {release["app"]: release["digest"] for release in reversed(listed["releases"])}
    looked = {row["stable"] for row in shown["environments"] if row["stable"]} | {*newest.values()}
    judged = {digest: await visit.call("release.show", release=digest, gates=True) for digest in sorted(looked)}
    rows = [await _row(visit, row, judged, newest.get(row["app"], "")) for row in shown["environments"]]
    names = sorted({row["app"] for row in rows} | {release["app"] for release in listed["releases"]})
    daily = [row for row in budgets["budgets"] if (row["unit"], row["span"]) == ("cost", "day")] if budgets else []
    by_scope = {row["scope"]: row for row in daily}
    apps = [
        {
            "name": name,
            "budget": by_scope.get(f"app:{name}"),
            "environments": sorted((row for row in rows if row["app"] == name), key=_strictest_first),
        }
        for name in names
    ]
    return visit.page(
        "overview.html",
        apps=apps,
        waiting=waiting(
            apps,
            await _open(visit, "incident.list", "incidents"),
            await _open(visit, "review.list", "reviews"),
            await _open(visit, "proposal.list", "proposals"),
        ),
    )


async def _open(visit: Visit, operation: str, name: str) -> list[Any]:
    found = await visit.ask(operation, state="open", limit=200)
    return list(found[name]) if found else []


def _strictest_first(row: Mapping[str, Any]) -> tuple[int, int, str]:
    return -row["approvals"], -len(row["rules"]), row["environment"]


async def _row(
    visit: Visit, row: Mapping[str, Any], judged: Mapping[str, Mapping[str, Any]], newest: str
) -> dict[str, Any]:
    """Return an environment with what it serves, what is newer, and the traffic of a day."""
    served, newer = judged.get(row["stable"] or ""), judged.get(newest)
    if newer and served and newer["created_at"] <= served["created_at"]:
        newer = None
    moved = next((move for move in row["history"] if move["action"] in ("promote", "rollback")), None)
    return {
        **row,
        "served": served,
        "gate": _gate(served, row),
        "newer": newer,
        "newer_gate": _gate(newer, row),
        "moved": moved,
        "traffic": await visit.ask("traffic.show", app=row["app"], environment=row["environment"], **_WINDOW),
    }


def _gate(release: Mapping[str, Any] | None, row: Mapping[str, Any]) -> Mapping[str, Any] | None:
    gates = release["gates"] if release else []
    return next((gate for gate in gates if gate["environment"] == row["environment"]), None)


async def approve_rules(visit: Visit) -> Response:
    """Agree to exactly the waiting rules that the page showed."""
    app, environment = visit.part("app"), visit.part("environment")
    try:
        done = await visit.call(
            "environment.approve", app=app, environment=environment, rules_digest=visit.field("rules_digest")
        )
    except Conflict as problem:
        return visit.done("/", f"Not agreed: {problem.message}. The page shows how it is now.", "warn")
    return visit.done("/", f"Agreed: {done['words']}.")
