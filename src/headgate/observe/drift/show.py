"""The operation `drift.show`: what moved between a model's training data and now. And the monitor's view.

Nothing is written here: what no pass has sketched yet is sketched in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from headgate import artifacts
from headgate.kernel import Duration, HeadgateError, iso, short
from headgate.measure import CategorySketch, Column, NumberSketch, Verdict, edges, judge, shares_moved
from headgate.store import Context, Transaction

from . import buckets, reading
from .features import Feature, Kind, Served
from .reference import Reference, References

SUPPORT = 50
OVER_S = 3600.0
_EXAMPLES = 5
_SHOWN = 5


class DriftQuery(BaseModel):
    """Whose drift, and over how long."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    app: str | None = Field(None, description="only this app")
    environment: str | None = Field(None, description="only this environment")
    model: str | None = Field(None, description="only this model: its path, or the first digits of its digest")
    last: Duration = Field(3_600_000_000, description="the window: the last 15m, 2h, 7d …; whole five minutes")


class Movement(BaseModel):
    """A part of a signal before and now: a share of rows, or a quantile's value."""

    model_config = ConfigDict(frozen=True)
    name: str
    before: float
    now: float


class DriftSignal(BaseModel):
    """One feature of one model by one method. `count` are the window's rows; `quiet` when they are too few to say."""

    model_config = ConfigDict(frozen=True)
    app: str
    environment: str
    model: str
    digest: str
    feature: str
    kind: Kind
    method: Literal["psi", "ks", "missing", "new"]
    value: float
    threshold: float
    count: int
    state: Literal["ok", "breach", "quiet"]
    words: str
    moved: list[Movement]
    examples: list[str]


class DriftShown(BaseModel):
    """Every signal, what moved most first; `notes` name models whose training data is not known here, and why."""

    model_config = ConfigDict(frozen=True)
    signals: list[DriftSignal]
    notes: list[str]
    since: str
    until: str


def show_drift(ctx: Context, request: DriftQuery) -> DriftShown:
    """Compare what each served model was asked and said lately with its training data."""
    now = ctx.now
    since = now - request.last / 1e6
    found, notes = signals(ctx, since, now, app=request.app, environment=request.environment)
    if request.model:
        wanted = request.model.removeprefix("sha256:")
        found = [item for item in found if item.model == wanted or item.digest[7:].startswith(wanted)]
    return DriftShown(signals=found, notes=notes, since=iso(since), until=iso(now))


def signals(
    ctx: Context,
    since: float,
    until: float,
    *,
    app: str | None = None,
    environment: str | None = None,
    support: int = SUPPORT,
) -> tuple[list[DriftSignal], list[str]]:
    """Return every signal of a window, what moved most first, and notes on models that have no reference.

    All features of one model in one environment are one look: their thresholds share its level.
    """
    references = References(ctx.tx, ctx.store.blobs, ctx.project, {}, {})
    fresh = reading.unread(ctx.tx, ctx.store, ctx.project, since, references)
    served = buckets.served(ctx.tx, ctx.project, since) | {of for of, start in fresh if start > since - buckets.WIDTH_S}
    found: list[DriftSignal] = []
    for of in sorted(served):
        if of.app != (app or of.app) or of.environment != (environment or of.environment):
            continue
        reference = references.get(of.model)
        if reference is None:
            continue
        window = buckets.load(ctx.tx, ctx.project, of, reference, since, until)
        for (whose, start), more in fresh.items():
            if whose == of and since - buckets.WIDTH_S < start < until:
                buckets.merge(window, more)
        found += _judged(of, reference, window, support)
    notes = [f"{short(digest)}: {why}" for digest, why in references.without.items()]
    return sorted(found, key=lambda item: -item.value / item.threshold), notes


def told(breaches: Sequence[DriftSignal]) -> str:
    """Say in a line or two which features moved, the worst first."""
    seen: dict[str, str] = {}
    for item in breaches:
        seen.setdefault(item.feature, f"{item.feature}: {item.words}")
    more = f"; and {len(seen) - _SHOWN} more" if len(seen) > _SHOWN else ""
    return "; ".join(list(seen.values())[:_SHOWN]) + more


