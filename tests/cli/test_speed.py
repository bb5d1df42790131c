"""The command line starts quickly: help costs little more than Python itself."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

HEADGATE = Path(sys.executable).with_name("headgate")


def seconds(*command: str) -> float:
    began = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "limit"),
    [
        ((str(HEADGATE), "--help"), 5.0),
        ((str(HEADGATE), "release", "--help"), 5.0),
        ((sys.executable, "-c", "import headgate"), 3.0),
    ],
)
def test_a_start_costs_a_few_bare_interpreters(command: tuple[str, ...], limit: float) -> None:
    """Both are timed in turn, so that a busy machine slows both; the median of 9 counts, three attempts."""
    ratio = float("inf")
    for _ in range(3):
        pairs = [(seconds(*command), seconds(sys.executable, "-c", "pass")) for _ in range(9)]
        ratio = min(ratio, statistics.median(a for a, _ in pairs) / statistics.median(b for _, b in pairs))
        if ratio <= limit:
            return
    raise AssertionError(f"{' '.join(command)} takes {ratio:.1f} bare interpreters, at most {limit} are allowed")
