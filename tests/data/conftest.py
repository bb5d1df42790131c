"""A small dataset on disk, and a person who adds it in process."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from headgate import artifacts
from headgate.kernel import Principal
from headgate.store import Context, Store
from headgate.testing import FakeClock

OPERATIONS: Mapping[str, tuple[Callable[[Any, Any], BaseModel], type[BaseModel]]] = {
    "artifact.missing": (artifacts.missing, artifacts.Missing),
    "artifact.register": (artifacts.register, artifacts.Register),
    "artifact.show": (artifacts.show, artifacts.ArtifactShow),
}
EXPECTATIONS = """\
source: data/orders.csv
columns:
  text: {type: string, required: true, unique: true, length: {min: 2, max: 60}}
  kind: {type: string, required: true, in: [refund, order]}
  amount: {type: number, range: {min: 0, max: 100}}
  count: {type: integer, missing: 50%}
  express: {type: boolean}
  day: {type: date, range: {min: 2026-01-01}}
  code: {pattern: "[A-Z]{2}[0-9]+"}
rows: {min: 2, max: 10}
"""
ROWS = """\
text,kind,amount,count,express,day,code
"please, send it back",refund,9.5,1,true,2026-02-03,AB1
where is my parcel,order,0,,no,2026-11-21,XY22
a third one,order,100,3,0,,
"""


@dataclass
class Desk:
    """A project on disk, and a workspace whose operations run here."""

    root: Path
    store: Store
    clock: FakeClock
    said: list[str] = field(default_factory=list)

    def call(self, operation: str, request: BaseModel | Mapping[str, Any]) -> dict[str, Any]:
        function, model = OPERATIONS[operation]
        sent = request.model_dump(mode="json", by_alias=True) if isinstance(request, BaseModel) else dict(request)
        principal = Principal("person_a", "shop")
        with self.store.records.begin() as tx:
            ctx = Context(tx, principal, self.clock, self.store, {})
            result = function(ctx, model.model_validate(json.loads(json.dumps(sent))))
        shown: dict[str, Any] = json.loads(result.model_dump_json())
        return shown

    def report(self, text: str, done: int = 0, total: int = 0) -> None:
        self.said.append(text)

    def write(self, file: str, text: str) -> None:
        (self.root / file).parent.mkdir(parents=True, exist_ok=True)
        (self.root / file).write_text(text, encoding="utf-8")

    def edit(self, file: str, old: str, new: str) -> None:
        text = (self.root / file).read_text(encoding="utf-8")
        assert old in text
        self.write(file, text.replace(old, new, 1))


@pytest.fixture
def desk(store: Store, clock: FakeClock, tmp_path: Path) -> Desk:
    made = Desk(tmp_path / "project", store, clock)
    made.write("data/orders.yaml", EXPECTATIONS)
    made.write("data/orders.csv", ROWS)
    return made