def facts(breaches: Sequence[DriftSignal]) -> dict[str, Any]:
    """Return what an incident or alert tells of the model that moved most: its features, and their parts."""
    if not breaches:
        return {}
    first = breaches[0]
    mine = [item for item in breaches if item.digest == first.digest]
    moved = {item.feature: [part.model_dump() for part in item.moved] for item in reversed(mine)}
    return {
        "model": first.model,
        "model_digest": first.digest,
        "features": list(dict.fromkeys(item.feature for item in mine)),
        "moved": [{"feature": name, **part} for name, parts in reversed(moved.items()) for part in parts],
    }


def served_models(tx: Transaction, project: str, release: str) -> set[str]:
    """Return the digests of the models that a release pins; none when it is not stored."""
    try:
        pins = artifacts.get(tx, project, release).document.get("pins", {})
    except HeadgateError:
        return set()
    return {pin["digest"] for pin in pins.values() if pin["kind"] == "model"}


def _judged(of: Served, reference: Reference, window: buckets.Window, support: int) -> list[DriftSignal]:
    features = {item.name: item for item in reference.features if item.name in window}
    columns = [
        Column(name, reference.sketches[name], window[name].sketch, item.rising, item.sort == "words")
        for name, item in features.items()
    ]
    found = []
    for verdict in judge(columns, support):
        feature = features[verdict.column]
        told = _new_words(feature, reference, window) if verdict.state == "breach" else ""
        found.append(
            DriftSignal(
                app=of.app,
                environment=of.environment,
                model=reference.path,
                digest=of.model,
                feature=feature.name,
                kind=feature.kind,
                method=verdict.method,
                value=verdict.value,
                threshold=verdict.threshold,
                count=verdict.count,
                state=verdict.state,
                words=f"{verdict.words}{told}",
                moved=[Movement(name=item.name, before=item.before, now=item.now) for item in verdict.moved],
                examples=_examples(verdict, reference, window[feature.name]),
            )
        )
    return found


def _new_words(feature: Feature, reference: Reference, window: buckets.Window) -> str:
    """Say which words came with unfamiliar texts; a distance alone tells nobody what they are about."""
    said = f"{feature.name.rpartition('.')[0]}.said"
    if not feature.rising or said not in window:
        return ""
    before, now = reference.sketches[said], window[said].sketch
    if not (isinstance(before, CategorySketch) and isinstance(now, CategorySketch)):
        return ""
    risen = [item.name for item in shares_moved(before, now, 4 * _SHOWN) if item.now > item.before][:_SHOWN]
    return f"; more often said: {', '.join(risen)}" if risen else ""


def _examples(verdict: Verdict, reference: Reference, bucket: buckets.Bucket) -> list[str]:
    """Return traces of the parts that grew: categories in the order in which they moved, or tenths of the reference."""
    base, now = reference.sketches[verdict.column], bucket.sketch
    parts: Iterable[str]
    if verdict.method == "missing":
        parts = [""]
    elif isinstance(base, NumberSketch) and isinstance(now, NumberSketch):
        parts = _grown(base, now)
    else:
        parts = [item.name for item in verdict.moved if item.now > item.before]
    traces = [trace for part in parts for _, trace in bucket.traces.get(part, ())]
    return list(dict.fromkeys(traces))[:_EXAMPLES]


def _grown(base: NumberSketch, now: NumberSketch) -> Sequence[str]:
    inner = edges(base)
    shares = [[*sketch.cumulative(inner).tolist(), 1.0] for sketch in (base, now)]
    rises = [
        (shares[1][place] - (shares[1][place - 1] if place else 0.0))
        - (shares[0][place] - (shares[0][place - 1] if place else 0.0))
        for place in range(len(inner) + 1)
    ]
    return [str(place) for place in sorted(range(len(rises)), key=lambda place: -rises[place]) if rises[place] > 0]
