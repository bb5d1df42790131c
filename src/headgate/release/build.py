"""From project files to a release: every reference resolved, every artifact drafted, one manifest of digests.

Called by `release.create`, `eval` and `check`. Deterministic: the same files give the same digest wherever they lie.
It reads files and the lock and calls no model, no server and no training code.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from headgate.kernel import (
    Draft,
    HeadgateError,
    InvalidInput,
    Kind,
    NotFound,
    Reference,
    Source,
    Where,
    document_of,
    nearest,
    plugins,
    read_yaml,
)
from headgate.models import Providers
from headgate.serve import app_targets, chain_targets, weaknesses

from .project import Project, check_references, read_project, without_variables


class Pin(BaseModel):
    """One artifact version in a release."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: str
    digest: str


class Manifest(BaseModel):
    """The document of a release: the app, its pins by path, and the identity of each provider model it may call."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    app: str
    pins: dict[str, Pin]
    providers: dict[str, dict[str, Any]] = {}


@dataclass(frozen=True, slots=True)
class Build:
    """A built release: its draft, and the drafts that it pins. What the lock holds is pinned but not drafted."""

    app: str
    manifest: Manifest
    release: Draft
    drafts: tuple[Draft, ...]

    def draft(self, kind: str) -> list[Draft]:
        return [draft for draft in self.drafts if draft.kind == kind]


def apps(root: Path) -> list[str]:
    """Return the names of the project's apps: the files of `apps/`."""
    return sorted(file.stem for file in (root / "apps").glob("*.yaml"))


def one_app(root: Path, name: str | None) -> str:
    """Return `name`, or the project's only app. Raises InvalidInput when the choice is open or there is none such."""
    known = apps(root)
    if name is None and len(known) == 1:
        return known[0]
    if name is None:
        hint = f"say which: {', '.join(known)}" if known else "write apps/<name>.yaml"
        raise InvalidInput(f"the project has {len(known) or 'no'} apps", hint, where=Where("apps"))
    if name not in known:
        raise InvalidInput(f"there is no app {name!r}", nearest(name, known), where=Where("apps"))
    return name


def build(root: Path, app: str, allow_stale: bool = False, unlocked: list[str] | None = None) -> Build:
    """Build the release of one app from the files under `root`.

    Raises InvalidInput for whatever is wrong in a file, with file, line, key and the nearest valid name, and for a
    locked input that changed since ("retrain or --allow-stale"). With `unlocked` given, what was never trained is
    told there instead and pinned without a digest; such a build is for checking only.
    """
    try:
        project = read_project(root)
        check_references(root, project)
        return _Resolver(root, project, allow_stale, unlocked).release(app)
    except NotFound as problem:
        raise InvalidInput(problem.message, problem.hint, where=problem.where) from None


