"""A stand-in provider that fails at random, and whose bill says for which case, by which fault, and of which release.

Run by `soaked`: `python tests/faults/moody.py --port 9000 --bill bill.jsonl --seed 1 [--sound]`. A sound one fails only
in ways in which it either bills nothing or says what it bills.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections.abc import Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any, get_args

import uvicorn

from headgate.kernel import Usage
from headgate.models import Price, cost
from headgate.testing.upstream import Fault, Receive, Send, Speech, Upstream

INPUT, OUTPUT = "$1", "$4"
"""What a million tokens cost."""
CASE, MARK = re.compile(r"\bcase-([a-z]+)\b"), re.compile(r"\brel-(\w+)\b")
REPORTED = ("off", "drip", "no_done", "whole")
"""Faults with which the usage of an answer is told all the same."""
SOUND: tuple[Fault, ...] = ("429", "500", "html502", "redirect", "whole", "no_done")
FAIL = 0.3
"""The share of requests that meet a fault."""
RARE: Mapping[str, float] = {"long_line": 0.02, "off": 0.0}
"""How often a fault is met, beside the others: each at 1. A long line is 100 MiB."""
_fault: ContextVar[str] = ContextVar("fault")


class Moody(Upstream):
    """Draws the fault of each request."""

    def __init__(self, bill: Path, seed: int, *, sound: bool = False, fail: float = FAIL) -> None:
        super().__init__(bill, price=Price(input=INPUT, output=OUTPUT))
        self.file = bill.open("ab", buffering=0)
        self.chance, self.fail = random.Random(seed), fail
        self.kinds: tuple[Fault, ...] = SOUND if sound else get_args(Fault)
        self.weights = [RARE.get(kind, 1.0) for kind in self.kinds]

    def _next_fault(self) -> Fault:
        if self.chance.random() >= self.fail:
            return "off"
        return self.chance.choices(self.kinds, self.weights)[0]

    async def _speak(self, speech: Speech, receive: Receive, send: Send) -> None:
        _fault.set(speech.fault)
        await super()._speak(speech, receive, send)

    def _charge(self, body: Mapping[str, Any], usage: Usage) -> None:
        text = json.dumps(body.get("messages"))
        cases = CASE.findall(text)
        line = {
            "case": cases[-1] if cases else "",
            "releases": sorted(set(MARK.findall(text))),
            "fault": _fault.get(),
            "tokens": usage.input_tokens + usage.output_tokens,
            "cost_nano": cost(self.price, usage),
        }
        self.file.write(json.dumps(line).encode() + b"\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--bill", type=Path, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--sound", action="store_true")
    chosen = parser.parse_args()
    app = Moody(chosen.bill, chosen.seed, sound=chosen.sound)
    uvicorn.run(app, port=chosen.port, log_level="critical", access_log=False, lifespan="off")


if __name__ == "__main__":
    main()
