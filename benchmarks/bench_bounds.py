"""What stays bounded under load and attack: memory, what waits, how long others wait. `make bench-bounds`, minutes.

python benchmarks/bench_bounds.py [--requests 100000] [--lost 60000] [--only leak,lost,attack]

P14: memory over mixed requests. P13: the store of traces takes nothing for as many requests as ten minutes at 100 a
second bring. P23: how long a healthy client waits while others attack, against a model that answers at once (what is
left is ours) and one that takes 50 ms. A gateway with everything on, on one core; load and model on the other.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import gateway_systems as systems
import machine
from bounds_load import ATTACKS, Mixed, healthy, p99
from gateway_systems import Running
from soak_gateway import resident_mib, slope

P14_MIB, P13_MIB, P23_TIMES = 1.0, 64.0, 3.0
QUEUE = 10_000
_ROW = "{:<5} {:<58} {:>22} {:>26}  {}"


def row(promise: str, what: str, limit: str, measured: str, fine: bool | None = None) -> None:
    print(
        _ROW.format(promise, what, limit, measured, "" if fine is None else "kept" if fine else "NOT KEPT"), flush=True
    )


@contextmanager
def started(name: str) -> Iterator[tuple[Path, Running, int]]:
    """Run the model and a gateway; gives the project, the gateway, and the model's process id."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        behind, before = folder / "upstream", folder / name
        behind.mkdir()
        before.mkdir()
        port, model = stack.enter_context(systems.upstream(behind))
        running = stack.enter_context(systems.headgate(before, port))
        yield before / "project", running, model.pid


def leak(requests: int) -> None:
    """P14: mixed requests, and how memory grows once everything has been used."""
    samples: list[tuple[int, float]] = []
    with started("leak") as (_, running, _):
        mixed = Mixed(running, seed=1)

        async def look() -> None:
            while True:
                await asyncio.sleep(1.0)
                samples.append((mixed.done, resident_mib([running.process.pid])))

        async def run() -> None:
            looking = asyncio.create_task(look())
            await mixed.run(requests, connections=16)
            looking.cancel()

        began = time.monotonic()
        asyncio.run(run())
        took = time.monotonic() - began
        late = samples[len(samples) // 4 :]
        grows = slope(late)
        statuses = ", ".join(f"{number} × {status}" for status, number in sorted(mixed.statuses.items()))
        print(f"\n{mixed.done} requests in {took:.0f} s: {statuses}; {mixed.left} clients left")
        quarters = [late[at * (len(late) - 1) // 4] for at in range(5)]
        print("memory in MiB: " + ", ".join(f"{mib:.1f} after {done}" for done, mib in quarters))
        row("P14", "growth of memory over 10 000 requests", f"{P14_MIB} MiB", f"{grows:+.2f} MiB", grows <= P14_MIB)


def lost(requests: int) -> None:
    """P13: nobody can write to the store of traces while requests come; then it is there again."""
    with started("lost") as (root, running, _):
        file = root / ".headgate" / "spans.db"
        plain = Mixed(running, seed=2, plain=True)
        asyncio.run(plain.run(5000, connections=16))
        while (running.stored or int)() < plain.done:
            time.sleep(0.1)
        before = resident_mib([running.process.pid])
        peak, answered = [before], plain.statuses["200"]
        stored = systems.counted(file)
        locked = sqlite3.connect(file, isolation_level=None)
        locked.execute("BEGIN EXCLUSIVE")

        async def run() -> None:
            asking = asyncio.create_task(plain.run(requests, connections=16))
            while not asking.done():
                await asyncio.sleep(0.2)
                peak.append(resident_mib([running.process.pid]))
            await asking

        began = time.monotonic()
        asyncio.run(run())
        took = time.monotonic() - began
        waiting = requests - running.dropped()
        locked.execute("ROLLBACK")
        locked.close()
        good = plain.statuses["200"] - answered
        deadline = time.monotonic() + 60
        while systems.counted(file) - stored + running.dropped() < good and time.monotonic() < deadline:
            time.sleep(0.2)
        time.sleep(1)
        reader = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
        marked = int(reader.execute("SELECT coalesce(sum(dropped), 0) FROM gap").fetchone()[0])
        reader.close()
        kept, gone = systems.counted(file) - stored, running.dropped()
        print(f"\n{good} answers in {took:.0f} s without a store of traces; {kept} rows were stored afterwards")
        row("P13", "memory while traces cannot be stored", f"+{P13_MIB:.0f} MiB", f"{max(peak) - before:+.1f} MiB",
            max(peak) - before <= P13_MIB)  # fmt: skip
        row("P13", "requests that waited in memory", f"{QUEUE}", f"{waiting}", waiting <= QUEUE + 32)
        row("P13", "answered meanwhile", f"{requests}", f"{good}", good == requests)
        row("P13", "stored or counted as dropped", f"{good}", f"{kept} + {gone}", kept + gone == good)
        row("P13", "dropped, as the gap markers in the store say", f"{gone}", f"{marked}", marked == gone)


def attack(seconds: float) -> None:
    """P23: how long a healthy client waits, alone and beside each attack."""
    print()
    for slow, what in ((False, "at once"), (True, "in 50 ms")):
        with started("attack") as (_, running, model):
            if slow:
                os.kill(model, signal.SIGUSR1)
            asyncio.run(Mixed(running, seed=3, plain=True).run(300 if slow else 3000, connections=4))
            alone = asyncio.run(healthy(running, seconds))
            row("P23", f"p99 of a healthy client alone, model answers {what}", "", f"{p99(alone):.2f} ms")
            for name, attacker in ATTACKS.items():
                found, done = asyncio.run(attacked(running, attacker, seconds))
                times = p99(found) / p99(alone)
                row("P23", f"… beside {name} ({done})", f"{P23_TIMES:.0f} times",
                    f"{p99(found):.2f} ms, {times:.2f} times", times <= P23_TIMES)  # fmt: skip


async def attacked(running: Running, attacker: str, seconds: float) -> tuple[list[float], str]:
    """Run an attack in a process of its own, which does not slow the healthy client's own loop."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(Path(__file__).with_name("bounds_load.py")), str(running.port), attacker,
        str(seconds + 2), running.headers["authorization"], stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    await asyncio.sleep(1.0)
    found = await healthy(running, seconds)
    said, _ = await process.communicate()
    return found, said.decode().strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--lost", type=int, default=60_000)
    parser.add_argument("--seconds", type=float, default=6.0, help="how long each attack lasts")
    parser.add_argument("--only", default="leak,lost,attack")
    chosen = parser.parse_args()
    machine.pin(systems.LOAD_CORE)
    print(_ROW.format("", "what", "at most", "measured", ""))
    for name, run in (("leak", lambda: leak(chosen.requests)), ("lost", lambda: lost(chosen.lost)),
                      ("attack", lambda: attack(chosen.seconds))):  # fmt: skip
        if name in chosen.only.split(","):
            run()


if __name__ == "__main__":
    main()
