"""From labels to a candidate release: rows, data gate, training apart, contest, a manifest with one pin replaced.

Called by the retraining job, one function a step. Each may be run again after a kill: it reads what earlier steps
journaled and stores only what is named by its content.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from headgate import artifacts
from headgate.data import lines_of, read_batch
from headgate.kernel import HeadgateError, InvalidInput, blob_digest, short
from headgate.release import Environment, Manifest, Pin, ReleaseRegister, register
from headgate.store import Context, Transaction, Work, audit
from headgate.train import Apart, Limits, code_digest, train_apart

from .code_folder import CodeFolder
from .contest import hold, rows_of_dataset
from .labels import Target, decided, rows_of
from .questions import Trained, model_of
from .retraining import Journal

LIMITS = Limits()
MARGIN = 0.02
"""How much worse a candidate may be overall when the environment does not say: two points."""
_COUNTED = (("duplicates", "already in the data"), ("unclear", "unclear"), ("conflicting", "in conflict and left out"))
Done = tuple[str, dict[str, Any]]
"""What a step returns: a sentence and the facts behind it."""


class Stop(Exception):
    """Ends a retraining for a reason that is no error: the candidate must not go on."""

    def __init__(self, words: str, facts: Mapping[str, Any] | None = None) -> None:
        super().__init__(words)
        self.words, self.facts = words, dict(facts or {})


@dataclass(frozen=True, slots=True)
class Run:
    """One retraining while it runs: `work` is in the server's name, `served` is what the environment served first."""

    work: Work
    journal: Journal
    environment: Environment
    served: str
    manifest: Manifest
    trained: Trained
    about: Mapping[str, Any]

    @property
    def project(self) -> str:
        return self.work.principal.project

    @property
    def code(self) -> CodeFolder:
        return self.work.service(CodeFolder)

    def read(self, look: Callable[[Context], Any]) -> Any:
        with self.work.store.records.read() as tx:
            return look(self.work.context(tx))

    def change(self, action: str, target: str, act: Callable[[Context], Any]) -> Any:
        """Run a change in the server's name, with its audit entry in the same transaction."""
        with self.work.store.records.begin() as tx:
            done = act(self.work.context(tx))
            self.note(tx, action, target)
            return done

    def note(self, tx: Transaction, action: str, target: str) -> None:
        audit.append(
            tx,
            project=self.project,
            at=self.work.clock.now(),
            actor=self.work.principal.person,
            action=action,
            target=target,
            detail={"retraining": self.journal.id, "job": self.work.job_id, "model": self.trained.path},
        )

    def beat(self) -> None:
        self.work.progress("training", 0, 0)


def start(work: Work, journal: Journal, environment: Environment) -> Run:
    """Read what is served. Raises InvalidInput when the environment serves nothing, NotFound for another model."""
    served = journal.steps["labels"]["facts"]["served"] if "labels" in journal.steps else environment.stable
    if not served:
        raise InvalidInput(f"{environment.name} of {environment.app} serves nothing yet", "promote a release first")
    with work.store.records.read() as tx:
        ctx = work.context(tx)
        trained = model_of(ctx, served, journal.model)
        about = artifacts.get(tx, ctx.project, trained.digest).about
        document = artifacts.get(tx, ctx.project, served).document
    return Run(work, journal, environment, served, Manifest.model_validate(document), trained, about)


def take_labels(run: Run) -> Done:
    """Collect what people decided, as rows that the project's data lacks. Stops when there is nothing to learn."""
    run.code.check(run.trained.path)
    dataset = run.trained.dataset
    batch = read_batch(run.code.root, dataset)
    target = Target(run.trained.target.features, run.trained.target.label, tuple(batch.report.columns))
    blobs = run.work.store.blobs
    with run.work.store.records.read() as tx:
        labels = decided(tx, run.project, run.trained.path)
        stood = {target.key(row) for row in rows_of_dataset(tx, run.project, blobs, run.about["dataset"])}
    found = rows_of(labels, batch.rows, target)
    facts: dict[str, Any] = {
        "served": run.served, "labels": len(labels), "rows": len(found.new), "duplicates": found.duplicates,
        "unclear": found.unclear, "conflicts": found.conflicts[:50], "conflicting": len(found.conflicts),
        "people": found.people, "until": max((label.at for label in labels), default=0.0), "lines": "",
    }  # fmt: skip
    told = _told_of(len(labels), facts)
    if all(target.key(row) in stood for row in [*batch.rows, *found.new]):
        raise Stop(f"there is nothing new to learn from: {told}", facts)
    if found.new:
        content = lines_of(run.code.root, batch.file, found.new).encode("utf-8")
        facts["lines"] = blob_digest(content)
        blobs.put(content)
    return told, facts


