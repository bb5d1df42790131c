"""The table of operations: everything that Headgate can be asked to do, one row each.

HTTP, CLI, OpenAPI and the docs walk it; `perform` runs what it names. A row holds `"package:function"`, so reading the
table imports nothing: `headgate --help` is made from it. The second parameter of the function is the request model,
its return annotation the result model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Sort = Literal["change", "read", "job", "local"]
"""change: one short transaction with its audit entry. read: a read transaction. job: enqueued, then done by a worker.
local: works on the project's files through a workspace, and calls the other three wherever they run."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One row. `permission` is looked up in `roles.py`; `words` are its command, empty when people never type it."""

    name: str
    target: str
    permission: str
    sort: Sort
    summary: str
    words: tuple[str, ...] = ()


def _row(name: str, target: str, permission: str, sort: Sort, summary: str, command: str | None = None) -> Operation:
    words = name.replace(".", " ") if command is None else command
    return Operation(name, f"headgate.{target}", permission, sort, summary, tuple(words.split()))


NO_COMMAND = ""

OPERATIONS: tuple[Operation, ...] = (
    _row("check", "release:check", "local", "local", "check that every project file is written correctly"),
    _row("data.add", "data:add", "local", "local", "check a batch of data against its expectations and lock it"),
    _row("data.validate", "data:validate", "local", "local", "check data against its expectations, change nothing"),
    _row("data.show", "data:show", "local", "local", "show a locked dataset: columns, rows, values"),
    _row("data.diff", "data:diff", "local", "local", "show what changed between two versions of a dataset"),
    _row("train.run", "train:run", "local", "local", "train a model, check its conversion and lock it", "train"),
    _row("eval", "release:evaluate", "local", "local", "run suites against a release and judge it: the evidence"),
    _row("compare", "evaluate:compare", "read", "read", "compare two releases on the same exam"),
    _row("release.create", "release:create", "local", "local", "pin one version of everything under one digest"),
    _row("release.register", "release:register", "build", "change", "register a built release", NO_COMMAND),
    _row("release.list", "release:list_releases", "read", "read", "list releases and where each is served"),
    _row("release.show", "release:show", "read", "read", "show what a release pins and how it was judged"),
    _row("release.diff", "release:diff", "read", "read", "show every difference that can change an answer"),
    _row("release.gate", "release:gate", "read", "read", "judge a release by the rules of an environment"),
    _row("release.approvals", "release:list_approvals", "read", "read", "show who approved, and who still must"),
    _row("release.approve", "release:approve", "approve", "change", "approve a release for an environment"),
    _row("release.promote", "release:promote", "promote", "change", "serve a release in an environment"),
    _row("release.rollback", "release:rollback", "promote", "change", "serve the previous release again"),
    _row("environment.show", "release:show_environments", "read", "read", "show what each environment serves"),
    _row("environment.apply", "release:apply", "local", "local", "make an environment's rules binding"),
    _row("environment.set", "release:set_rules", "rules", "change", "set an environment's rules", NO_COMMAND),
    _row("environment.approve", "release:approve_rules", "approve", "change", "approve new rules of an environment"),
    _row("evidence.run", "evaluate:run", "build", "job", "judge a release by versions of suites", NO_COMMAND),
    _row("evidence.show", "evaluate:show", "read", "read", "show an evidence and the cases that did not pass"),
    _row("artifact.register", "artifacts:register", "build", "change", "store a version of an artifact", NO_COMMAND),
    _row("artifact.missing", "artifacts:missing", "build", "read", "say which digests are not stored", NO_COMMAND),
    _row("artifact.list", "artifacts:listing", "read", "read", "list artifacts and their versions"),
    _row("artifact.show", "artifacts:show", "read", "read", "show one version of an artifact and its lineage"),
    _row("trace.list", "observe:list_traces", "traces", "read", "list and search requests"),
    _row("trace.show", "observe:show_trace", "traces", "read", "show one request, stage by stage"),
    _row("traffic.show", "observe:show_traffic", "read", "read", "show requests, cost and latency over time"),
    _row("monitor.list", "observe:list_monitors", "read", "read", "show each monitor's value and threshold"),
    _row("monitor.run", "observe:run_monitors", "operate", "change", "check every monitor now"),
    _row("drift.show", "observe:show_drift", "read", "read", "show what models are asked now against their training"),
    _row("alert.list", "observe:list_alerts", "read", "read", "list what monitors raised"),
    _row("incident.list", "improve:list_incidents", "read", "read", "list incidents"),
    _row("incident.show", "improve:show", "read", "read", "show one incident"),
    _row("incident.open", "improve:open_from_trace", "operate", "change", "open an incident on a trace"),
    _row("incident.close", "improve:close", "operate", "change", "close an incident"),
    _row("incident.to-scenario", "improve:to_scenario", "operate", "job", "turn an incident into a scenario"),
    _row("review.list", "improve:list_reviews", "review", "read", "list what waits for a person"),
    _row("review.show", "improve:show_review", "review", "read", "show one question and its decision"),
    _row("review.ask", "improve:ask_labels", "operate", "change", "ask people what requests are about"),
    _row("review.answer", "improve:answer_of", "chat", "read", "fetch the answer to a held request"),
    _row("review.decide", "improve:decide", "review", "change", "answer what waits for a person"),
    _row("feedback.add", "improve:add_feedback", "feedback", "change", "say whether an answer was good"),
    _row("feedback.list", "improve:list_feedback", "traces", "read", "list what users said of answers"),
    _row("retrain", "improve:retrain", "operate", "job", "train a served model on new labels, through the gate"),
    _row("retraining.list", "improve:list_retrainings", "read", "read", "list retrainings and how each ended"),
    _row("retraining.show", "improve:show_retraining", "read", "read", "show a retraining step by step"),
    _row("retraining.triggers", "improve:list_triggers", "read", "read", "show which models are due, or why not"),
    _row("proposal.list", "improve:list_proposals", "read", "read", "list what the server would add to files"),
    _row("proposal.close", "improve:close_proposal", "build", "change", "mark a proposal applied or dismissed"),
    _row("pull", "improve:pull", "local", "local", "write open proposals into the working tree"),
    _row("budget.list", "govern:list_budgets", "read", "read", "show what may still be used, and until when"),
    _row("budget.set", "govern:set_limits", "keys", "change", "limit what a key or a team may use"),
    _row("key.create", "govern:create_key", "keys", "change", "make a key for a person or a service"),
    _row("key.list", "govern:list_keys", "keys", "read", "list keys"),
    _row("key.revoke", "govern:revoke_key", "keys", "change", "end a key at once"),
    _row("audit.list", "govern:list_entries", "audit", "read", "list who changed what"),
    _row("audit.verify", "govern:verify_log", "audit", "read", "prove that nobody rewrote the log"),
    _row("job.show", "platform:show_job", "read", "read", "show how far a job is"),
)

