"""What went wrong is tested on the same small project as releases are."""

from __future__ import annotations

import importlib.util
import shutil
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


def _load(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"improve_{name}", Path(__file__).parent / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[f"improve_{name}"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_shop = _load("shop")


@pytest.fixture(scope="session")
def shop_module() -> Any:
    """How the shop is made and driven."""
    return _shop


@pytest.fixture(scope="session")
def shop_made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop, trained and served: to be copied."""
    root: Path = _shop.make(tmp_path_factory.mktemp("shop") / "project")
    return root


@pytest.fixture
def shop_root(shop_made: Path, tmp_path: Path) -> Path:
    """A shop of one's own, not opened."""
    return Path(shutil.copytree(shop_made, tmp_path / "project"))


@pytest.fixture
def shop(shop_root: Path) -> Iterator[Any]:
    """A shop of one's own."""
    opened = _shop.Shop.opened(shop_root)
    yield opened
    opened.close()
