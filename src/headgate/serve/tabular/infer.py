"""The path by which a model of a release answers rows: check → predict → record. Called by the gateway's models.

It is what `execute` is to a conversation: pinned by the same snapshot, surrounded by the same runtime, recorded by the
same recorder. Synchronous, because all of it is computing: the caller decides on which thread it runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from headgate.kernel import HeadgateError, InvalidInput, NotFound, Unavailable, nearest
from headgate.models import Prediction
from headgate.serve.runtime import Runtime
from headgate.serve.snapshot import Snapshot

from .model import Model, ModelRequest
from .record import Scored, record

MOST_ROWS = 10_000
"""The most rows of one request."""


def infer(snapshot: Snapshot, request: ModelRequest, runtime: Runtime) -> list[Prediction]:
    """Return one prediction a row, and record them; labels and scores all come from the snapshot's one model.

    Raises NotFound for a model that the release does not pin, InvalidInput for too many rows or for one that the model
    cannot answer, Unavailable when the model breaks; what breaks is recorded, what was never a question is not.
    """
    model = snapshot.models.get(request.path)
    if model is None:
        hint = nearest(request.path, snapshot.models) or "its app routes without a model"
        raise NotFound(f"the release pins no model {request.path!r}", hint, code="model_not_found")
    if len(request.rows) > MOST_ROWS:
        raise InvalidInput(
            f"{len(request.rows)} rows are too many at once", f"send at most {MOST_ROWS} rows a request", code="rows"
        )
    started, began = runtime.clock.now(), runtime.clock.monotonic()
    problem: HeadgateError | None = None
    try:
        found = _answered(model, request.rows)
    except HeadgateError as raised:
        found, problem = [], raised
    took = int((runtime.clock.monotonic() - began) * 1_000_000)
    with suppress(Exception):  # a recorder that breaks must not take the answer with it
        record(Scored(snapshot, model, request, found, started, took, problem), runtime)
    if problem is not None:
        raise problem
    return found


def _answered(model: Model, rows: Sequence[Mapping[str, Any]]) -> list[Prediction]:
    try:
        found = model.predictor.predict(rows)
    except HeadgateError:
        raise
    except Exception as problem:  # noqa: BLE001  plugin call
        told = f"the model {model.path} broke on these rows ({type(problem).__name__})"
        raise Unavailable(told, "send fewer rows to find the one", code="model_failed") from None
    for number, prediction in enumerate(found):
        if prediction.confidence != prediction.confidence:  # not a number: a value is missing that it cannot do without
            missing = [name for name, sort in model.inputs if sort == "number" and _missing(rows[number].get(name))]
            told = f"the model gives no answer for row {number}" + (f": {missing[0]!r} is missing" if missing else "")
            raise InvalidInput(told, "it was not trained to do without that value", code="no_answer")
    return found


def _missing(value: Any) -> bool:
    return value is None or value != value