class _Resolver:
    """Follows references from the app, breadth first, parsing each artifact once."""

    def __init__(self, root: Path, project: Project, allow_stale: bool, unlocked: list[str] | None) -> None:
        self.root, self.project, self.allow_stale, self.unlocked = root, project, allow_stale, unlocked
        self.pins: dict[str, Pin] = {}
        self.drafts: list[Draft] = []
        self.stems: dict[str, set[str]] = {}
        self.sources: dict[str, Source | None] = {}

    def release(self, app: str) -> Build:
        queue: deque[tuple[Reference, Where | None]] = deque([(Reference("app", f"apps/{app}"), None)])
        while queue:
            reference, where = queue.popleft()
            known = self.pins.get(reference.path)
            if known is None:
                queue.extend(self.add(reference, where))
            elif known.kind != reference.kind:
                raise InvalidInput(f"{reference.path} is a {known.kind}, not a {reference.kind}", where=where)
        self.check_prices()
        manifest = Manifest(app=app, pins=dict(sorted(self.pins.items())), providers=self.providers(app))
        draft = Draft("release", 1, f"releases/{app}", document_of(manifest))
        return Build(app, manifest, draft, tuple(self.drafts))

    def add(self, reference: Reference, where: Where | None) -> list[tuple[Reference, Where | None]]:
        self.check_path(reference, where)
        kind: Kind = plugins.load("kinds", reference.kind)
        try:
            if kind.locked is not None:
                self.pins[reference.path] = Pin(kind=reference.kind, digest=self.locked(kind, reference.path))
                return []
            draft = kind.parse(self.root, reference.path)
        except HeadgateError as problem:
            raise (problem if problem.where else _placed(problem, where)) from None
        self.pins[reference.path] = Pin(kind=draft.kind, digest=draft.digest)
        self.drafts.append(draft)
        return [(further, self.place(reference.path, further)) for further in draft.references]

    def locked(self, kind: Kind, path: str) -> str:
        assert kind.locked is not None
        try:
            return kind.locked(self.root, path, self.allow_stale)
        except (NotFound, InvalidInput) as problem:
            if self.unlocked is None:
                raise
            self.unlocked.append(str(problem))
            return ""

    def check_path(self, reference: Reference, where: Where | None) -> None:
        path = reference.path
        parts = path.split("/")
        if path.startswith("/") or "\\" in path or any(part in ("", ".", "..") for part in parts):
            hint = "write it from the project's root, as in prompts/answer"
            raise InvalidInput(f"{path!r} is not a path inside the project", hint, where=where)
        if parts[-1] in self.stems_of(path.rpartition("/")[0]):
            return
        if (self.root / path).is_file():
            stem = path.rpartition(".")[0]
            raise InvalidInput(f"{path!r} is written with its extension", f"write {stem}", where=where)
        raise InvalidInput(f"there is no {reference.kind} {path!r}", self.nearest(path), where=where)

    def stems_of(self, folder: str) -> set[str]:
        """Return the names of a folder's files without extension, listed once."""
        if folder not in self.stems:
            self.stems[folder] = {file.stem for file in (self.root / folder).glob("*.*") if file.is_file()}
        return self.stems[folder]

    def nearest(self, path: str) -> str:
        """Hint at the nearest file, first in the folder that was named, then in the whole project."""
        beside = [file for file in (self.root / path).parent.glob("*.*") if file.is_file()]
        files = beside or [file for file in self.root.glob("*/*.*") if not file.parent.name.startswith(".")]
        names = {file.relative_to(self.root).with_suffix("").as_posix() for file in files}
        hint = nearest(path, names)
        return hint if beside or hint.startswith("did you mean") else ""

    def place(self, path: str, reference: Reference) -> Where:
        """Return where in a file a reference is written."""
        if path not in self.sources:
            file = f"{path}.yaml"
            self.sources[path] = read_yaml(self.root, file) if (self.root / file).is_file() else None
        source = self.sources[path]
        return source.where(reference.key) if source else Where(path)

    def check_prices(self) -> None:
        """Refuse prices of providers that the project does not have; of their models it may have more than it asks."""
        for draft in self.drafts:
            for target in draft.document["prices"] if draft.kind == "prices" else ():
                name = target.partition("/")[0]
                if name not in self.project.providers:
                    where = read_yaml(self.root, f"{draft.path}.yaml").where(("prices", target))
                    raise InvalidInput(
                        f"there is no provider {name!r}", nearest(name, self.project.providers), where=where
                    )

    def providers(self, app: str) -> dict[str, dict[str, Any]]:
        """Return the behavioural identity of every provider model the app may call; no address and no key in it."""
        source = read_yaml(self.root, f"apps/{app}.yaml")
        document = next(draft.document for draft in self.drafts if draft.path == f"apps/{app}")
        targets = sorted(app_targets(document))
        for chain, models in document.get("llms", {}).items():
            for key, target in chain_targets(models):
                name = target.partition("/")[0]
                if target in targets and name not in self.project.providers:
                    where = source.where(("llms", chain, *key))
                    hint = nearest(name, self.project.providers) or "write it under providers: in headgate.yaml"
                    raise InvalidInput(f"there is no provider {name!r}", hint, where=where)
        found = identities(self.project, targets)
        policy = next((draft.document for draft in self.drafts if draft.path == document.get("policy")), {})
        for weakness in weaknesses(document, policy, found):
            raise InvalidInput(weakness.message, weakness.hint, where=source.where(weakness.key))
        return found


def identities(project: Project, targets: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return what a release pins of each `provider/model`.

    Settings that come from the environment (`${env:NAME}`) are left out. Raises InvalidInput when one of them would
    have been part of an identity: then the release would not be decided by its files.
    """
    plain = {name: without_variables(entry) for name, entry in project.providers.items()}
    found = Providers(plain).identities(targets)
    for target in targets:
        name = target.partition("/")[0]
        if plain[name] == project.providers[name]:
            continue
        try:
            raw = Providers({name: project.providers[name]}).identities([target])
        except InvalidInput:
            continue
        if raw[target] != found[target]:
            hint = "write the value itself: a release must be the same on every machine"
            where = project.source.where(("providers", name))
            raise InvalidInput("`${env:…}` stands in a setting that changes answers", hint, where=where)
    return {target: dict(found[target]) for target in targets}


def _placed(problem: HeadgateError, where: Where | None) -> HeadgateError:
    problem.where = where
    return problem
