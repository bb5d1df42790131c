"""The inside of a training process: `python -m headgate.train._inside`, started by `apart` with a task on its input.

It works on the folder that it is given and on nothing else: what operations would register is written beside the
result, for the process that started it to check and store.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from headgate.data import DataAdd, add
from headgate.kernel import HeadgateError

from .run import TrainRun, run


@dataclass(slots=True)
class _Bench:
    """A workspace whose server is a folder: everything is missing there, and what is registered becomes a file."""

    root: Path
    out: Path
    count: int = field(default=0)

    def call(self, operation: str, request: BaseModel | Mapping[str, Any]) -> dict[str, Any]:
        data = request.model_dump(mode="json", by_alias=True) if isinstance(request, BaseModel) else dict(request)
        if operation == "artifact.missing":
            return {"missing": data["digests"]}
        if operation != "artifact.register":
            raise HeadgateError(f"{operation} cannot be called from a training process")
        self.count += 1
        (self.out / f"artifact-{self.count:03}.json").write_text(json.dumps(data), encoding="utf-8")
        return {}

    def report(self, text: str, done: int = 0, total: int = 0) -> None: ...


def main() -> None:
    task = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _limit(**task["limits"])
    bench = _Bench(Path(task["root"]), Path(task["out"]))
    found: dict[str, Any] = {}
    try:
        found["added"] = add(bench, DataAdd(dataset=task["dataset"])).model_dump(mode="json")
        found["trained"] = {}
        if task["model"]:
            asked = TrainRun(model=task["model"], **task["params"])
            found["trained"] = run(bench, asked).model_dump(mode="json")
    except HeadgateError as problem:
        found = {"error": _told(problem)}
    part = bench.out / "result.part"
    part.write_text(json.dumps(found), encoding="utf-8")
    part.replace(bench.out / "result.json")


def _told(problem: HeadgateError) -> dict[str, Any]:
    where = problem.where
    place = {"file": where.file, "line": where.line, "key": where.key} if where else None
    return {
        "type": next(kind.__name__ for kind in type(problem).__mro__ if kind.__module__ == HeadgateError.__module__),
        "message": problem.message,
        "hint": problem.hint,
        "code": problem.code,
        "where": place,
    }


def _end_with_parent() -> None:
    """End when whoever started this process is gone: then its end of the pipe is closed."""
    sys.stdin.read()
    os._exit(70)


def _limit(cpu_s: int, memory: int, file: int) -> None:
    try:
        import resource
    except ModuleNotFoundError:  # Windows has no such limits; the clock of whoever started us remains
        return
    os.nice(5)
    for name, value in (
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, file),
        (resource.RLIMIT_CORE, 0),
    ):
        most = resource.getrlimit(name)[1]
        resource.setrlimit(name, (value if most == resource.RLIM_INFINITY else min(value, most), most))


if __name__ == "__main__":
    main()
