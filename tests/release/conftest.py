"""A small project on disk, a store, and every operation that a release needs, called in process."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from sqlalchemy import event

from headgate import artifacts, evaluate, release
from headgate.kernel import Principal, new_id
from headgate.models import Providers
from headgate.store import Blobs, Context, Records, Secret, Spans, Store, Work

NOW = 1_763_700_000.0
PROJECT = "acme-support"

HEADGATE = """\
headgate: 1
project: acme-support
providers:
  bot: {type: scripted, script: {"c07 two": "I cannot say.", "broken": "Nothing.", "*": "You have 30 days."}}
environments:
  dev: {}
  staging: {gate: light}
  prod: {gate: release, approvals: 1}
gates:
  light:
    - {suite: suites/golden, tags: [critical], failures: 0}
  release:
    - {suite: suites/golden, metric: pass_rate, at_least: 0.9}
    - {suite: suites/golden, tags: [critical], failures: 0}
    - {suite: suites/redteam, metric: attack_success_rate, at_most: 0.1}
    - {metric: cost_per_request, at_most: $0.01}
    - {metric: latency_p95, at_most: 20s}
    - {suite: suites/golden, metric: pass_rate, no_worse_than: prod, margin: 0.15}
"""
APP = """\
contract: contracts/support
route:
  to:
    default: {llm: main, prompt: prompts/answer}
llms:
  main: [bot/one]