def _told_of(labels: int, facts: Mapping[str, Any]) -> str:
    told = [f"{facts['rows']} of {labels} labels are new rows"]
    told += [f"{facts[name]} {word}" for name, word in _COUNTED if facts[name]]
    return ", ".join(told)


def add_data(run: Run) -> Done:
    """Put the rows through the data gate. A bad batch stops here, with its report."""
    try:
        made, lock = _apart(run, None)
    except InvalidInput as problem:
        if problem.code != "bad_batch":
            raise
        raise Stop(f"the data gate refuses the rows: {problem}") from None
    entry = lock.datasets[run.trained.dataset]
    _store(run, made)
    with run.work.store.records.read() as tx:
        grown = entry.rows - len(rows_of_dataset(tx, run.project, run.work.store.blobs, run.about["dataset"]))
    facts = {"dataset": entry.digest, "rows": entry.rows, "lock": entry.model_dump(mode="json")}
    return f"{run.trained.dataset} is valid: {entry.rows} rows, {grown:+d} to what is served", facts


def train(run: Run) -> Done:
    """Train apart, on the version that passed the data gate; register what came out."""
    wanted = run.journal.facts("data")["dataset"]
    made, lock = _apart(run, run.trained.path)
    path = run.trained.path
    entry = lock.models[path]
    if entry.dataset != wanted:
        raise Stop("the project's data changed while it was being retrained: start again")
    if entry.digest == run.trained.digest:
        raise Stop("training gave the very model that is served: nothing was learned")
    _store(run, made)
    other_code = entry.code != run.about.get("code")
    facts = {
        "model": entry.digest, "metrics": entry.metrics, "served_metrics": run.about.get("metrics", {}),
        "code": entry.code, "other_code": other_code, "lock": entry.model_dump(mode="json"),
    }  # fmt: skip
    words = f"{path} {short(entry.digest)}: held-out macro F1 {entry.metrics.get('f1_macro', 0):.3f}"
    return words + ("; trained by other code than what is served" if other_code else ""), facts


def contend(run: Run) -> Done:
    """Compare both models on rows that neither was trained on. Stops unless the candidate wins."""
    rules = run.environment.rules
    entry = rules.retrain.get(run.trained.path) if rules else None
    with run.work.store.records.read() as tx:
        found = hold(
            tx, run.project, run.work.store.blobs, run.trained.digest, run.journal.facts("train")["model"],
            run.trained.target,
        )  # fmt: skip
    facts = {"all": found.all.facts(), "new": found.new.facts()}
    wins, words = found.verdict(entry.margin if entry else MARGIN)
    if not wins:
        raise Stop(words, facts)
    return words, facts


def make_release(run: Run) -> Done:
    """Register the release that is served with this model's pin replaced, so that no other change sneaks in."""
    labels, model = run.journal.facts("labels"), run.journal.facts("train")["model"]
    pins = {**run.manifest.pins, run.trained.path: Pin(kind="model", digest=model)}
    count, people = sum(labels["people"].values()), ", ".join(labels["people"])
    learned = f"on {count} new labels by {people}" if count else "without new labels"
    note = f"{run.trained.path} retrained {learned}"
    wanted = ReleaseRegister(app=run.manifest.app, pins=pins, providers=run.manifest.providers, note=note[:500])
    made = run.change("release.register", run.trained.path, lambda ctx: register(ctx, wanted))
    return f"{short(made.digest)}: what is served, with {run.trained.path} {short(model)}", {"release": made.digest}


def _apart(run: Run, model: str | None) -> tuple[Apart, artifacts.Lock]:
    """Run the data gate, and training when a model is named, on a scratch copy; return what came out and its lock."""
    path, dataset, file = run.trained.path, run.trained.dataset, run.journal.facts("labels")["lines"]
    lines = run.work.store.blobs.get(file).decode("utf-8") if file else ""
    same_code = code_digest(run.code.root, path) == run.about.get("code")
    given = [f"{name}={json.dumps(value)}" for name, value in run.about.get("params", {}).items()] if same_code else []
    params = {"seed": run.about.get("seed", 0), "param": given}
    with run.code.copy(path, dataset, lines) as scratch:
        made = train_apart(scratch, dataset, model, params=params, limits=LIMITS, beat=run.beat)
        return made, artifacts.Lock.read(scratch)


def _store(run: Run, made: Apart) -> None:
    """Register what training made, in the server's name, when it is what was asked for and nothing else."""
    allowed = {("dataset", run.trained.dataset), ("model", run.trained.path)}
    for item in made.artifacts:
        if (item.kind, item.path) not in allowed:
            raise HeadgateError(f"training made a {item.kind} {item.path}, which nobody asked for")
        run.change("artifact.register", item.path, partial(_register, item))


def _register(item: artifacts.Register, ctx: Context) -> artifacts.Version:
    return artifacts.register(ctx, item)
