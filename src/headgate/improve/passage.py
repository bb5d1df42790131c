"""A retrained candidate's way through the gate: evidence on the served release's own exam, gate, promotion, proposal.

Called by the retraining job, one function a step, each safe to repeat. Approvals are people's: where an environment
asks for them the job ends here and the candidate waits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select, update

from headgate import artifacts
from headgate.data import read_expectations
from headgate.evaluate import Evaluate, SuitePin, evidence_of
from headgate.evaluate import run as judge
from headgate.kernel import short
from headgate.release import Gate, GateResult, PairedRule, Promote, PromoteResult, find_environment, gate, promote
from headgate.store import Context, tables

from .candidate import Done, Run, Stop
from .proposals import add_proposal


def gather_evidence(run: Run) -> Done:
    """Judge the candidate, and what is served when its evidence is too old to compare with, by the same suites."""
    rules = run.environment.rules
    compiled = rules.compiled() if rules else ()
    wanted = {path for rule in compiled if (path := getattr(rule, "suite", None))}
    candidate = run.journal.facts("release")["release"]
    if not compiled:
        return f"{run.environment.name} asks for no evidence", {}
    since = run.work.clock.now() - (rules.max_age if rules else 0) / 1e6
    with run.work.store.records.read() as tx:
        exam = next((e for e in evidence_of(tx, run.project, run.served) if wanted <= set(e.pins["suites"])), None)
    if exam is None:
        told = f"what {run.environment.name} serves was never judged by {', '.join(sorted(wanted)) or 'any suite'}"
        raise Stop(f"{told}: run `headgate eval {run.environment.name}`, so that there is an exam to repeat")
    suites: Mapping[str, str] = exam.pins["suites"]
    compared = any(isinstance(rule, PairedRule) for rule in compiled)
    judged = [candidate] if not compared else [run.served, candidate]
    new = []
    for release in judged:
        fresh = _fresh(run, release, suites, since)
        if fresh is None:
            pins = tuple(SuitePin(path=path, digest=digest) for path, digest in sorted(suites.items()))
            fresh = judge(run.work, Evaluate(release=release, suites=pins)).evidence
            new.append(short(release))
    return (
        f"{', '.join(sorted(suites))}: judged {' and '.join(new) or 'before'}",
        {"evidence": fresh, "suites": dict(suites)},
    )


def _fresh(run: Run, release: str, suites: Mapping[str, str], since: float) -> str | None:
    """Return evidence of a release by exactly these suites that counts still."""
    with run.work.store.records.read() as tx:
        for found in evidence_of(tx, run.project, release):
            if found.pins["suites"] == suites and (found.finished_at or 0) >= since:
                return found.id
    return None


def ask_gate(run: Run) -> Done:
    """Let the environment's gate judge the candidate. Stops unless it passes, or is for people to decide."""
    asked = Gate(release=run.journal.facts("release")["release"], environment=run.environment.name)
    found: GateResult = run.read(lambda ctx: gate(ctx, asked))
    rules = [{"rule": rule.rule, "outcome": rule.outcome, "explanation": rule.explanation} for rule in found.rules]
    facts = {"outcome": found.outcome, "rules": rules, "evidence": found.evidence}
    bad = [rule for rule in found.rules if rule.outcome == found.outcome and rule.outcome != "pass"]
    told = "; ".join(f"{rule.rule}: {rule.explanation}" for rule in bad[:3])
    if found.outcome == "fail" or (found.outcome == "review" and not found.decidable):
        hint = next((f" ({rule.hint})" for rule in bad if rule.hint), "")
        raise Stop(f"the gate of {run.environment.name} says {found.outcome}: {told}{hint}", facts)
    if found.outcome == "review":
        return f"the gate asks for people's judgement: {told}", facts
    return f"all {len(rules)} rules of {run.environment.name} pass", facts


def move(run: Run) -> Done:
    """Promote where no approval is needed, in the server's name; otherwise the candidate waits for people."""
    digest, name = run.journal.facts("release")["release"], run.environment.name
    with run.work.store.records.read() as tx:
        now = find_environment(tx, run.project, run.environment.app, name)
    if now.stable == digest:
        return f"{name} of {now.app} serves {short(digest)}", {"moved": True}
    if now.stable != run.served:
        raise Stop(f"{name} was given another release meanwhile: retrain what it serves now")
    wanted = Promote(release=digest, environment=name, generation=now.generation)
    moved = _promote(run, wanted)
    return moved.words, {"moved": moved.moved}


def _promote(run: Run, wanted: Promote) -> PromoteResult:
    with run.work.store.records.begin() as tx:
        found = promote(run.work.context(tx), wanted)
        if found.moved:
            run.note(tx, "release.promote", found.release)
    return found


def propose(run: Run) -> Done:
    """Offer the rows and the lock's entries to the working tree, so that git stays the source (decision 6)."""
    labels, data, train = (run.journal.facts(step) for step in ("labels", "data", "train"))
    path = run.trained.path
    lock = artifacts.Lock(
        datasets={run.trained.dataset: artifacts.DatasetEntry.model_validate(data["lock"])},
        models={path: artifacts.ModelEntry.model_validate(train["lock"])},
    )
    offered = [(artifacts.FILE, lock.text())]
    if labels["lines"]:
        source = read_expectations(run.code.root, run.trained.dataset).source
        offered.insert(0, (source, run.work.store.blobs.get(labels["lines"]).decode("utf-8")))
    reason = f"{run.journal.id}: {path} retrained for {run.environment.name}"
    ids = run.change("proposal.add", path, lambda ctx: _offer(ctx, offered, reason))
    files = ", ".join(file for file, _ in offered)
    return f"offered to the working tree: {files}; write them with `headgate pull`", {"proposals": ids}


def _offer(ctx: Context, offered: list[tuple[str, str]], reason: str) -> list[str]:
    """Store proposals once; what an earlier retraining offered for these files and nobody pulled is out of date."""
    table = tables.proposal
    known = ctx.tx.all(select(table.c.id).where(table.c.project_id == ctx.project, table.c.reason == reason))
    if known:
        return [row["id"] for row in known]
    files = [file for file, _ in offered]
    old = select(table.c.id).where(
        table.c.project_id == ctx.project,
        table.c.state == "open",
        table.c.file.in_(files),
        table.c.reason.startswith("rtr_", autoescape=True),
        table.c.created_by == ctx.principal.person,
    )
    ctx.tx.execute(update(table).where(table.c.id.in_(old)).values(state="dismissed", applied_at=ctx.now))
    values: list[dict[str, Any]] = [
        {"file": file, "text": text, "header": "", "reason": reason, "subject": ""} for file, text in offered
    ]
    return [add_proposal(ctx.tx, ctx.project, item, ctx.principal.person, ctx.now) for item in values]
