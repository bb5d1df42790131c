"""Records on both databases, blobs in memory, and one person who calls operations on them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from headgate import artifacts
from headgate.kernel import Principal
from headgate.store import Blobs, Context, Records, Secret, Spans, Store
from headgate.testing import FakeClock

OPERATIONS: Mapping[str, tuple[Callable[[Any, Any], BaseModel], type[BaseModel]]] = {
    "artifact.missing": (artifacts.missing, artifacts.Missing),
    "artifact.register": (artifacts.register, artifacts.Register),
    "artifact.list": (artifacts.listing, artifacts.ArtifactQuery),
    "artifact.show": (artifacts.show, artifacts.ArtifactShow),
}


@dataclass(frozen=True)
class Desk:
    """A workspace whose operations run here, through JSON as over a wire."""

    root: Path
    store: Store
    clock: FakeClock
    principal: Principal
    calls: list[tuple[str, Any]] = field(default_factory=list)

    def be(self, person: str, project: str = "shop") -> Desk:
        return replace(self, principal=Principal(person, project))

    @contextmanager
    def context(self) -> Iterator[Context]:
        with self.store.records.begin() as tx:
            yield Context(tx, self.principal, self.clock, self.store, {})

    def call(self, operation: str, request: BaseModel | Mapping[str, Any]) -> dict[str, Any]:
        function, model = OPERATIONS[operation]
        data = request.model_dump(mode="json", by_alias=True) if isinstance(request, BaseModel) else dict(request)
        self.calls.append((operation, data))
        with self.context() as ctx:
            result = function(ctx, model.model_validate(json.loads(json.dumps(data))))
        dumped: dict[str, Any] = json.loads(result.model_dump_json())
        return dumped

    def report(self, text: str, done: int = 0, total: int = 0) -> None:
        pass


@pytest.fixture
def desk(records: Records, clock: FakeClock, tmp_path: Path) -> Iterator[Desk]:
    spans = Spans(f"sqlite:///{tmp_path / 'spans.db'}", writer=False)
    yield Desk(
        tmp_path, Store(records, Blobs("memory://"), spans, Secret(b"s" * 32)), clock, Principal("person_a", "shop")
    )
    spans.close()
