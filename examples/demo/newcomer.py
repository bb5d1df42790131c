"""The act in which a product appears that nobody trained for: drift, labels, a retrained router, gate, prod."""

from __future__ import annotations

import csv
import json
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acts import Demo
from stage import must, short
from traffic import client, many

WORDS = Path(__file__).with_name("alarm.csv")
"""What customers ask about a home alarm, and what it is about: three quarters come first, a quarter only after."""


@dataclass(frozen=True)
class Routed:
    """How questions were routed. held: harmless ones that wait for a person; missed: emergencies that do not."""

    asked: int
    right: int
    held: int
    missed: int


def retrain(demo: Demo) -> None:
    stage = demo.stage
    stage.act(5, "A product nobody trained for: drift, labels, a retrained router, the same gate")
    known, later = _words()
    _close_old(demo)
    stage.say(f"Northline starts to sell a home alarm; customers send {len(known)} questions about it")
    before = _ask(demo, later)
    many(client(demo.port, demo.keys["website"]), list(known))
    stage.stopped(
        f"the router never heard of it: {before.right} of {before.asked} right, "
        f"and {before.held} harmless questions wait for a person, because “alarm” sounds like an emergency"
    )
    incident = _drifted(demo)
    _label(demo, incident, known)
    done = _train(demo)
    _promote(demo, str(done["candidate"]))
    after = _ask(demo, later, str(done["candidate"]))
    must(after.right > before.right and after.held < before.held, f"prod must route better: {before} → {after}")
    must(after.missed <= before.missed, f"no emergency may be lost: {before} → {after}")
    stage.good(
        f"the same {after.asked} new questions, none of which it learned from: {before.right} → {after.right} right, "
        f"{before.held} → {after.held} harmless ones held, {before.missed} → {after.missed} emergencies missed"
    )
    demo.told["retrained"] = f"{before.right} → {after.right} of {after.asked} questions about a new product right"
    stage.run("incident", "close", incident, "--note", "router retrained", key=demo.keys["oncall"], quiet=True)
    _pull(demo, str(done["candidate"]))


def _words() -> tuple[dict[str, str], dict[str, str]]:
    with WORDS.open(encoding="utf-8", newline="") as file:
        rows = [(row["text"], row["intent"]) for row in csv.DictReader(file)]
    known = {text: intent for number, (text, intent) in enumerate(rows) if number % 4 != 3}
    return known, {text: intent for text, intent in rows if text not in known}


def _ask(demo: Demo, questions: dict[str, str], release: str = "") -> Routed:
    """Send questions and look up in their traces what the router said; a review in the headers means held."""
    api = client(demo.port, demo.keys["website"])
    deadline = time.monotonic() + 3
    while release and many(api, list(questions)[:1]).replies[0].header("release") != release:
        must(time.monotonic() < deadline, f"prod must serve {short(release)}")
    replies = many(api, list(questions)).replies
    right = held = missed = 0
    for reply in replies:
        must(reply.status == 200, f"every question must be answered: {reply}")
        wanted = questions[reply.question]
        said = _call(demo, "oncall", "trace.show", trace_id=reply.header("trace"))["label"]
        right += said == wanted
        held += bool(reply.header("review")) and wanted != "high_risk"
        missed += not reply.header("review") and wanted == "high_risk"
    return Routed(len(replies), right, held, missed)


def _call(demo: Demo, who: str, operation: str, **asked: Any) -> dict[str, Any]:
    """Call an operation over HTTP: what a page of the server, or a program, would do some hundred times."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{demo.port}/api/{operation.replace('.', '/')}",
        json.dumps(asked).encode(),
        {"content-type": "application/json", "authorization": f"Bearer {demo.keys[who]}"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return dict(json.load(answer))


def _close_old(demo: Demo) -> None:
    """Close what the monitor said of the acts before: they sent attacks and suites, which nobody's customers do."""
    found = demo.stage.run("incident", "list", quiet=True, key=demo.keys["oncall"])["incidents"]
    for item in found:
        if item["detail"].get("monitor") == "drift":
            note = ("--note", "our own suites and attacks")
            demo.stage.run("incident", "close", item["id"], *note, quiet=True, key=demo.keys["oncall"])


def _drifted(demo: Demo) -> str:
    stage = demo.stage
    stage.run("monitor", "run", key=demo.keys["oncall"])
    found = stage.run("incident", "list", quiet=True, key=demo.keys["oncall"])["incidents"]
    drift = [item for item in found if item["detail"].get("monitor") == "drift"]
    must(drift, "the drift monitor must open an incident")
    stage.stopped(f"{drift[0]['title']}: incident {drift[0]['id']}; {_clipped(drift[0]['detail'])}")
    return str(drift[0]["id"])


def _clipped(detail: dict[str, Any]) -> str:
    text = " ".join(str(detail.get("explanation", "")).split())
    return text if len(text) <= 200 else text[:199] + "…"


def _label(demo: Demo, incident: str, known: dict[str, str]) -> None:
    """Ask people about the incident's requests; the reviewer knows the alarm, and is not sure about the rest."""
    stage = demo.stage
    asked = stage.run("review", "ask", incident, "--count", "180", key=demo.keys["oncall"])
    stage.good(asked["words"])
    questions = stage.run("review", "list", "--kind", "label", "--limit", "500", quiet=True, key=demo.keys["reviewer"])
    told = {"labelled": 0, "unclear": 0}
    for review in questions["reviews"]:
        label = known.get(review["question"]["text"], "unclear")
        _call(demo, "reviewer", "review.decide", review_id=review["id"], label=label)
        told["unclear" if label == "unclear" else "labelled"] += 1
    must(told["labelled"] >= 100, f"most questions must be about the alarm: {told}")
    stage.good(f"the reviewer labelled {told['labelled']} and passed over {told['unclear']} about something else")


def _train(demo: Demo) -> dict[str, Any]:
    stage = demo.stage
    done: dict[str, Any] = stage.run(
        "retrain", "models/router", "--environment", "prod", "--app", "support", exits=(0, 100, 101),
        key=demo.keys["oncall"],
    )  # fmt: skip
    for step in done["steps"]:
        (stage.good if step["state"] == "done" else stage.stopped)(f"{step['name']}: {step['words']}")
    must(done["state"] == "waiting", f"the candidate must pass and wait for its approval: {done['words']}")
    return done


def _promote(demo: Demo, release: str) -> None:
    stage = demo.stage
    stage.run("release", "approve", release, "--environment", "prod", key=demo.keys["reviewer"])
    moved = stage.run("release", "promote", release, "--environment", "prod", key=demo.keys["oncall"])
    must(moved["moved"], f"the approved candidate must be promoted: {moved['words']}")
    demo.releases["retrained"] = release
    stage.good(f"approved by the reviewer, promoted to prod (generation {moved['generation']})")


def _pull(demo: Demo, release: str) -> None:
    """Take the rows and the lock into the working tree: git stays the source of what prod serves."""
    stage = demo.stage
    written = stage.run("pull")["written"]
    made = stage.run("release", "create", quiet=True)
    must(made["digest"] == release, f"the working tree must make {short(release)}, and makes {short(made['digest'])}")
    stage.good(f"{' and '.join(written)} written; the working tree makes the very release that prod serves")
