"""Releases: the timeline, and one of them whole: its gate rule by rule, its difference, its evidence, and the moves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from starlette.responses import Response

from headgate.kernel import Conflict, short
from headgate.ui.visit import Visit

_SHOWN = 20
_MOVES = 25
_CASES = 12


async def browse(visit: Visit) -> Response:
    """List releases, newest first, with how each was judged; then what moved where."""
    app, before = visit.query("app"), visit.query("before")
    found = await visit.call("release.list", app=app, before=before, limit=_SHOWN + 1, gates=True)
    shown = await visit.call("environment.show", app=app, history=_MOVES)
    everywhere = shown if not app else await visit.call("environment.show", history=0)
    releases = found["releases"][:_SHOWN]
    more = {"app": app, "before": repr(releases[-1]["created_at"])} if len(found["releases"]) > _SHOWN else {}
    return visit.page(
        "releases.html",
        releases=releases,
        moves=moves_of(shown["environments"])[:_MOVES],
        notes={row["digest"]: row["note"] for row in releases},
        apps=sorted({row["app"] for row in everywhere["environments"]} | {row["app"] for row in releases}),
        app=app,
        newest=f"/releases?{urlencode({'app': app})}" if before else "",
        older=f"/releases?{urlencode(more)}" if more else "",
    )


def moves_of(environments: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the moves of several environments as one history, newest first."""
    moves = [
        {**move, "app": row["app"], "environment": row["environment"]}
        for row in environments
        for move in row["history"]
    ]
    return sorted(moves, key=lambda move: (move["at"], move["generation"]), reverse=True)


async def show(visit: Visit) -> Response:
    """Show one release as one environment's gate sees it."""
    release = await visit.call("release.show", release=visit.part("digest"), gates=True)
    digest, wanted = release["digest"], visit.query("environment")
    shown = await visit.call("environment.show", app=release["app"], history=_MOVES)
    environment = _chosen(shown["environments"], wanted, digest)
    values: dict[str, Any] = {"gate": None, "approvals": None}
    if environment and environment["rules_digest"]:
        asked = {"release": digest, "environment": environment["environment"]}
        values = {name: await visit.call(f"release.{name}", **asked) for name in ("gate", "approvals")}
    return visit.page(
        "releases_one.html",
        release=release,
        environments=shown["environments"],
        environment=environment,
        gates={row["environment"]: row for row in release["gates"]},
        rules=_in_order(values["gate"]),
        moves=[
            move for move in moves_of(shown["environments"]) if digest in (move["stable"], move["detail"].get("from"))
        ],
        **values,
        **await _difference(visit, digest, environment),
        **await _evidence(visit, release, values["gate"]),
    )


def _chosen(environments: Sequence[Mapping[str, Any]], name: str, digest: str) -> Mapping[str, Any] | None:
    """Return the environment whose gate is shown: the one asked for, or the strictest that does not serve it yet."""
    named = [row for row in environments if row["environment"] == name]
    if named:
        return named[0]
    return max(
        environments,
        key=lambda row: (row["stable"] != digest and bool(row["rules"]), row["approvals"], len(row["rules"])),
        default=None,
    )


def _in_order(gate: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    """Return the rules of a gate, those that stop the release first."""
    rank = {"fail": 0, "review": 1, "pass": 2}
    return sorted(gate["rules"], key=lambda rule: rank[rule["outcome"]]) if gate else []


async def _difference(visit: Visit, digest: str, environment: Mapping[str, Any] | None) -> dict[str, Any]:
    """Compare with what the environment serves, or with what it served before when it serves this."""
    other = None
    if environment:
        other = environment["stable"] if environment["stable"] != digest else environment["previous"]
    if not other:
        return {"difference": None, "against": None}
    return {"difference": await visit.ask("release.diff", a=other, b=digest), "against": other}


async def _evidence(visit: Visit, release: Mapping[str, Any], gate: Mapping[str, Any] | None) -> dict[str, Any]:
    if not release["evidence"]:
        return {"evidence": None}
    suite, skip = visit.query("suite"), visit.query("skip")
    name = gate["evidence"] if gate and gate["evidence"] else release["evidence"][0]
    found = await visit.call("evidence.show", name=name, suite=suite, skip=skip, limit=_CASES)
    begin = int(skip or 0)
    address = f"/releases/{release['digest']}?" + urlencode(
        {key: value for key, value in (("environment", visit.query("environment")), ("suite", suite)) if value}
    )
    later = begin + _CASES < found["matching"]
    return {
        "evidence": found,
        "suite": suite,
        "begin": begin,
        "earlier_cases": f"{address}&skip={max(0, begin - _CASES)}#cases" if begin else "",
        "later_cases": f"{address}&skip={begin + _CASES}#cases" if later else "",
    }


async def approve(visit: Visit) -> Response:
    """Approve exactly what the page showed."""
    digest, environment = visit.part("digest"), visit.field("environment")
    back = _address(digest, environment)
    seen = {"generation": visit.field("generation"), "evidence": visit.field("evidence")}
    try:
        done = await visit.call(
            "release.approve", release=digest, environment=environment, note=visit.field("note"), **seen
        )
    except Conflict as problem:
        return visit.done(back, f"Not approved: {problem.message}. The page shows how it is now.", "warn")
    left = done["needed"] - len(done["approvals"])
    more = f"{left} more needed." if left > 0 else "It may be promoted now."
    if not done["counts"]:
        return visit.done(back, f"Recorded, but it does not count: {done['why']}.", "warn")
    return visit.done(back, f"Approved for {done['environment']}. {more}")


async def promote(visit: Visit) -> Response:
    """Make an environment serve this release, if it is still as the page showed it."""
    digest, environment = visit.part("digest"), visit.field("environment")
    back = _address(digest, environment)
    try:
        done = await visit.call(
            "release.promote", release=digest, environment=environment, generation=visit.field("generation")
        )
    except Conflict as problem:
        return visit.done(back, f"Not moved: {problem.message}. The page shows how it is now.", "warn")
    if not done["moved"]:
        return visit.done(back, f"Not moved: {done['words']}.", "bad" if done["outcome"] == "fail" else "warn")
    before = f", before that {short(done['previous'])}" if done["previous"] else ""
    return visit.done(back, f"Promoted: {done['words']}{before}.")


async def roll_back(visit: Visit) -> Response:
    """Make an environment serve again what it served before, if it is still as the page showed it."""
    app, environment = visit.part("app"), visit.part("environment")
    back = _address(visit.field("release"), environment)
    try:
        done = await visit.call(
            "release.rollback",
            app=app,
            environment=environment,
            generation=visit.field("generation"),
            reason=visit.field("reason"),
        )
    except Conflict as problem:
        return visit.done(back, f"Not rolled back: {problem.message}. The page shows how it is now.", "warn")
    return visit.done(_address(done["release"], environment), f"Rolled back: {done['words']}.")


def _address(digest: str, environment: str) -> str:
    return f"/releases/{quote(digest, safe=':')}?{urlencode({'environment': environment})}"
