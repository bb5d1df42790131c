"""A small shop whose router can be retrained: made and trained once, copied for each test, driven as people would.

Its customers never spoke of drones. When they do, they say "invoice" in every second sentence, so that the router takes
them for billing: labels that say `device` are what it can learn from.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headgate.kernel import Clock, Principal, RequestRecord, new_trace_id
from headgate.platform import Embedded, open_project, read_settings, run_operation
from headgate.platform.wiring import open_store
from headgate.release import read_project

PROJECT = "shop"
ADMIN = Principal("person_a", PROJECT, frozenset({"admin"}), "key_1", True)
HEADGATE = """\
headgate: 1
project: shop
providers:
  bot: {type: scripted, script: {"*": "You have 30 days."}}
environments:
  prod: {gate: release, retrain: {models/router: {drift: true, labels: 30, every: 30d, margin: 5%}}}
  guarded: {gate: release, approvals: 1}
  open: {}
gates:
  release:
    - {suite: suites/golden, failures: 0}
    - {model: models/router, metric: f1_macro, at_least: 0.6, support: 10}
    - {suite: suites/golden, metric: pass_rate, no_worse_than: prod, margin: 0.5}
"""
APP = """\
contract: contracts/support
policy: policies/support
route:
  model: models/router
  to:
    returns: {human: {reply: prompts/safe}}
    default: {llm: main, prompt: prompts/answer}
llms: {main: [bot/one]}
fallback: prompts/safe
"""
ROUTER = '''\
"""The shop's router."""

from headgate.train import Pipeline

router = Pipeline(dataset="data/utterances", target="intent", segments=["channel"])


@router.fit
def fit(train, params):
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    words = TfidfVectorizer(token_pattern=r"[a-zA-Z0-9]+")
    return make_pipeline(words, LogisticRegression(C=20)).fit(train.column("text"), train.column("intent"))
'''
EXPECTATIONS = """\
source: data/utterances.csv
columns:
  text: {type: string, required: true, unique: true, length: {min: 2, max: 200}}
  intent: {type: string, required: true, in: [billing, device, returns, smalltalk]}
  channel: {type: string, in: [chat, email]}
rows: {min: 20}
"""
GOLDEN = """\
- {id: drone, input: "invoice 7 shows on the drone's gimbal", expect: [routes-to: default]}
- {id: keep, input: "Can I send the router back?", expect: [routes-to: returns]}
- {id: bill, input: "My invoice is wrong, the amount is too high", expect: [routes-to: default, contains: 30 days]}
"""
THINGS = ("red", "green", "blue", "old", "new", "small", "large", "second", "spare", "broken", "cheap", "shared")
SAID: Mapping[str, Sequence[str]] = {
    "billing": ("my invoice for the {} line is wrong", "why is the amount on the {} bill so high"),
    "device": ("the {} router blinks and has no signal", "how do I reset the {} modem"),
    "returns": ("I want to send the {} box back", "can I return the {} order"),
}


def said(patterns: Sequence[str]) -> list[str]:
    return [pattern.format(thing) for pattern in patterns for thing in THINGS]


def rows() -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["text", "intent", "channel"])
    writer.writerows([text, intent, "chat"] for intent, patterns in SAID.items() for text in said(patterns))
    return out.getvalue()


def make(root: Path) -> Path:
    """Write the shop, train its router, and serve its first release in every environment."""
    files = {
        "headgate.yaml": HEADGATE, "apps/support.yaml": APP, "contracts/support.yaml": "latency: {p95: 2s}\n",
        "policies/support.yaml": "input:\n  - pii: {action: mask}\n", "prompts/safe.md": "A person will answer you.\n",
        "prompts/answer.md": "# system\n\nAnswer.\n\n# user\n\n{{ question }}\n", "models/router.py": ROUTER,
        "data/utterances.yaml": EXPECTATIONS, "data/utterances.csv": rows(), "suites/golden.yaml": GOLDEN,
    }  # fmt: skip
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    run(root, "data.add", dataset="data/utterances")
    run(root, "train.run", model="models/router")
    run(root, "environment.apply")
    digest = run(root, "eval")["release"]
    for name in ("prod", "open"):
        assert run(root, "release.promote", release=digest, environment=name)["moved"]
    with_key = Shop.opened(root)
    with_key.do("release.approve", {"release": digest, "environment": "guarded"}, person="person_b")
    assert with_key.do("release.promote", {"release": digest, "environment": "guarded"})["moved"]
    with_key.close()
    return root


def run(root: Path, operation: str, **request: Any) -> dict[str, Any]:
    """Run any operation as the command line would."""
    found: dict[str, Any] = run_operation(operation, request, root, read_settings({}), lambda *_: None)
    return found


@dataclass
class Shop:
    """The shop, opened: operations by people, requests by customers."""

    root: Path
    embedded: Embedded

    @classmethod
    def opened(cls, root: Path, clock: Clock | None = None) -> Shop:
        if clock is None:
            return cls(root, open_project(root, read_settings({}), writer=True))
        return cls(root, open_store(root, read_project(root), read_settings({}), clock, True))

    def close(self) -> None:
        self.embedded.close()

    def do(self, operation: str, request: Mapping[str, Any], person: str = "person_a") -> dict[str, Any]:
        who = Principal(person, PROJECT, ADMIN.roles, f"key_{person}", True)
        return self.embedded.performer.perform(who, operation, request)

    def finish(self, job: str) -> dict[str, Any]:
        return self.embedded.worker(recording=False).finish(PROJECT, job, lambda *_: None)

    def retrain(self, environment: str = "prod") -> dict[str, Any]:
        return self.finish(self.do("retrain", {"model": "models/router", "environment": environment})["job"])

    def serves(self, environment: str = "prod") -> str:
        [found] = self.do("environment.show", {"environment": environment})["environments"]
        return str(found["stable"])

    def asked(self, texts: Sequence[str], predicted: str = "billing", **changes: Any) -> list[str]:
        """Record requests of customers and return their trace ids."""
        traces = []
        for text in texts:
            fields: dict[str, Any] = {
                "trace_id": new_trace_id(), "project": PROJECT, "at": self.embedded.clock.now(), "app": "support",
                "environment": "prod", "release": self.serves(), "source": "live", "route": "default",
                "label": predicted, "model": "bot/one", "status": "answered", "reason": "",
                "payload": {"messages": [{"role": "user", "content": text}], "answer": "You have 30 days."},
            }  # fmt: skip
            record = RequestRecord(**{**fields, **changes})
            self.embedded.store.spans.record(record)
            traces.append(record.trace_id)
        self.embedded.store.spans.flush()
        return traces

    def label(self, texts: Sequence[str], label: str, person: str = "person_b") -> list[str]:
        """Ask people about requests and let them say `label`; returns the reviews."""
        asked = self.do("review.ask", {"trace_ids": self.asked(texts), "count": 500})
        for review in asked["opened"]:
            self.do("review.decide", {"review_id": review, "label": label}, person)
        return list(asked["opened"])

    def drift(self, traces: Sequence[str]) -> str:
        """Open the incident that the drift monitor would open."""
        from headgate.observe import OpenIncident, open_incident

        moved = [{"name": "billing", "before": 0.3, "now": 0.7}]
        incident = OpenIncident(
            app="support", environment="prod", release=self.serves(), title="models/router drifted", source="monitor",
            trace_ids=list(traces), detail={"monitor": "drift", "model": "models/router", "moved": moved},
        )  # fmt: skip
        with self.embedded.store.records.begin() as tx:
            return open_incident(tx, PROJECT, incident, self.embedded.clock.now())
