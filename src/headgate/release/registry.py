"""Releases on the server: registered, listed, shown. `release.register`, `release.list`, `release.show`.

A release is registered only when everything it pins is there. Nothing here moves an environment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from headgate import artifacts
from headgate.evaluate import Evidence, find_release, insert_missing
from headgate.kernel import Draft, InvalidInput, NotFound, document_of
from headgate.serve import weaknesses
from headgate.store import Context, Transaction, tables

from .build import Manifest, Pin
from .environments import Environment, environment_of
from .gate import judge_with
from .judging import Outcome
from .shelf import Shelf, shelf_of


class ReleaseRegister(BaseModel):
    """A built manifest, whose artifacts have been uploaded before."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    app: str
    pins: dict[str, Pin]
    providers: dict[str, dict[str, Any]] = {}
    note: str = Field("", max_length=500)


class ReleaseResult(BaseModel):
    """A registered release. `new` is false when the same files had made it before."""

    model_config = ConfigDict(frozen=True)
    digest: str
    app: str
    new: bool
    pins: int
    created_by: str


class ReleaseQuery(BaseModel):
    """Which releases to list."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    app: str | None = Field(None, description="only this app")
    limit: int = Field(50, ge=1, le=1000, description="how many at most")
    before: float | None = Field(None, description="only releases made before this moment (epoch seconds)")
    gates: bool = Field(False, description="also judge each by the rules of every environment")


class EvidenceBrief(BaseModel):
    """The newest evidence of a release in five numbers; `failed` counts errors too, `open` waits for a person."""

    model_config = ConfigDict(frozen=True)
    id: str
    finished_at: float
    cases: int
    passed: int
    failed: int
    open: int


class GateBrief(BaseModel):
    """What the gate of one environment says, and the rules that do not pass. `judged`: there was something to see."""

    model_config = ConfigDict(frozen=True)
    environment: str
    outcome: Outcome
    judged: bool
    stopped: list[str]


class ReleaseRow(BaseModel):
    """One release, where it is served, and how it was judged; `gates` only when asked for, where rules bind."""

    model_config = ConfigDict(frozen=True)
    digest: str
    app: str
    created_at: float
    created_by: str
    note: str
    serves: list[str]
    evidence: EvidenceBrief | None = None
    gates: list[GateBrief] = []


class ReleaseList(BaseModel):
    model_config = ConfigDict(frozen=True)
    releases: list[ReleaseRow]


class ReleaseShow(BaseModel):
    """Which release."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    release: str = Field(description="a digest, its beginning, or an environment")
    gates: bool = Field(False, description="also judge it by the rules of every environment")


class PinShown(BaseModel):
    """One pinned artifact version and who registered it."""

    model_config = ConfigDict(frozen=True)
    path: str
    kind: str
    digest: str
    created_by: str


class ReleaseShown(BaseModel):
    """One release: what it pins, who made it, where it is served, how it was judged."""

    model_config = ConfigDict(frozen=True)
    digest: str
    app: str
    created_at: float
    created_by: str
    note: str
    authors: list[str]
    serves: list[str]
    pins: list[PinShown]
    providers: dict[str, dict[str, Any]]
    evidence: list[str]
    gates: list[GateBrief] = []


def register(ctx: Context, request: ReleaseRegister) -> ReleaseResult:
    """Register a release. Raises NotFound when something that it pins is not here, InvalidInput when kinds differ."""
    project = ctx.principal.project
    manifest = Manifest(app=request.app, pins=request.pins, providers=request.providers)
    if request.pins.get(f"apps/{request.app}", Pin(kind="", digest="")).kind != "app":
        raise InvalidInput(f"the manifest of {request.app!r} does not pin apps/{request.app}")
    for path, pin in request.pins.items():
        _check_pin(ctx.tx, project, path, pin)
    _check_targets(ctx.tx, project, manifest)
    draft = Draft("release", 1, f"releases/{request.app}", document_of(manifest))
    table = tables.release
    known = ctx.tx.one(select(table).where(table.c.project_id == project, table.c.digest == draft.digest))
    if known is None:
        artifacts.put(ctx.tx, ctx.store.blobs, project, draft, ctx.principal.person, ctx.now)
        made_by = registrants(ctx.tx, project, request.pins)
        values = {
            "project_id": project,
            "digest": draft.digest,
            "app": request.app,
            "manifest": draft.document,
            "created_at": ctx.now,
            "created_by": ctx.principal.person,
            "note": request.note,
            "authors": sorted({*made_by.values(), ctx.principal.person}),
        }
        insert_missing(ctx.tx, table, [values])
    return ReleaseResult(
        digest=draft.digest,
        app=request.app,
        new=known is None,
        pins=len(request.pins),
        created_by=known["created_by"] if known else ctx.principal.person,
    )


