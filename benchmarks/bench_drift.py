"""Drift of 100 000 rows x 20 columns, from raw rows to verdicts: ours and Evidently's, in one run.

python benchmarks/bench_drift.py [--rows 100000] [--large 1000000] [--turns 3] [--evidently .peers/evidently/bin/python]

`make bench-drift` installs the peer first. The data: 12 numbers and 8 categories of 8 to 15 values; the reference and
the window have as many rows each; two numbers and one category of the window have moved. Both sides get the same, made
by this file in their own process, and answer the same 32 questions: PSI of each column, Kolmogorov-Smirnov of each
number, with a verdict each (we also judge missing values and new categories). The run is void when they disagree on
which columns moved.

*rows* begins with dicts, as requests bring them; *columns* with a list a column, as a reader of CSV leaves them. *each
look* has its reference ready: a sketch (ours), a data set (Evidently's); *the first* makes it, too. The lean peer is a
report of 32 `ValueDrift` metrics with their tests, the least that Evidently can be asked for; *its preset* is what its
documentation shows. Times are the best of several turns, side after side (one turn for the preset); processor time
tells a busy machine from a slow program. Memory is what a look needs beyond the process as it was: of a stream that is
never held whole (ours), or of a data frame, which is all that Evidently takes.
"""

from __future__ import annotations

import argparse
import importlib
import json
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

NUMBERS = [f"number_{place}" for place in range(12)]
CATEGORIES = [f"category_{place}" for place in range(8)]
MOVED = {"number_0", "number_1", "category_0"}
VALUES = [f"value {number}" for number in range(20)]
BLOCK = 10_000

Row = dict[str, Any]


def stream(rows: int, moved: bool) -> Iterator[Row]:
    """Yield rows, a block at a time, the same ones in every process."""
    import numpy

    draw = numpy.random.default_rng([rows, moved])
    names = [*NUMBERS, *CATEGORIES]
    for start in range(0, rows, BLOCK):
        count = min(BLOCK, rows - start)
        columns: list[list[Any]] = []
        for name in NUMBERS:
            shift = 0.5 if moved and name in MOVED else 0.0
            columns.append(draw.normal(shift, size=count).tolist())
        for place, name in enumerate(CATEGORIES):
            width = 8 + place
            picked = draw.integers(0, width, count)
            if moved and name in MOVED:
                picked = numpy.minimum(picked, draw.integers(0, width, count))
            columns.append([VALUES[number] for number in picked.tolist()])
        for row in zip(*columns, strict=True):
            yield dict(zip(names, row, strict=True))


def timed(run: Callable[[], Any]) -> tuple[float, float]:
    """Return wall and processor seconds of one call."""
    wall, used = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - wall, time.process_time() - used


class Ours:
    def __init__(self) -> None:
        from headgate.measure import CategorySketch, NumberSketch

        self.made: dict[str, Any] = {}
        NumberSketch(), CategorySketch()  # imports

    def keep(self, raw: Any) -> None:
        """Sketch a reference from rows or columns."""
        from headgate.measure import CategorySketch, NumberSketch, columns_of

        columns = raw if isinstance(raw, dict) else columns_of([*NUMBERS, *CATEGORIES], raw)
        self.made = {name: NumberSketch() for name in NUMBERS}
        for name, sketch in self.made.items():
            sketch.add(columns[name])
        self.made |= {name: CategorySketch.reference(columns[name]) for name in CATEGORIES}

    def look(self, raw: Any) -> set[str]:
        """Sketch a window of rows or columns and judge it; return the columns that moved."""
        from headgate.measure import Column, add_rows, judge

        window = {name: sketch.empty() for name, sketch in self.made.items()}
        if isinstance(raw, dict):
            for name, sketch in window.items():
                sketch.add(raw[name])
        else:
            add_rows(window, raw)
        verdicts = judge([Column(name, self.made[name], window[name]) for name in window])
        assert len(verdicts) >= len(NUMBERS) * 2 + len(CATEGORIES)
        return {verdict.column for verdict in verdicts if verdict.state == "breach"}


class Peer:
    """Evidently, as lean as it can be asked or by its preset."""

    def __init__(self, preset: bool) -> None:
        import pandas
        from evidently import DataDefinition, Dataset, Report
        from evidently.metrics import ValueDrift
        from evidently.presets import DataDriftPreset

        definition = DataDefinition(numerical_columns=NUMBERS, categorical_columns=CATEGORIES)
        self._made = lambda raw: Dataset.from_pandas(pandas.DataFrame(raw), data_definition=definition)
        psi, ks = [*NUMBERS, *CATEGORIES], NUMBERS
        metrics: list[Any] = [ValueDrift(column=name, method="psi") for name in psi]
        metrics += [ValueDrift(column=name, method="ks") for name in ks]
        if preset:
            metrics = [DataDriftPreset(method="psi"), DataDriftPreset(columns=ks, method="ks")]
        self._report = lambda: Report(metrics, include_tests=True)

    def keep(self, raw: Any) -> None:
        self._reference = self._made(raw)

    def look(self, raw: Any) -> set[str]:
        found = self._report().run(self._made(raw), self._reference).dict()["metrics"]
        moved = set()
        for metric in found:
            config = metric["config"]
            if "column" in config and config.get("method") == "psi" and float(metric["value"]) >= 0.1:
                moved.add(config["column"])
        return moved