GROUPS = {
    "data": "datasets and their expectations",
    "release": "one digest for everything that can change an answer",
    "environment": "where releases are served, and by which rules",
    "evidence": "how releases were judged",
    "artifact": "versions of prompts, models, policies, …",
    "trace": "requests, one by one",
    "traffic": "requests, cost and latency over time",
    "monitor": "signals over time",
    "drift": "what models are asked now, against their training data",
    "alert": "what monitors raised",
    "incident": "what went wrong",
    "review": "questions to a person",
    "feedback": "what users say of answers",
    "retraining": "models trained again on new labels",
    "proposal": "what the server would add to files",
    "budget": "what may be used, by whom",
    "key": "who may do what",
    "audit": "who did what",
    "job": "long work",
}
"""What each group of commands is about; the first word of a command with two words."""

COMMANDS = {
    "init": "write a new project into a folder",
    "serve": "serve this project over HTTP",
    "doctor": "check this installation and say what to do",
}
"""Commands that are written by hand, because they start before there is a project or a server."""

_BY_NAME = {operation.name: operation for operation in OPERATIONS}


def find(name: str) -> Operation:
    """Return the operation of that name. Raises NotFound with the nearest one."""
    found = _BY_NAME.get(name)
    if found is None:
        from headgate.kernel import NotFound, nearest

        raise NotFound(f"there is no operation {name!r}", nearest(name, _BY_NAME))
    return found
