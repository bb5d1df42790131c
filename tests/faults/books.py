"""What is left behind by traffic, compared: rows of requests, the ledger, the providers' bills, the log.

Used by `test_soak.py` and by `benchmarks/soak_gateway.py`, after the server has stopped.
"""

from __future__ import annotations

import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from headgate.kernel import RequestRecord
from headgate.store import Records, SpanQuery, Spans, ledger
from headgate.testing.served import do

from .moody import REPORTED
from .soaked import APPS, SOUND, World
from .traffic import Seen


@dataclass(frozen=True)
class Account:
    """What an app has used, in nano-dollars or tokens: the providers' bill, its rows, its ledger."""

    billed: int
    recorded: int
    settled: int
    reserved: int


@dataclass
class Books:
    """rows: stored requests; missing: answered or refused, and not stored; strange: stored, and never asked.

    mixed: prompts of two releases. compared: requests whose cost could be held against the bill; unequal: what differs.
    """

    rows: int = 0
    missing: int = 0
    strange: int = 0
    refused: int = 0
    dropped: int = 0
    mixed: int = 0
    billed: int = 0
    compared: int = 0
    unequal: list[str] = field(default_factory=list)
    cost: dict[str, Account] = field(default_factory=dict)
    tokens: dict[str, Account] = field(default_factory=dict)
    audit: bool = False
    faults: Counter[str] = field(default_factory=Counter)


def rows(spans: Spans) -> Iterator[RequestRecord]:
    """Yield every stored request, newest first."""
    before = None
    while found := spans.find(SpanQuery("acme", limit=2000, before=before)):
        yield from found
        before = (found[-1].at, found[-1].trace_id)


def compared(world: World, seen: Seen) -> Books:
    """Read everything that the server has left behind."""
    found = Books()
    lines: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for bill in world.bills.values():
        for line in bill.read_text(encoding="utf-8").splitlines():
            each = json.loads(line)
            lines[each["case"]].append(each)
            found.mixed += len(each["releases"]) > 1
            found.faults[each["fault"]] += 1
            found.billed += 1
    _read_rows(world, seen, lines, found)
    _read_ledger(world, seen, lines, found)
    found.audit = bool(do(world.root, "audit.verify", {}, **world.environment)["ok"])
    return found


def _read_rows(world: World, seen: Seen, lines: Mapping[str, list[dict[str, Any]]], found: Books) -> None:
    url = world.environment.get("HEADGATE_SPANS") or f"sqlite:///{world.root}/.headgate/spans.db"
    spans = Spans(url, writer=False)
    cases = {asked.trace: case for case, asked in seen.asked.items()}
    recorded: Counter[str] = Counter()
    tokens: Counter[str] = Counter()
    stored = set()
    for row in rows(spans):
        found.rows += 1
        stored.add(row.trace_id)
        recorded[row.app] += row.cost_nano
        tokens[row.app] += row.input_tokens + row.output_tokens
        case = cases.get(row.trace_id)
        if case is None:
            found.strange += 1
            continue
        asked = seen.asked[case]
        found.refused += asked.status == 429
        if not asked.left:
            _hold(row, case, lines.get(case, []), found)
    found.dropped = spans.dropped
    spans.close()
    answered = {asked.trace for asked in seen.asked.values() if asked.status}
    found.missing = len(answered - stored)
    for app in APPS:
        found.cost[app] = Account(0, recorded[app], 0, 0)
        found.tokens[app] = Account(0, tokens[app], 0, 0)


def _hold(row: RequestRecord, case: str, billed: list[dict[str, Any]], found: Books) -> None:
    """Hold a request against its bill, when every call that was billed has told its usage and was heard to its end."""
    attempts = [each for stage in row.stages if stage["name"] == "generate" for each in stage["facts"]["attempts"]]
    ended = [each for each in attempts if "finish_reason" in each]
    if len(billed) != len(ended) or any(line["fault"] not in REPORTED for line in billed):
        return
    if any(each.get("cost_nano") for each in attempts if "finish_reason" not in each):
        return
    found.compared += 1
    cost = sum(line["cost_nano"] for line in billed)
    if cost != row.cost_nano:
        found.unequal.append(f"{case} {row.app}: billed {cost}, recorded {row.cost_nano}")


def _read_ledger(world: World, seen: Seen, lines: Mapping[str, list[dict[str, Any]]], found: Books) -> None:
    cost: Counter[str] = Counter()
    tokens: Counter[str] = Counter()
    for case, billed in lines.items():
        app = seen.asked[case].app
        cost[app] += sum(line["cost_nano"] for line in billed)
        tokens[app] += sum(line["tokens"] for line in billed)
    records = Records(world.environment.get("HEADGATE_DATABASE") or f"sqlite:///{world.root}/.headgate/records.db")
    month = time.strftime("%Y-%m", time.gmtime())
    with records.read() as tx:
        for app in APPS:
            for unit, billed_of, into in (("cost", cost, found.cost), ("tokens", tokens, found.tokens)):
                stands = ledger.balance(tx, "acme", f"app:{app}", unit, month)
                into[app] = Account(billed_of[app], into[app].recorded, stands.settled, stands.reserved)
    records.close()


def problems(found: Books) -> list[str]:
    """Return what the books say that they may not say; empty when all is well."""
    told = []
    for what, number in (("missing", found.missing), ("strange", found.strange), ("dropped", found.dropped)):
        told += [f"{number} rows {what}"] if number else []
    told += [f"{found.mixed} prompts mix releases"] if found.mixed else []
    told += found.unequal[:5]
    for unit, accounts in (("cost", found.cost), ("tokens", found.tokens)):
        for app, each in accounts.items():
            if each.reserved:
                told.append(f"{unit} of {app}: {each.reserved} still reserved")
            if not max(each.billed, each.recorded) <= each.settled:
                told.append(f"{unit} of {app}: the ledger has less than the bill: {each}")
            if app == SOUND and not each.billed == each.recorded == each.settled:
                told.append(f"{unit} of {app}: not equal to the bill: {each}")
    return told if found.audit else [*told, "the audit chain does not verify"]
