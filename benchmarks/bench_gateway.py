"""One request with everything on, beside no gateway, nginx, a bare pass-through and other gateways, in one run.

python benchmarks/bench_gateway.py [--quick] [--no-peers] [--only ours] [--json]

Everything on: key, limits of key and app in the ledger, two input and two output guards, trace stored with its
conversation; once more with a model that routes. The pass-through is our server and our client with nothing between
but the JSON. Each system is on core 0, the upstream and the load (C, one thread each) are on core 1. After a warm-up,
each measure is the median of three; systems take turns, so that a noisy minute hits all. Every answer is checked: one
that is wrong or short voids the run, and so does a request whose trace is not found in the store.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import gateway_systems as systems
import machine
from gateway_systems import LOAD_CORE, Missing, Running, System

PASS, OURS, ROUTED = "bare pass-through, same client", "headgate, everything on", "headgate, and routed by a model"
SYSTEMS: dict[str, System] = {
    "direct to the upstream": systems.nothing,
    "nginx proxy_pass": systems.nginx,
    PASS: systems.pass_through,
    OURS: systems.headgate,
    ROUTED: partial(systems.headgate, routed=True),
    "LiteLLM proxy": systems.litellm,
    "MLflow gateway": systems.mlflow,
}
PEERS = ("LiteLLM proxy", "MLflow gateway")
ROUNDS = 3
MUST_ADDED_US, MUST_SHARE = 150, 0.5
AIM_RATES, AIM_P50_US, AIM_STREAMS, AIM_MB = (5238, 6230), 270, (680, 2784), 120
DRAIN_S = 60


class Wrong(Exception):
    """An answer that spoils the run."""


@dataclass
class Found:
    """What was measured of one system: values by measure, one per round."""

    running: Running | None = None
    note: str = ""
    answered: int = 0
    values: dict[str, list[float]] = field(default_factory=dict)
    fails: dict[str, str] = field(default_factory=dict)

    def add(self, measure: str, value: float) -> None:
        self.values.setdefault(measure, []).append(value)

    def median(self, measure: str) -> float | None:
        return statistics.median(self.values[measure]) if measure in self.values else None


@dataclass(frozen=True)
class Rig:
    """What loads a system: the program, a folder for its requests, and how long each load lasts."""

    program: Path
    folder: Path
    seconds: float
    upstream: subprocess.Popen[bytes]

    def load(self, found: Found, connections: int, seconds: float, stream: bool = False) -> dict[str, float]:
        """Load a system once. Raises Wrong with what it said."""
        assert found.running is not None
        asked = self.folder / "request"
        asked.write_bytes(found.running.request(stream))
        text = systems.STREAMED if stream else systems.WHOLE
        command = [str(self.program), str(found.running.port), str(connections), str(seconds), str(asked), text]
        command += ["stream", found.running.end] if stream else []
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode:
            raise Wrong(ran.stderr[:2000])
        figures: dict[str, float] = json.loads(ran.stdout)
        found.answered += int(figures["answered"])
        return figures

    def slow(self, on: bool) -> None:
        self.upstream.send_signal(signal.SIGUSR1 if on else signal.SIGUSR2)
        time.sleep(0.05)


def turn(rig: Rig, found: Found) -> None:
    """Measure one system once, at each load."""
    assert found.running is not None
    for connections in (1, 32):
        before = systems.cpu_s(found.running.process.pid)
        figures = rig.load(found, connections, rig.seconds)
        found.add(f"rate_{connections}", figures["answered"] / figures["seconds"])
        found.add(f"p50_{connections}", figures["p50_us"])
        found.add(f"p99_{connections}", figures["p99_us"])
        found.add(f"drain_{connections}", drain(found))
        used = systems.cpu_s(found.running.process.pid) - before
        found.add(f"cpu_{connections}", used / figures["answered"] * 1e6)
    figures = rig.load(found, 32, rig.seconds, stream=True)
    found.add("streams", figures["answered"] / figures["seconds"])
    drain(found)


def slow_turn(rig: Rig, found: Found) -> None:
    """Measure one system in front of a model that takes 50 ms, at 64 connections."""
    rig.slow(True)
    try:
        found.add("slow_p50", rig.load(found, 64, rig.seconds)["p50_us"])
    finally:
        rig.slow(False)
    drain(found)


def drain(found: Found) -> float:
    """Wait until the store has every request that was answered; return the seconds that it took."""
    assert found.running is not None
    began = time.monotonic()
    if found.running.stored is not None:
        while found.running.stored() < found.answered + 1 and time.monotonic() < began + DRAIN_S:
            time.sleep(0.02)
    return time.monotonic() - began


def warm_up(rig: Rig, found: Found) -> None:
    rig.load(found, 8, rig.seconds / 2)
    rig.load(found, 8, rig.seconds / 2, stream=True)
    drain(found)


def finish(found: Found) -> None:
    """Note what is known once all loads are over."""
    assert found.running is not None
    if found.running.stored is not None:
        found.add("stored", found.running.stored())
        found.add("dropped", found.running.dropped())
        found.add("missing", found.answered + 1 - found.running.stored())  # the first 200 at the start was one more
    if found.running.start_s:
        found.add("start_s", found.running.start_s)
        found.add("mb", systems.peak_mb(found.running.process.pid))


def start(name: str, port: int, stack: ExitStack) -> Found:
    """Start a system until the stack is left. Raises SystemExit when one of ours does not start."""
    found, folder = Found(), Path(stack.enter_context(tempfile.TemporaryDirectory()))
    try:
        found.running = stack.enter_context(SYSTEMS[name](folder, port))
    except Missing as problem:
        found.note = f"not installed: {problem}"
    except SystemExit as problem:
        if name not in PEERS:
            raise
        found.note = "does not start"
        print(problem, file=sys.stderr)
    return found


def compare(rig: Rig, chosen: Sequence[str], port: int) -> dict[str, Found]:
    """Measure systems in turns. Raises Wrong: only other gateways may spoil an answer, and are told so."""
    with ExitStack() as stack:
        rows = {name: start(name, port, stack) for name in chosen}
        up = {name: found for name, found in rows.items() if found.running is not None}
        for step in (warm_up, *[turn] * ROUNDS, slow_turn):
            for name, found in up.items():
                try:
                    step(rig, found)
                except Wrong as problem:
                    if name not in PEERS:
                        raise Wrong(f"{name}: {problem}") from None
                    found.fails[step.__name__] = str(problem)
        for found in up.values():
            finish(found)
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true", help="half a second each: a rough look")
    parser.add_argument("--no-peers", action="store_true", help="without LiteLLM and MLflow")
    parser.add_argument("--only", choices=["ours"], help="the pass-through and ours, nothing else")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    machine.pin(LOAD_CORE)
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        port, model = stack.enter_context(systems.upstream(folder))
        rig = Rig(systems.build("load", folder), folder, 0.5 if chosen.quick else 2.0, model)
        names = [PASS, OURS, ROUTED] if chosen.only else list(SYSTEMS)
        rows = compare(rig, [name for name in names if not (chosen.no_peers and name in PEERS)], port)
    if chosen.json:
        print(json.dumps({name: {**found.values, "note": found.note} for name, found in rows.items()}, indent=2))
    else:
        show(rows)
    return 0 if sound(rows) else 1


def sound(rows: dict[str, Found]) -> bool:
    """Whether every answered request is in the store; says so loudly when not."""
    kept = True
    for name, found in rows.items():
        if any(found.median(each) for each in ("dropped", "missing")):
            print(f"\n*** VOID: {name} dropped {found.median('dropped')} traces; {found.median('missing')} answered"
                  " requests are not in its store. These figures count for nothing. ***")  # fmt: skip
            kept = False
    return kept


COLUMNS = (
    ("rate_1", "req/s c=1", 10, 0, 1.0), ("rate_32", "c=32", 8, 0, 1.0), ("p50_1", "p50 c=1", 9, 0, 1.0),
    ("p99_1", "p99 c=1", 9, 0, 1.0), ("p50_32", "p50 c=32", 9, 0, 1.0), ("p99_32", "p99 c=32", 9, 0, 1.0),
    ("streams", "streams/s", 10, 0, 1.0), ("added", "added p50", 10, 0, 1.0), ("cpu_32", "CPU c=32", 9, 0, 1.0),
    ("slow_p50", "50 ms c=64", 11, 1, 1e-3), ("mb", "MB", 6, 0, 1.0), ("start_s", "start", 7, 2, 1.0),
    ("dropped", "dropped", 8, 0, 1.0),
)  # fmt: skip


def show(rows: dict[str, Found]) -> None:
    base = rows[PASS].median("p50_1")
    print(f"{'times in µs; 50 ms in ms; start in s':<38}" + "".join(f"{head:>{wide}}" for _, head, wide, *_ in COLUMNS))
    for name, found in rows.items():
        if found.note:
            print(f"{name:<38}{found.note}")
            continue
        p50 = found.median("p50_1")
        if base and p50 and found.running and found.running.start_s and name != PASS:
            found.add("added", p50 - base)
        print(f"{name:<38}" + "".join(_cell(found, *column) for column in COLUMNS))
    for name, found in rows.items():
        for step, problem in found.fails.items():
            print(f"{name} failed ({step}): {problem[:200]!r}")
    if OURS in rows:
        judge(rows)
    load = os.getloadavg()
    print(f"\nload average {load[0]:.2f} {load[1]:.2f} {load[2]:.2f}; only ratios within this run mean something")


def _cell(found: Found, measure: str, head: str, wide: int, digits: int, factor: float) -> str:
    value = found.median(measure)
    return f"{'–':>{wide}}" if value is None else f"{value * factor:>{wide}.{digits}f}"


def judge(rows: dict[str, Found]) -> None:
    """Print what must hold, and the aims, with whether they do."""
    for name in (OURS, ROUTED):
        own, base = rows[name], rows[PASS]
        added = _value(own, "p50_1") - _value(base, "p50_1")
        share, streams = (_value(own, each) / _value(base, each) for each in ("rate_32", "streams"))
        computing = [_value(found, f"cpu_{number}") for number in (1, 32) for found in (own, base)]
        rate, p50, said, mb = (_value(own, each) for each in ("rate_32", "p50_1", "streams", "mb"))
        print(f"\n{name}:")
        _say("must", f"adds {added:.0f} µs at p50, one connection (≤ {MUST_ADDED_US})", added <= MUST_ADDED_US)
        _say("must", f"keeps {share:.0%} of the pass-through's req/s (≥ {MUST_SHARE:.0%})", share >= MUST_SHARE)
        for aim in AIM_RATES:
            _say("aim", f"{rate:.0f} req/s (> {aim})", rate > aim)
        _say("aim", f"p50 of {p50:.0f} µs (< {AIM_P50_US})", p50 < AIM_P50_US)
        for aim in AIM_STREAMS:
            _say("aim", f"{said:.0f} streams/s (> {aim})", said > aim)
        _say("aim", f"{mb:.0f} MB (≤ {AIM_MB})", mb <= AIM_MB)
        print(
            f"  computes {computing[0]:.0f} µs a request at one connection (the pass-through {computing[1]:.0f}) and "
            f"{computing[2]:.0f} µs at 32 ({computing[3]:.0f}): less moved by a busy machine than latency is\n"
            f"  keeps {streams:.0%} of its streams/s; the last trace of 32 connections is stored "
            f"{_value(own, 'drain_32'):.2f} s after its answer"
        )


def _say(sort: str, what: str, good: bool) -> None:
    print(f"  {sort}: {what}: {'met' if good else 'NOT MET'}")


def _value(found: Found, measure: str) -> float:
    return found.median(measure) or float("nan")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Wrong as spoiled:
        sys.exit(f"*** VOID: a wrong answer spoils the run ***\n{spoiled}")