def side(name: str) -> Any:
    return Ours() if name == "ours" else Peer(name == "preset")


def serve(name: str, rows: int) -> None:
    """Answer lines such as `rows first` with the times of a look; first say which columns moved."""
    looker, before, now = side(name), list(stream(rows, False)), list(stream(rows, True))
    raw = {
        "rows": (before, now),
        "columns": tuple({key: [row[key] for row in part] for key in part[0]} for part in (before, now)),
    }
    looker.keep(before)
    print(json.dumps({"moved": sorted(looker.look(now))}), flush=True)
    for line in sys.stdin:
        start, what = line.split()
        first, second = raw[start]
        looker.keep(first)
        found = timed(lambda: (what == "first" and looker.keep(first), looker.look(second)))  # noqa: B023  called now
        print(json.dumps(found), flush=True)


def memory(name: str, rows: int) -> None:
    """Print the megabytes that a look needs beyond a small one: of a stream, as far as the side can read one."""
    looker = side(name)
    looker.keep(list(stream(1000, False)))
    looker.look(list(stream(1000, True)))
    start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    looker.look(stream(rows, True) if name == "ours" else list(stream(rows, True)))
    print(json.dumps((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start) / 1024), flush=True)


class Side:
    """A side in a process of its own."""

    def __init__(self, python: str, name: str, rows: int) -> None:
        command = [python, "-W", "ignore", __file__, "--side", name, "--rows", str(rows)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.moved = set(self._read()["moved"])

    def ask(self, what: str) -> tuple[float, float]:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()
        wall, used = self._read()
        return wall, used

    def _read(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("a side died")
        return json.loads(line)

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)


def measured(python: str, name: str, rows: int) -> float:
    command = [python, "-W", "ignore", __file__, "--side", name, "--rows", str(rows), "--memory"]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])


TITLES = {"ours": "ours", "lean": "Evidently, lean", "preset": "Evidently, its preset"}
ASKS = {
    "rows each": "rows, each look", "rows first": "rows, the first", "columns each": "columns, each look",
    "columns first": "columns, the first",
}  # fmt: skip
Times = dict[tuple[str, str], list[tuple[float, float]]]


def looks(pythons: dict[str, str], rows: int, turns: int) -> Times:
    """Return wall and processor seconds by (ask, side), side after side."""
    sides = {name: Side(python, name, rows) for name, python in pythons.items()}
    for name, one in sides.items():
        if one.moved != MOVED:
            raise SystemExit(f"void: {name} found {sorted(one.moved)}, moved are {sorted(MOVED)}")
    times: Times = {}
    for turn in range(turns):
        for ask in ASKS:
            for name in random.sample(sorted(sides), len(sides)):
                if name != "preset" or not turn:  # it takes longest, and is no close call
                    times.setdefault((ask, name), []).append(sides[name].ask(ask))
    for one in sides.values():
        one.close()
    return times


def compare(peer: str, rows: int, large: int, turns: int) -> None:
    pythons = {"ours": sys.executable, "lean": peer, "preset": peer}
    times = looks(pythons, rows, turns)
    print(f"{rows:,} rows x {len(NUMBERS) + len(CATEGORIES)} columns, best of {turns} turns, ms (processor ms)\n")
    print(f"{'':23}{''.join(f'{head:>27}' for head in ASKS.values())}")
    for name, title in TITLES.items():
        line = f"{title:23}"
        for ask in ASKS:
            wall, used = (min(pair[place] for pair in times[ask, name]) for place in (0, 1))
            mine = min(pair[0] for pair in times[ask, "ours"])
            line += f"{f'{wall * 1e3:,.0f} ({used * 1e3:,.0f})':>20}{wall / mine:>6.1f}x"
        print(line)
    print(f"\nmemory of a look, MB beyond the start{f'{rows:,} rows':>20}{f'{large:,} rows':>20}")
    for name in ("ours", "lean"):
        sizes = [measured(pythons[name], name, count) for count in (rows, large)]
        print(f"{TITLES[name]:37}{sizes[0]:>20,.0f}{sizes[1]:>20,.0f}")


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--rows", type=int, default=100_000)
    options.add_argument("--large", type=int, default=1_000_000)
    options.add_argument("--turns", type=int, default=3)
    options.add_argument("--evidently", default=".peers/evidently/bin/python")
    options.add_argument("--side", choices=("ours", "lean", "preset"), help=argparse.SUPPRESS)
    options.add_argument("--memory", action="store_true", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.side:
        (memory if given.memory else serve)(given.side, given.rows)
    elif not Path(given.evidently).exists():
        print(f"Evidently is not there ({given.evidently}): run `make bench-drift`, which installs it")
    else:
        importlib.import_module("headgate")
        compare(given.evidently, given.rows, given.large, given.turns)


if __name__ == "__main__":
    main()
