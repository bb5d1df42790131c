"""What went wrong is tested on the same small project as releases are."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from headgate.kernel import RequestRecord
from headgate.store import Context

if TYPE_CHECKING:
    from tests.release.conftest import World

_spec = importlib.util.spec_from_file_location("improve_world", Path(__file__).parents[1] / "release" / "conftest.py")
assert _spec is not None
assert _spec.loader is not None
_module = sys.modules["improve_world"] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)

world, empty_records = _module.world, _module.empty_records
QUESTION = "How long may I keep it?"


@pytest.fixture
def ctx(world: World) -> Iterator[Context]:
    """A context with an open transaction, in the name of person_c."""
    with world.store.records.begin() as tx:
        yield world.context(tx)


@pytest.fixture
def traced(world: World) -> Callable[..., str]:
    """Record a request and return its trace id."""

    def trace(*turns: str, release: str = "sha256:" + "a" * 64, number: int = 1, **changes: Any) -> str:
        said = turns or (QUESTION,)
        roles = ("user", "assistant")
        messages = [{"role": roles[index % 2], "content": text} for index, text in enumerate(said)]
        fields: dict[str, Any] = {
            "trace_id": f"{number:08x}{'c' * 24}", "project": "acme-support", "at": world.clock.now(),
            "app": "support", "environment": "prod", "release": release, "source": "live", "route": "default",
            "label": "default", "model": "bot/one", "status": "answered", "reason": "", "subject": "subject-1",
            "payload": {"messages": messages, "answer": "You have 30 days.", "passages": [{"source": "corpus/a"}]},
        }  # fmt: skip
        record = RequestRecord(**{**fields, **changes})
        world.store.spans.record(record)
        world.store.spans.flush()
        return record.trace_id

    return trace
