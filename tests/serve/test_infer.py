"""A model of a release asked directly: what it says, what is recorded of it, and what is kept of its rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from headgate.kernel import InvalidInput, NotFound, RequestRecord, Unavailable, new_trace_id
from headgate.models import Prediction
from headgate.serve import MOST_ROWS, ModelRequest, Snapshot, infer

MINE = "My mail is ann.smith@example.com and my key is AKIAIOSFODNN7EXAMPLE"


class Says:
    """A model that gives what it is told, or raises it."""

    labels = ("a", "b")

    def __init__(self, said: Any) -> None:
        self.said = said

    def predict(self, rows: Sequence[Mapping[str, Any]]) -> list[Prediction]:
        if isinstance(self.said, Exception):
            raise self.said
        return [self.said for _ in rows]


def ask(world: Any, rows: list[Any], path: str = "models/router") -> list[Prediction]:
    return infer(world.snapshot, ModelRequest(new_trace_id(), path, rows, "k1", "s1"), world.runtime)


def told(world: Any, predictor: Any, inputs: tuple[tuple[str, str], ...] = (("text", "text"),)) -> None:
    """Let the release's model be another one."""
    snapshot: Snapshot = world.snapshot
    model = replace(snapshot.models["models/router"], predictor=predictor, inputs=inputs)
    world.snapshot = replace(snapshot, models={model.path: model})


def test_a_row_is_answered_and_recorded(built: Any) -> None:
    found = ask(built, [{"text": "Hello there"}])
    assert [item.label for item in found] == ["smalltalk"]
    model, record = built.snapshot.models["models/router"], built.recorder.last
    assert (record.route, record.label, record.status, record.source) == ("infer", "smalltalk", "answered", "live")
    assert record.model == f"models/router@{model.digest[7:19]}"
    assert (record.release, record.app, record.environment) == (built.snapshot.digest, "support", "prod")
    assert (record.key_id, record.session, record.project) == ("k1", "s1", "acme")
    assert record.payload == {
        "rows": [{"text": "Hello there"}], "predictions": [{"label": "smalltalk", "confidence": 1.0}]
    }  # fmt: skip
    about = record.attributes
    assert (about["model"], about["model_digest"], about["rows"]) == ("models/router", model.digest, 1)
    assert "rows_not_kept" not in about


def test_the_router_of_a_conversation_and_the_model_asked_directly_are_one(built: Any) -> None:
    assert built.snapshot.router.predictor is built.snapshot.models["models/router"].predictor


def test_a_batch_has_no_label_of_its_own(built: Any) -> None:
    ask(built, [{"text": "Hello there"}, {"text": "?"}])
    assert built.recorder.last.label == ""
    assert [item["label"] for item in built.recorder.last.payload["predictions"]] == ["smalltalk", "other"]


def test_texts_are_stored_without_secrets_and_personal_data(built: Any) -> None:
    ask(built, [{"text": MINE}])
    kept = built.recorder.last.payload["rows"][0]["text"]
    assert "ann.smith" not in kept
    assert "AKIA" not in kept
    assert kept.startswith("My mail is ")


def test_categories_are_masked_too_and_searchable_for_one_row(built: Any) -> None:
    told(built, Says(Prediction("a", 0.75, {})), (("text", "text"), ("channel", "category")))
    ask(built, [{"text": "hi", "channel": "ann.smith@example.com"}])
    assert "ann" not in built.recorder.last.attributes["channel"]
    ask(built, [{"text": "hi", "channel": "phone"}])
    assert built.recorder.last.attributes["channel"] == "phone"
    assert built.recorder.last.attributes["confidence"] == 0.75


def test_what_is_kept_of_a_large_batch_is_bounded_and_counted(built: Any) -> None:
    assert len(ask(built, [{"text": f"question {number}"} for number in range(300)])) == 300
    record = built.recorder.last
    assert len(record.payload["rows"]) == len(record.payload["predictions"]) == 200
    assert (record.attributes["rows"], record.attributes["rows_not_kept"]) == (300, 100)


def test_long_texts_are_kept_in_part_and_fewer_of_them(built: Any) -> None:
    ask(built, [{"text": "long " * 2_000} for _ in range(100)])
    rows = built.recorder.last.payload["rows"]
    assert {len(row["text"]) for row in rows} == {2_000}
    assert len(rows) + built.recorder.last.attributes["rows_not_kept"] == 100
    assert sum(len(row["text"]) for row in rows) <= 66_000


def test_too_many_rows_are_refused_before_they_are_looked_at(built: Any) -> None:
    with pytest.raises(InvalidInput, match=f"at most {MOST_ROWS} rows"):
        ask(built, [{"text": "x"}] * (MOST_ROWS + 1))
    assert built.recorder.records == []


def test_a_model_that_the_release_does_not_pin_is_not_found(built: Any) -> None:
    with pytest.raises(NotFound, match=r"did you mean 'models/router'\?"):
        ask(built, [{"text": "x"}], "models/rooter")


def test_a_model_that_breaks_is_an_error_and_recorded(built: Any) -> None:
    told(built, Says(RuntimeError("inside")))
    with pytest.raises(Unavailable, match="RuntimeError") as problem:
        ask(built, [{"text": "x"}])
    assert "inside" not in str(problem.value)
    record = built.recorder.last
    assert (record.status, record.reason, record.http_status) == ("error", "model_failed", 503)
    assert record.payload["predictions"] == []


def test_an_answer_that_is_no_number_names_its_row_and_what_is_missing(built: Any) -> None:
    told(built, Says(Prediction("a", math.nan, {})), (("usage", "number"), ("age", "number")))
    with pytest.raises(InvalidInput, match="row 0: 'age' is missing"):
        ask(built, [{"usage": 1.0, "age": math.nan}])
    assert built.recorder.last.reason == "no_answer"


def test_a_recorder_that_breaks_does_not_take_the_answer_with_it(built: Any) -> None:
    class Broken:
        def record(self, record: RequestRecord) -> None:
            raise OSError("the disk is full")

    built.around(recorder=Broken())
    assert len(ask(built, [{"text": "x"}])) == 1
