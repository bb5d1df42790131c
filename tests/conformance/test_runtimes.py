"""What every runtime promises: it answers as the model it was converted from, and refuses bytes that are no model."""

from __future__ import annotations

import pickle
from typing import Any

import numpy
import pytest

from headgate.kernel import Corrupt, InvalidInput, plugins
from headgate.models import load_model

sklearn = pytest.importorskip("sklearn", reason="needs headgate[ml]")
skl2onnx = pytest.importorskip("skl2onnx", reason="needs headgate[ml]")

TEXTS = ["my bill is wrong", "the bill is too high", "send me a new bill", "router is broken", "internet is down"] * 4
INTENTS = ["billing", "billing", "billing", "outage", "outage"] * 4
CHANNELS = ["chat", "email", "chat", "phone", "chat"] * 4
HOURS = [1.0, 2.0, 3.0, 20.0, 22.0] * 4
DOCUMENT = {"format": "onnx", "labels": ["billing", "outage"], "behaviour": 1, "file": "sha256:0"}


def text_model() -> tuple[dict[str, Any], bytes]:
    from skl2onnx.common.data_types import StringTensorType
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    made = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(TEXTS, INTENTS)
    options = {id(made): {"zipmap": False}, TfidfVectorizer: {"locale": "C"}}
    proto = skl2onnx.to_onnx(made, initial_types=[("text", StringTensorType([None, 1]))], options=options)
    return {**DOCUMENT, "inputs": [{"name": "text", "type": "text"}]}, proto.SerializeToString()


def table_model() -> tuple[dict[str, Any], bytes]:
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    rows = numpy.array([[channel, hour] for channel, hour in zip(CHANNELS, HOURS, strict=True)], dtype=object)
    columns = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), [0]), remainder="passthrough")
    made = make_pipeline(columns, LogisticRegression(max_iter=1000)).fit(rows, INTENTS)
    types = [("channel", StringTensorType([None, 1])), ("hour", FloatTensorType([None, 1]))]
    proto = skl2onnx.to_onnx(made, initial_types=types)
    inputs = [{"name": "channel", "type": "category"}, {"name": "hour", "type": "number"}]
    return {**DOCUMENT, "inputs": inputs}, proto.SerializeToString()


@pytest.fixture(params=sorted(plugins.names("runtimes")))
def runtime(request: pytest.FixtureRequest) -> Any:
    found = plugins.load("runtimes", request.param)
    assert isinstance(found.behaviour, int)
    return found


def test_a_text_model_labels_with_confidence() -> None:
    predictor = load_model(*text_model())
    assert predictor.labels == ("billing", "outage")
    first, second = predictor.predict([{"text": "is my bill right"}, {"text": "router down"}])
    assert (first.label, second.label) == ("billing", "outage")
    for prediction in (first, second):
        assert abs(sum(prediction.scores.values()) - 1) < 1e-5
        assert prediction.confidence == max(prediction.scores.values())


def test_a_table_model_takes_numbers_and_categories() -> None:
    predictor = load_model(*table_model())
    rows: list[dict[str, Any]] = [
        {"channel": "chat", "hour": 1},
        {"channel": "never seen", "hour": "22", "unused": "x"},
    ]
    assert [prediction.label for prediction in predictor.predict(rows)] == ["billing", "outage"]


def test_one_row_or_many_give_the_same_scores() -> None:
    predictor = load_model(*text_model())
    rows = [{"text": text} for text in TEXTS]
    together = predictor.predict(rows)
    assert [predictor.predict([row])[0] for row in rows] == together
    assert predictor.predict([]) == []


def test_a_row_that_does_not_fit_is_refused() -> None:
    with pytest.raises(InvalidInput, match="'text' is missing"):
        load_model(*text_model()).predict([{"message": "hello"}])
    with pytest.raises(InvalidInput, match="expected a number"):
        load_model(*table_model()).predict([{"channel": "chat", "hour": "noon"}])


class Trap:
    def __reduce__(self) -> Any:
        return (pytest.fail, ("a blob was unpickled",))


@pytest.mark.parametrize("content", [b"", b"not a model", pickle.dumps(Trap()), b"\x80\x04" + b"x" * 100])
def test_bytes_that_are_no_model_are_corrupt(runtime: Any, content: bytes) -> None:
    document = {**DOCUMENT, "inputs": [{"name": "text", "type": "text"}]}
    with pytest.raises(Corrupt):
        runtime.load(document, content)


def test_a_document_that_does_not_match_is_corrupt() -> None:
    document, content = text_model()
    with pytest.raises(Corrupt, match="takes"):
        load_model({**document, "inputs": [{"name": "question", "type": "text"}]}, content)
    with pytest.raises(Corrupt, match=r"none of its labels|scores for"):
        load_model({**document, "labels": ["x", "y", "z"]}, content).predict([{"text": "bill"}])
    with pytest.raises(Corrupt, match="no runtime"):
        load_model({**document, "format": "pickle"}, content)
