"""Releases on a terminal: lists, what a release pins, differences, and the gate rule by rule with its intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from .screen import STYLES, at, line, outcome, pairs, table


def gate(screen: Console, result: Mapping[str, Any]) -> None:
    """Show each rule: outcome, value with its interval, cases, and who failed it."""
    line(screen, outcome(result["outcome"]), f"{result['release']} for {result['environment']}")
    told: tuple[str, str] | None = None
    for rule in result["rules"]:
        line(screen, "  ", outcome(rule["outcome"]), rule["rule"], ("  " + figures(rule), "dim"))
        before, told = told, (rule["explanation"], rule["hint"])
        if rule["missing"] and told == before:
            continue
        if (rule["outcome"] != "pass" or rule["value"] is None) and rule["explanation"]:
            line(screen, f"          {rule['explanation']}")
        if rule["failing"]:
            line(screen, ("          failing: ", "dim"), ", ".join(rule["failing"]))
        if rule["hint"]:
            line(screen, (f"          → {rule['hint']}", "dim"))
    for note in result["notes"]:
        line(screen, ("  note    ", "yellow"), note)
    bound = {"evidence": result["evidence_digest"], "rules": result["rules_digest"], "baseline": result["baseline"]}
    pairs(screen, bound)


def figures(rule: Mapping[str, Any]) -> str:
    """Return the value with its 95 % interval and the number of cases."""
    if rule["value"] is None:
        return ""
    text = f"{rule['value']:.4g}"
    if rule["low"] is not None and rule["high"] is not None:
        text += f" [{rule['low']:.4g} … {rule['high']:.4g}]"
    return text + (f" of {rule['n']}" if rule["n"] else "")


def promoted(screen: Console, result: Mapping[str, Any]) -> None:
    line(screen, outcome(result["outcome"]), result["words"])
    if result.get("gate") and not result["moved"]:
        gate(screen, result["gate"])


def rolled_back(screen: Console, result: Mapping[str, Any]) -> None:
    line(screen, outcome(result.get("outcome", "pass")), result["words"])


def approved(screen: Console, result: Mapping[str, Any]) -> None:
    mark = Text("counts", "green") if result["counts"] else Text("does not count", "yellow")
    line(screen, mark, f"  {result['release']} for {result['environment']}, by {result['person']}")
    if result["why"]:
        line(screen, (f"  {result['why']}", "yellow"))
    people = ", ".join(result["approvals"]) or "nobody"
    line(screen, (f"  {len(result['approvals'])} of {result['needed']} approvals: {people}", "dim"))


def created(screen: Console, result: Mapping[str, Any]) -> None:
    state = "new" if result["new"] else "known already: the same files give the same release"
    line(screen, (str(result["digest"]), "bold"))
    line(screen, f"  app {result['app']}, {result['pins']} artifacts, {state}")


def listed(screen: Console, result: Mapping[str, Any]) -> None:
    rows = [
        [
            row["digest"], row["app"], ", ".join(row["serves"]), evidence(row["evidence"]), gates(row["gates"]),
            at(row["created_at"]), row["created_by"], row["note"],
        ]
        for row in result["releases"]
    ]  # fmt: skip
    columns = ["release", "app", "serves", "evidence", "gates", "made", "by", "note"]
    if not any(row["gates"] for row in result["releases"]):
        del columns[4]
        rows = [row[:4] + row[5:] for row in rows]
    table(screen, columns, rows, "no releases yet: `headgate release create` makes one")


def evidence(found: Mapping[str, Any] | None) -> str:
    """Return an evidence in few words: how many of its cases passed."""
    return f"{found['passed']} of {found['cases']}" if found else "none"


def gates(found: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(f"{gate['environment']} {gate['outcome'] if gate['judged'] else 'not judged'}" for gate in found)


def approvals(screen: Console, result: Mapping[str, Any]) -> None:
    """Show who approved a release for an environment, what counts, and who may not."""
    people = ", ".join(result["counting"]) or "nobody"
    line(screen, outcome(result["outcome"]), f"{result['release']} for {result['environment']}")
    line(screen, f"  {len(result['counting'])} of {result['needed']} approvals count: {people}")
    for row in result["given"]:
        line(screen, f"  {row['person']} at {at(row['at'])} {row['note']}", (f"  {row['why']}", "yellow"))
    for person, paths in sorted(result["authors"].items()):
        line(screen, (f"  author: {person} ({', '.join(paths[:3])})", "dim"))
    if result["why_not"]:
        line(screen, (f"  you may not: {result['why_not']}", "yellow"))


def shown(screen: Console, result: Mapping[str, Any]) -> None:
    line(screen, (str(result["digest"]), "bold"))
    about = {key: result[key] for key in ("app", "created_by", "note", "authors", "serves", "evidence")}
    pairs(screen, {**about, "made": at(result["created_at"])})
    if result.get("gates"):
        line(screen, ("gates  ", "dim"), gates(result["gates"]))
    rows = [[pin["path"], pin["kind"], pin["digest"], pin["created_by"]] for pin in result["pins"]]
    table(screen, ["pins", "kind", "digest", "registered by"], rows)
    identities = [[name, value] for name, value in result["providers"].items()]
    if identities:
        table(screen, ["may call", "identity"], identities)


def compared(screen: Console, result: Mapping[str, Any]) -> None:
    """Show each artifact that differs, in sentences."""
    if result["same"]:
        line(screen, "both are the same release")
    for change in result["changes"]:
        line(screen, (f"{change['change']:<8}", STYLES[change["change"]]), (change["path"], "bold"))
        for sentence in change["sentences"]:
            line(screen, f"    {sentence}")


SHOW = {
    "release.gate": gate,
    "release.promote": promoted,
    "release.rollback": rolled_back,
    "release.approvals": approvals,
    "release.approve": approved,
    "release.create": created,
    "release.list": listed,
    "release.show": shown,
    "release.diff": compared,
}
