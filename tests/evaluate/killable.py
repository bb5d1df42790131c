"""Run one evaluation as a process of its own, so that a test can kill it: `killable.py PROJECT DATA RELEASE PINS`."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

from headgate.evaluate import Evaluate, run
from headgate.kernel import SystemClock, new_id
from headgate.store import jobs


def main() -> None:
    spec = importlib.util.spec_from_file_location(
        "release_world", Path(__file__).parents[1] / "release" / "conftest.py"
    )
    assert spec is not None
    assert spec.loader is not None
    world = importlib.util.module_from_spec(spec)
    sys.modules["release_world"] = world
    spec.loader.exec_module(world)
    root, data, release, pins = sys.argv[1:]
    clock = SystemClock()
    here = world.World(Path(root), world.make_store(Path(data)), clock, world.Principal("person_c", world.PROJECT))
    job_id = new_id("job")
    with here.store.records.begin() as tx:
        new = jobs.NewJob(id=job_id, operation="evidence.run", arguments={}, person="person_c", now=clock.now())
        jobs.enqueue(tx, world.PROJECT, **new)
        jobs.claim(tx, world.PROJECT, owner=jobs.owner_name(), now=clock.now(), lease_s=600, id=job_id)
    result = run(here.work(job_id), Evaluate.model_validate({"release": release, "suites": json.loads(pins)}))
    print(result.model_dump_json())


if __name__ == "__main__":
    main()