fallback: prompts/safe
policy: policies/support
"""
PROMPT = "# system\n\nAnswer shortly.\n\n# user\n\n{{ question }} one\n"


def suite(count: int, expect: str = "{contains: 30 days}") -> str:
    """A suite of `count` scenarios c00 …, the first three critical."""
    lines = []
    for index in range(count):
        severity = "\n  severity: critical" if index < 3 else ""
        lines.append(f"- id: c{index:02}\n  input: question c{index:02}{severity}\n  expect:\n    - {expect}\n")
    return "".join(lines)


def write_project(root: Path, cases: int = 40) -> Path:
    """Write the whole small project under `root`."""
    files = {
        "headgate.yaml": HEADGATE,
        "apps/support.yaml": APP,
        "contracts/support.yaml": "latency: {p95: 2s}\n",
        "prompts/answer.md": PROMPT,
        "policies/support.yaml": "output:\n  - secrets: {action: block}\n",
        "prompts/safe.md": "A person will answer you.\n",
        "suites/golden.yaml": suite(cases),
        "suites/redteam.yaml": suite(36, "{not-contains: secret}"),
    }
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return root


class Clock:
    """Time that stands still until a test moves it."""

    def __init__(self, at: float) -> None:
        self.at = at

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


OPERATIONS: Mapping[str, tuple[Callable[[Any, Any], BaseModel], type[BaseModel], str]] = {
    "artifact.missing": (artifacts.missing, artifacts.Missing, "read"),
    "artifact.register": (artifacts.register, artifacts.Register, "change"),
    "artifact.show": (artifacts.show, artifacts.ArtifactShow, "read"),
    "release.register": (release.register, release.ReleaseRegister, "change"),
    "release.list": (release.list_releases, release.ReleaseQuery, "read"),
    "release.show": (release.show, release.ReleaseShow, "read"),
    "release.diff": (release.diff, release.ReleaseDiff, "read"),
    "release.gate": (release.gate, release.Gate, "read"),
    "release.approvals": (release.list_approvals, release.ApprovalQuery, "read"),
    "release.approve": (release.approve, release.Approve, "change"),
    "release.promote": (release.promote, release.Promote, "change"),
    "release.rollback": (release.rollback, release.Rollback, "change"),
    "environment.set": (release.set_rules, release.EnvironmentSet, "change"),
    "environment.approve": (release.approve_rules, release.EnvironmentApprove, "change"),
    "environment.show": (release.show_environments, release.EnvironmentQuery, "read"),
    "evidence.run": (evaluate.run, evaluate.Evaluate, "job"),
    "evidence.show": (evaluate.show, evaluate.EvidenceShow, "read"),
    "compare": (evaluate.compare, evaluate.Compare, "read"),
}


@dataclass(frozen=True)
class World:
    """One person at one folder with one store: a workspace whose operations run here."""

    root: Path
    store: Store
    clock: Clock
    principal: Principal
    said: list[str] = field(default_factory=list)

    def be(self, person: str, verified: bool = True) -> World:
        """The same world with somebody else at the keyboard."""
        principal = Principal(person, PROJECT, frozenset({"admin"}), "key_1" if verified else "", verified)
        return replace(self, principal=principal)

    def report(self, text: str, done: int = 0, total: int = 0) -> None:
        self.said.append(text)

    def call(self, operation: str, request: BaseModel | Mapping[str, Any]) -> dict[str, Any]:
        function, model, sort = OPERATIONS[operation]
        data = request.model_dump(mode="json", by_alias=True) if isinstance(request, BaseModel) else dict(request)
        asked = model.model_validate(json.loads(json.dumps(data)))
        if sort == "job":
            return function(self.work(), asked).model_dump(mode="json")
        opened = self.store.records.read() if sort == "read" else self.store.records.begin()
        with opened as tx:
            return function(self.context(tx), asked).model_dump(mode="json", by_alias=True)

    def context(self, tx: Any) -> Context:
        return Context(tx, self.principal, self.clock, self.store, {})

    def work(self, job_id: str = "") -> Work:
        providers = Providers(release.read_project(self.root).providers)
        return Work(
            self.store, self.principal, self.clock, {Providers: providers}, job_id or new_id("job"), lambda *_: None
        )

    def write(self, name: str, text: str) -> None:
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.root / name).read_text(encoding="utf-8")
        assert old in text, (name, old)
        self.write(name, text.replace(old, new))

    def create(self) -> str:
        return release.create(self, release.ReleaseCreate()).digest

    def judged(self) -> str:
        """Build, register and judge a release; returns its digest."""
        return release.evaluate(self, release.Eval()).release

    def apply(self) -> None:
        release.apply(self, release.EnvironmentApply())

    def gate(self, digest: str, environment: str = "prod") -> release.GateResult:
        return release.GateResult.model_validate(
            self.call("release.gate", {"release": digest, "environment": environment})
        )

    def promote(self, digest: str, environment: str = "prod", generation: int | None = None) -> release.PromoteResult:
        asked = {"release": digest, "environment": environment, "generation": generation}
        return release.PromoteResult.model_validate(self.call("release.promote", asked))

    def environment(self, name: str = "prod") -> dict[str, Any]:
        [found] = self.call("environment.show", {"environment": name})["environments"]
        return dict(found)


def make_store(folder: Path, records: Records | None = None) -> Store:
    records = records or Records(f"sqlite:///{folder}/records.db")
    spans = Spans(f"sqlite:///{folder}/spans.db", writer=True)
    return Store(records, Blobs(str(folder / "blobs")), spans, Secret(b"0" * 32))


def hasten(records: Records) -> None:
    """Do not wait for the disk: these tests kill nothing."""

    @event.listens_for(records.engine, "connect")
    def _careless(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA synchronous=OFF")


@pytest.fixture(scope="session")
def empty_records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty database, to be copied."""
    file = tmp_path_factory.mktemp("empty") / "records.db"
    records = Records(f"sqlite:///{file}")
    records.migrate()
    records.close()
    return file


@pytest.fixture
def world(tmp_path: Path, empty_records: Path) -> Any:
    """The small project and an empty store on SQLite; the person is person_c, proved by a key."""
    root = write_project(tmp_path / "project")
    data = tmp_path / "data"
    data.mkdir()
    shutil.copy(empty_records, data / "records.db")
    store = make_store(data)
    hasten(store.records)
    yield World(root, store, Clock(NOW), Principal("person_c", PROJECT)).be("person_c")
    store.spans.close()
    store.records.close()
