"""Ids: their shape, that they are unique, and that they sort by time."""

from __future__ import annotations

import re
import subprocess
import sys
import threading

import pytest

from headgate.kernel import is_id, new_id, new_span_id, new_trace_id


def test_ids_have_a_prefix_and_are_unique() -> None:
    made = {new_id("job") for _ in range(2000)}
    assert len(made) == 2000
    assert all(is_id(name) and name.startswith("job_") for name in made)


@pytest.mark.parametrize(
    "name", ["", "job_", "job_" + "A" * 22, "job_" + "a" * 21, "j_" + "a" * 22, "jobs" + "a" * 22, f"job_{'a' * 22}\n"]
)
def test_other_names_are_none(name: str) -> None:
    assert not is_id(name)


def test_ids_sort_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for second in (1.0, 1_700_000_000.0, 1_700_000_000.001, 1_800_000_000.0, 4_000_000_000.0):
        monkeypatch.setattr("time.time", lambda second=second: second)
        made.append((new_id("inc"), new_trace_id()))
    assert made == sorted(made)


def test_trace_and_span_ids_are_those_of_w3c() -> None:
    assert all(re.fullmatch(r"[0-9a-f]{32}", new_trace_id()) for _ in range(100))
    spans = {new_span_id() for _ in range(1000)}
    assert len(spans) == 1000
    assert all(re.fullmatch(r"[0-9a-f]{16}", span) and int(span, 16) for span in spans)


def test_threads_never_share_an_id() -> None:
    made: list[str] = []
    threads = [threading.Thread(target=lambda: made.extend([new_trace_id() for _ in range(3000)])) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({name[12:] for name in made}) == len(made) == 24_000


FORKED = """
import os
from headgate.kernel import new_trace_id
new_trace_id()
child = os.fork()
made = "".join([new_trace_id()[12:] + chr(10) for _ in range(300)])
os.write(1, made.encode())
if child:
    os.waitpid(child, 0)
"""


def test_a_forked_process_makes_ids_of_its_own() -> None:
    """What its parent has ready is not the child's."""
    found = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, check=True).stdout.split()
    assert len(set(found)) == len(found) == 600