def registrants(tx: Transaction, project: str, pins: Mapping[str, Pin]) -> dict[str, str]:
    """Return who first registered each pinned version, by path."""
    table, artifact = tables.version, tables.artifact
    versions = tx.all(select(table.c.path, table.c.digest, table.c.created_by).where(table.c.project_id == project))
    by_version = {(row["path"], row["digest"]): str(row["created_by"]) for row in versions}
    people = {}
    for path, pin in pins.items():
        person = by_version.get((path, pin.digest))
        if person is None:
            stored = tx.one(
                select(artifact.c.created_by).where(artifact.c.project_id == project, artifact.c.digest == pin.digest)
            )
            person = str(stored["created_by"]) if stored else ""
        people[path] = person
    return people


def list_releases(ctx: Context, request: ReleaseQuery) -> ReleaseList:
    """List releases, newest first, the environments that serve each, and how each was judged."""
    table = tables.release
    query = select(table).where(table.c.project_id == ctx.principal.project).order_by(table.c.created_at.desc())
    if request.app:
        query = query.where(table.c.app == request.app)
    if request.before is not None:
        query = query.where(table.c.created_at < request.before)
    serves = _serves(ctx.tx, ctx.principal.project)
    names = ("digest", "app", "created_at", "created_by", "note")
    shelf, environments = shelf_of(ctx), _ruled(ctx) if request.gates else []
    return ReleaseList(
        releases=[
            ReleaseRow(
                **{name: row[name] for name in names},
                serves=serves.get(row["digest"], []),
                evidence=_brief(shelf.evidence(row["digest"])),
                gates=[_gate(shelf, row, item, ctx.now) for item in environments if item.app == row["app"]],
            )
            for row in ctx.tx.all(query.limit(request.limit))
        ]
    )


def show(ctx: Context, request: ReleaseShow) -> ReleaseShown:
    """Show one release. Raises NotFound when the name fits none."""
    project = ctx.principal.project
    row = find_release(ctx.tx, project, request.release)
    manifest = Manifest.model_validate(row["manifest"])
    people = registrants(ctx.tx, project, manifest.pins)
    shelf, environments = shelf_of(ctx), _ruled(ctx) if request.gates else []
    names = ("digest", "app", "created_at", "created_by", "note", "authors")
    return ReleaseShown(
        **{name: row[name] for name in names},
        serves=_serves(ctx.tx, project).get(row["digest"], []),
        pins=[
            PinShown(path=path, kind=pin.kind, digest=pin.digest, created_by=people[path])
            for path, pin in sorted(manifest.pins.items())
        ],
        providers=manifest.providers,
        evidence=[found.id for found in shelf.evidence(row["digest"])],
        gates=[_gate(shelf, row, item, ctx.now) for item in environments if item.app == row["app"]],
    )


def _ruled(ctx: Context) -> list[Environment]:
    """Return the environments that have rules to judge by."""
    table = tables.environment
    rows = ctx.tx.all(select(table).where(table.c.project_id == ctx.project).order_by(table.c.app, table.c.name))
    return [found for found in map(environment_of, rows) if found.rules and found.rules.rules]


def _brief(found: Sequence[Evidence]) -> EvidenceBrief | None:
    if not found:
        return None
    suites = found[0].summary.get("suites", {}).values()
    count = {name: sum(suite[name] for suite in suites) for name in ("cases", "pass", "fail", "error", "review")}
    return EvidenceBrief(
        id=found[0].id,
        finished_at=found[0].finished_at or 0.0,
        cases=count["cases"],
        passed=count["pass"],
        failed=count["fail"] + count["error"],
        open=count["review"],
    )


def _gate(shelf: Shelf, release: Mapping[str, Any], environment: Environment, now: float) -> GateBrief:
    judged = judge_with(shelf, release, environment, now)
    return GateBrief(
        environment=environment.name,
        outcome=judged.outcome,
        judged=bool(judged.evidence_digest),
        stopped=[rule.rule for rule in judged.rules if rule.outcome != "pass"],
    )


def _serves(tx: Transaction, project: str) -> dict[str, list[str]]:
    table = tables.environment
    found: dict[str, list[str]] = {}
    for row in tx.all(select(table).where(table.c.project_id == project).order_by(table.c.app, table.c.name)):
        if row["stable"]:
            found.setdefault(row["stable"], []).append(row["name"])
    return found


def _check_targets(tx: Transaction, project: str, manifest: Manifest) -> None:
    """Refuse targets that are less strict than allowed, whoever built the manifest (P12)."""
    app = artifacts.get(tx, project, manifest.pins[f"apps/{manifest.app}"].digest).document
    pinned = manifest.pins.get(app.get("policy", ""))
    policy = artifacts.get(tx, project, pinned.digest).document if pinned else {}
    for weakness in weaknesses(app, policy, manifest.providers):
        raise InvalidInput(weakness.message, weakness.hint)


def _check_pin(tx: Transaction, project: str, path: str, pin: Pin) -> None:
    table = tables.artifact
    found = tx.one(select(table.c.kind).where(table.c.project_id == project, table.c.digest == pin.digest))
    if found is None:
        hint = f"run `headgate train {path}`" if pin.kind == "model" else "run `headgate release create` again"
        raise NotFound(f"the {pin.kind} {path} of this release is not registered here", hint)
    if found["kind"] != pin.kind:
        raise InvalidInput(f"{path} is pinned as a {pin.kind} and registered as a {found['kind']}")
