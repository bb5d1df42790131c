"""A model whose training data is stored, and requests that it routed or rows that it answered, as they are recorded."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from typing import Any

from headgate import artifacts
from headgate.data import encode_rows
from headgate.kernel import Draft, Principal, RequestRecord, Where, blob_digest
from headgate.models import load_model
from headgate.store import Context, Store, Transaction
from headgate.testing import FakeClock
from headgate.train.convert import Input, to_onnx

PROJECT = "acme"
RELEASE = "sha256:" + "a" * 64
_WORDS = {
    "billing": "bill invoice charge pay refund fee amount statement debit price late due",
    "outage": "down slow broken outage network signal offline lost router failing weak dead",
    "greeting": "hello thanks morning evening bye cheers welcome great nice lovely good day",
}
WATCHES = [f"how do I pair my new smartwatch with my {colour} phone" for colour in ("red", "blue", "old", "second")]


def questions(rows: int, seed: int) -> list[dict[str, Any]]:
    """Return rows of a training set: a text and its intent."""
    draw = random.Random(seed)
    made = []
    for _ in range(rows):
        intent = draw.choice(sorted(_WORDS))
        words = draw.sample(_WORDS[intent].split(), draw.randint(3, 6))
        row = {
            "text": f"{' '.join(words)} please",
            "hour": draw.randint(8, 18),
            "channel": draw.choice(["web", "phone"]),
        }
        made.append({**row, "intent": intent})
    return made


@lru_cache(maxsize=1)
def router() -> tuple[bytes, tuple[str, ...]]:
    """Return a trained router as ONNX, and its labels."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    rows = questions(400, 1)
    fitted = make_pipeline(TfidfVectorizer(token_pattern=r"[a-zA-Z0-9]+"), LogisticRegression(C=10))
    fitted.fit([row["text"] for row in rows], [row["intent"] for row in rows])
    content = to_onnx(fitted, "models/router", [Input("text", "text")], Where("models/router.py"))
    return content, tuple(str(label) for label in fitted.classes_)


def register(
    store: Store, rows: Sequence[Mapping[str, Any]], inputs: Mapping[str, str], path: str, held: int = 0
) -> str:
    """Store a model and the dataset that it was trained on; return the model's digest."""
    content, labels = router()
    data, holdout = encode_rows([dict(row) for row in rows]), encode_rows([dict(row) for row in rows[:held]])
    types = {"text": "string", "category": "string", "number": "number"}
    columns = [{"name": name, "type": types[sort]} for name, sort in inputs.items()]
    dataset = Draft(
        "dataset", 1, f"data/{path}", {"columns": columns, "rows": len(rows), "file": blob_digest(data)},
        {blob_digest(data): data},
    )  # fmt: skip
    document: dict[str, Any] = {
        "format": "onnx", "file": blob_digest(content), "labels": list(labels), "behaviour": 1,
        "inputs": [{"name": name, "type": "text" if sort == "category" else sort} for name, sort in inputs.items()],
    }  # fmt: skip
    about = {"dataset": dataset.digest, "holdout": {"file": blob_digest(holdout), "rows": held}}
    model = Draft("model", 1, path, document, {document["file"]: content, blob_digest(holdout): holdout}, about=about)
    with store.records.begin() as tx:
        for draft in (dataset, model):
            artifacts.put(tx, store.blobs, PROJECT, draft, "person_a", 1.0)
    return model.digest


@dataclass
class Traffic:
    """Records requests of one app, a second apart."""

    store: Store
    clock: FakeClock
    model: str = ""
    environment: str = "prod"
    project: str = PROJECT

    def __post_init__(self) -> None:
        content, labels = router()
        inputs = [{"name": "text", "type": "text"}]
        self._predict = load_model({"format": "onnx", "labels": labels, "inputs": inputs}, content).predict
        self._numbers = count(1)

    def ask(self, texts: Sequence[str], **changes: Any) -> list[str]:
        """Record a conversation a text, routed by the model; return the trace ids."""
        found = self._predict([{"text": text} for text in texts]) if texts else []
        return [
            self._record(
                {
                    "label": said.label,
                    "payload": {"messages": [{"role": "user", "content": text}], "answer": "so it is"},
                    "attributes": {**self._about(), "confidence": round(said.confidence, 4)},
                    **changes,
                }
            )
            for text, said in zip(texts, found, strict=True)
        ]

    def infer(self, rows: Sequence[Mapping[str, Any]], **changes: Any) -> str:
        """Record one inference of many rows; return its trace id."""
        said = [{"label": "billing", "confidence": 0.9} for _ in rows]
        payload = {"rows": [dict(row) for row in rows], "predictions": said}
        return self._record({"route": "infer", "label": "", "payload": payload, "attributes": self._about(), **changes})

    def _about(self) -> dict[str, Any]:
        return {"model_path": "models/router", "model_digest": self.model}

    def _record(self, changes: Mapping[str, Any]) -> str:
        self.clock.advance(0.25)
        plain: dict[str, Any] = {
            "trace_id": f"{next(self._numbers) * 2654435761 % 2**32:08x}{'0' * 24}", "project": self.project,
            "at": self.clock.now(), "app": "support", "environment": self.environment, "release": RELEASE,
            "source": "live", "route": "default", "model": "local/extractive", "status": "answered", "reason": "",
        }  # fmt: skip
        record = RequestRecord(**{**plain, **changes})
        self.store.spans.record(record)
        return record.trace_id


def context(store: Store, tx: Transaction, clock: FakeClock, project: str = PROJECT) -> Context:
    return Context(tx, Principal("person_a", project, frozenset({"admin"})), clock, store)
