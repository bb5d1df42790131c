"""Training apart: a dataset added and a model trained in a process of its own, under limits (decision 22).

Called by the retraining job on a server. The process gets a folder of files, no database, no key and nothing of this
process's environment; what it would register comes back as drafts, checked here. Its `_inside` is the other half.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headgate.artifacts import Register
from headgate.kernel import HeadgateError, InvalidInput, NotFound, Unavailable, Where

_POLL_S = 0.1
_ERRORS: Mapping[str, type[HeadgateError]] = {"NotFound": NotFound, "Unavailable": Unavailable}


@dataclass(frozen=True, slots=True)
class Limits:
    """What a training process may use. wall_s and cpu_s are seconds, memory and file bytes; it also runs nicely."""

    wall_s: float = 3600.0
    cpu_s: int = 3600
    memory: int = 16 * 1024**3
    file: int = 2 * 1024**3


@dataclass(frozen=True, slots=True)
class Apart:
    """What came back: the artifacts to register, in order, and what `data.add` and `train` said."""

    artifacts: tuple[Register, ...]
    added: Mapping[str, Any]
    trained: Mapping[str, Any]


def train_apart(
    root: Path,
    dataset: str,
    model: str | None = None,
    *,
    params: Mapping[str, Any],
    limits: Limits,
    beat: Callable[[], None],
) -> Apart:
    """Add `dataset` in the project at `root`, then train `model` from it when one is named.

    params: `seed` and `param` of `TrainRun`. beat: called ten times a second; what it raises ends the process. Raises
    what adding and training raise (a bad batch, a mistake in the pipeline), Unavailable when a limit is reached.
    """
    with tempfile.TemporaryDirectory(prefix="headgate-train-") as name:
        out = Path(name)
        task = {
            "root": str(root), "out": str(out), "dataset": dataset, "model": model, "params": dict(params),
            "limits": {"cpu_s": limits.cpu_s, "memory": limits.memory, "file": limits.file},
        }  # fmt: skip
        code = _run(task, out / "log.txt", limits, beat)
        return _read(out, code)


def _run(task: Mapping[str, Any], log: Path, limits: Limits, beat: Callable[[], None]) -> int:
    """Run the process to its end. It ends by itself when this one dies: its input is then closed."""
    package = Path(__file__).parents[2]
    environment = {
        "PYTHONPATH": str(package), "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1", "LANG": "C.UTF-8",
        "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "HOME": str(log.parent), "TMPDIR": str(log.parent),
    }  # fmt: skip
    with log.open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "headgate.train._inside"],
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=said,
            cwd=str(task["root"]),
            env=environment,
            start_new_session=True,
        )
    assert process.stdin is not None
    try:
        process.stdin.write(json.dumps(task).encode() + b"\n")
        process.stdin.flush()
        deadline = time.monotonic() + limits.wall_s
        while process.poll() is None:
            beat()
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"training took longer than {limits.wall_s:.0f} s and was ended", "train on fewer rows"
                )
            time.sleep(_POLL_S)
        return process.returncode
    except BrokenPipeError:
        return process.wait()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        process.stdin.close()


def _read(out: Path, code: int) -> Apart:
    try:
        found = json.loads((out / "result.json").read_bytes())
    except (OSError, ValueError):
        log = out / "log.txt"
        said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() if log.exists() else []
        told = f" ({said[-1][:200]})" if said else ""
        hint = "it reached a limit of memory or time, or its code ended it"
        raise Unavailable(f"the training process ended with {code} and said nothing{told}", hint) from None
    if "error" in found:
        raise _error(found["error"])
    drafts = [Register.model_validate_json(file.read_bytes()) for file in sorted(out.glob("artifact-*.json"))]
    return Apart(tuple(drafts), found["added"], found["trained"])


def _error(problem: Mapping[str, Any]) -> HeadgateError:
    place = problem.get("where")
    where = Where(place["file"], place["line"], place["key"]) if place else None
    kind = _ERRORS.get(problem["type"], InvalidInput)
    return kind(problem["message"], problem["hint"], code=problem["code"], where=where)
