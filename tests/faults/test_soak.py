"""Mixed traffic with providers that fail at random: nothing of ours fails, streams end, and the books agree.

Here for half a minute; `make soak` does the same for as long as you like.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from pathlib import Path

import pytest
from tests.faults import books, soaked
from tests.faults.traffic import Traffic

SECONDS, CLIENTS, SEED = 20.0, 24, 7


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.timeout(180)
def test_mixed_traffic_while_providers_fail_at_random(tmp_path: Path) -> None:
    with soaked.opened(tmp_path, seed=SEED) as world:
        traffic = Traffic(world, SEED, CLIENTS)
        end = time.monotonic() + SECONDS
        asking = threading.Thread(target=lambda: asyncio.run(traffic.run(end)))
        asking.start()
        moves = 0
        for app, name in itertools.cycle((app, name) for name in reversed(soaked.NAMES) for app in soaked.APPS):
            if time.monotonic() >= end - 0.5:
                break
            time.sleep(0.5)
            world.move(app, name)
            moves += 1
        asking.join()
        idle = soaked.at_rest(world)
        assert world.stop() == 0, world.log()[-3000:]
        seen = traffic.seen
    assert idle == "", idle
    assert dict(seen.ours) == {}
    assert seen.wrong[:5] == []
    found = books.compared(world, seen)
    assert books.problems(found) == []
    assert seen.done > 1000
    assert moves > 20
    assert found.compared > 300
    assert min(seen.marked, seen.left, seen.calls) > 20, seen
    assert min(seen.by_status[status] for status in ("200", "429")) > 20
    assert len(found.faults) > 10, "few faults of those that bill were met"
