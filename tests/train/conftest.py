"""A small project with a dataset and a training pipeline, and a person who trains it in process."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from headgate import artifacts, data
from headgate.kernel import Principal
from headgate.store import Context, Store
from headgate.testing import FakeClock

OPERATIONS: Mapping[str, tuple[Callable[[Any, Any], BaseModel], type[BaseModel]]] = {
    "artifact.missing": (artifacts.missing, artifacts.Missing),
    "artifact.register": (artifacts.register, artifacts.Register),
    "artifact.show": (artifacts.show, artifacts.ArtifactShow),
}
EXPECTATIONS = """\
source: data/questions.csv
columns:
  text: {type: string, required: true, unique: true}
  intent: {type: string, required: true, in: [billing, outage, greeting]}
  channel: {type: string, required: true}
  length: {type: integer}
"""
PIPELINE = """\
from headgate.train import Pipeline

router = Pipeline(dataset="data/questions", target="intent", segments=["channel"])


@router.params
def params():
    return {"C": 10}


@router.fit
def fit(train, params):
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    words = TfidfVectorizer(token_pattern=r"[a-zA-Z0-9]+", ngram_range=(1, 2), sublinear_tf=True)
    model = make_pipeline(words, LogisticRegression(C=params["C"]))
    return model.fit(train.column("text"), train.column("intent"))
"""
_WORDS = {
    "billing": "bill invoice charge pay refund fee amount statement debit price",
    "outage": "down slow broken outage network signal offline lost router failing",
    "greeting": "hello thanks morning evening bye cheers welcome hi great nice",
}


def questions(count: int) -> str:
    """A CSV of made-up questions, the same every time, about equally many of each intent."""
    chance, lines, seen = random.Random(7), ["text,intent,channel,length"], set()
    fillers = ("my the is it why please now again today still with for and in very").split()  # noqa: SIM905
    while len(lines) <= count:
        intent = list(_WORDS)[len(lines) % 3]
        words = chance.sample(_WORDS[intent].split(), 2) + chance.sample(fillers, 4)
        chance.shuffle(words)
        text = " ".join(words)
        if text not in seen:
            seen.add(text)
            lines.append(f"{text},{intent},{chance.choice(['chat', 'phone'])},{len(text)}")
    return "\n".join(lines) + "\n"


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
    made.write("data/questions.yaml", EXPECTATIONS)
    made.write("data/questions.csv", questions(240))
    made.write("models/router.py", PIPELINE)
    data.add(made, data.DataAdd(dataset="data/questions"))
    return made
