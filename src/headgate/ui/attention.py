"""What waits for somebody, said in one line each, worst first. Called by the overview.

Only facts that operations told are put into words and order: whether something is a breach, a failure or ready to move
was decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from headgate.kernel import short

_ORDER = {"bad": 0, "warn": 1, "info": 2}
_INCIDENTS = 5


@dataclass(frozen=True, slots=True)
class Waiting:
    """One thing to do. `sort` colours it, `word` names it, `at` is since when (as operations tell times), if known."""

    sort: str
    word: str
    words: str
    href: str
    where: str = ""
    at: Any = None


def waiting(
    apps: Sequence[Mapping[str, Any]],
    incidents: Sequence[Mapping[str, Any]],
    reviews: Sequence[Mapping[str, Any]],
    proposals: Sequence[Mapping[str, Any]],
) -> list[Waiting]:
    """Return everything that waits, worst first. `apps` are the panels of the overview."""
    found = [*_incidents(incidents), *_reviews(reviews), *_proposals(proposals)]
    for app in apps:
        found += _budget(app)
        for row in app["environments"]:
            found += _environment(app["name"], row)
        found += _newest(app)
    return sorted(found, key=lambda item: _ORDER[item.sort])


def _incidents(incidents: Sequence[Mapping[str, Any]]) -> Iterator[Waiting]:
    for item in incidents[:_INCIDENTS]:
        where = "@".join(part for part in (item["app"], item["environment"]) if part)
        yield Waiting("bad", "incident", item["title"], f"/incidents/{item['id']}", where, item["opened_at"])
    if len(incidents) > _INCIDENTS:
        left = len(incidents) - _INCIDENTS
        yield Waiting("bad", "incidents", f"{left} more incidents are open", "/incidents")


def _reviews(reviews: Sequence[Mapping[str, Any]]) -> Iterator[Waiting]:
    names = {"held": "request waits for a person's answer", "label": "question waits for a label"}
    for kind in dict.fromkeys(review["kind"] for review in reviews):
        fit = [review for review in reviews if review["kind"] == kind]
        words = names.get(kind, f"question waits for a person ({kind})")
        if len(fit) > 1:
            words = words.replace("request waits", "requests wait").replace("question waits", "questions wait")
        oldest = min(review["created_at"] for review in fit)
        yield Waiting("warn", "review", f"{len(fit)} {words}", f"/reviews?kind={kind}", "", oldest)


def _proposals(proposals: Sequence[Mapping[str, Any]]) -> Iterator[Waiting]:
    if proposals:
        many = f"{len(proposals)} proposals wait" if len(proposals) > 1 else "1 proposal waits"
        yield Waiting("info", "proposal", f"{many} for headgate pull", "/incidents?state=all")


def _budget(app: Mapping[str, Any]) -> Iterator[Waiting]:
    budget = app["budget"]
    if budget and budget["frozen"]:
        yield Waiting("bad", "budget", "its budget is frozen until midnight UTC", f"#{app['name']}", app["name"])
    elif budget and budget["left"] == "0":
        yield Waiting("bad", "budget", "its budget of today is used up", f"#{app['name']}", app["name"])


def _environment(app: str, row: Mapping[str, Any]) -> Iterator[Waiting]:
    where, gate = f"{app}@{row['environment']}", row["gate"]
    if row["stable"] and gate and not gate["judged"]:
        yield Waiting("warn", "gate", "what it serves has no evidence that counts", _release(row["stable"], row), where)
    elif row["stable"] and gate and gate["outcome"] != "pass":
        said = "fails" if gate["outcome"] == "fail" else "leaves to people"
        yield Waiting("warn", "gate", f"its gate {said} what it serves now", _release(row["stable"], row), where)
    if row["pending"]:
        words = f"new rules by {row['pending']['by']} wait for {row['pending']['approvals']} approval"
        yield Waiting("warn", "rules", words, f"#rules-{app}-{row['environment']}", where)


def _newest(app: Mapping[str, Any]) -> Iterator[Waiting]:
    """The newest release, where it is not served yet: one line, however many environments it could go to."""
    fit = [row for row in app["environments"] if row["newer"]]
    if not fit:
        return
    newer, row = fit[0]["newer"], fit[0]
    gate = row["newer_gate"]
    name = f"{short(newer['digest'])} {newer['note']}".strip()
    href = _release(newer["digest"], row)
    if gate and not gate["judged"]:
        if newer["serves"]:  # somebody tries it out where no gate asks
            return
        yield Waiting("info", "release", f"{name} was not judged yet", href, app["name"], newer["created_at"])
    elif gate and gate["outcome"] == "review":
        words = f"{name} needs people's judgement for {row['environment']}"
        yield Waiting("warn", "release", words, href, app["name"], newer["created_at"])
    elif gate and gate["outcome"] == "pass":
        ask = " once it is approved" if row["approvals"] else ""
        words = f"{name} passes and may go to {row['environment']}{ask}"
        yield Waiting("info", "release", words, href, app["name"], newer["created_at"])


def _release(digest: str, row: Mapping[str, Any]) -> str:
    return f"/releases/{digest}?environment={quote(row['environment'])}"
