"""Conversion: what cannot be converted, or answers differently once converted, is refused with a reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy
import pytest
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import LinearSVC

from headgate.kernel import InvalidInput, Where, blob_digest
from headgate.models import Prediction, Predictor, load_model
from headgate.train.convert import Input, agree, features_of, labels_of, to_onnx

WHERE = Where("models/router.py")
TEXT = [Input("text", "text")]
TOKENS = r"[a-zA-Z0-9]+"
TEXTS = [
    "where is my bill", "bill bill bill again", "the network is down", "no signal no signal here", "hello there",
    "Good MORNING to you", "charge me twice", "router is down and down", "thanks a lot", "refund the charge",
]  # fmt: skip
LABELS = ["billing", "billing", "outage", "outage", "hello", "hello", "billing", "outage", "hello", "billing"]
ROWS = [{"text": text} for text in [*TEXTS, "is the bill down down down", "", "nothing known", None]]


def served(model: Any, inputs: Sequence[Input] = TEXT) -> Predictor:
    content = to_onnx(model, "models/router", inputs, WHERE)
    columns = [{"name": column.name, "type": column.type} for column in inputs]
    labels = labels_of(model, WHERE)
    return load_model({"format": "onnx", "file": blob_digest(content), "labels": labels, "inputs": columns}, content)


CLASSIFIERS = {
    "logistic": LogisticRegression(C=10),
    "bayes": MultinomialNB(),
    "svm": LinearSVC(),
    "sgd": SGDClassifier(loss="log_loss", random_state=0),
}


@pytest.mark.parametrize("sublinear", [False, True])
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_texts_are_answered_as_scikit_learn_answers_them(name: str, sublinear: bool) -> None:
    words = TfidfVectorizer(token_pattern=TOKENS, ngram_range=(1, 2), sublinear_tf=sublinear)
    model = make_pipeline(words, CLASSIFIERS[name]).fit(TEXTS, LABELS)
    found = agree(model, served(model), ROWS, TEXT, WHERE)
    assert (found.rows, found.labels) == (len(ROWS), 1.0)
    assert found.difference < 1e-5


def test_two_labels_and_labels_that_are_numbers_keep_their_order() -> None:
    for labels in (["no", "yes"] * 5, [0, 1] * 5, [False, True] * 5):
        model = make_pipeline(CountVectorizer(token_pattern=TOKENS), LogisticRegression()).fit(TEXTS, labels)
        assert agree(model, served(model), ROWS, TEXT, WHERE).labels == 1.0


def test_a_table_of_numbers_is_joined_from_its_columns() -> None:
    inputs = [Input("b", "number"), Input("a", "number")]
    rows = [
        {
            "a": index % 3,
            "b": float(index),
        }
        for index in range(20)
    ]
    model = LogisticRegression().fit(
        features_of(rows, inputs), ["low" if float(row["b"]) < 9 else "high" for row in rows]
    )
    assert agree(model, served(model, inputs), rows, inputs, WHERE).difference < 1e-5
    with pytest.raises(InvalidInput, match="cannot be called 'features'"):
        to_onnx(model, "m", [Input("features", "number"), Input("a", "number")], WHERE)


def test_what_is_no_classifier_is_refused() -> None:
    for model in (None, "model", TfidfVectorizer(), object(), numpy.zeros(3)):
        with pytest.raises(InvalidInput, match="no fitted classifier"):
            to_onnx(model, "m", TEXT, WHERE)


def test_what_skl2onnx_cannot_convert_is_refused_with_a_hint() -> None:
    model = make_pipeline(
        FunctionTransformer(lambda texts: [text.upper() for text in texts]), CountVectorizer(), MultinomialNB()
    ).fit(TEXTS, LABELS)
    with pytest.raises(InvalidInput, match="cannot be converted") as caught:
        to_onnx(model, "m", TEXT, WHERE)
    assert "no functions of your own" in caught.value.hint
    assert caught.value.where == WHERE


class Liar:
    """A served model that answers otherwise in `wrong` of the rows, or with `shift` on every probability."""

    labels: tuple[str, ...] = ("a", "b")

    def __init__(self, wrong: int, shift: float) -> None:
        self.wrong, self.shift = wrong, shift

    def predict(self, rows: Sequence[Mapping[str, Any]]) -> list[Prediction]:
        return [
            Prediction("b" if index < self.wrong else "a", 0.9, {"a": 0.9 + self.shift, "b": 0.1 - self.shift})
            for index in range(len(rows))
        ]


class Truth:
    """What scikit-learn says: always `a`, with 0.9."""

    classes_ = ("a", "b")

    def predict(self, given: list[str]) -> list[str]:
        return ["a"] * len(given)

    def predict_proba(self, given: list[str]) -> list[tuple[float, float]]:
        return [(0.9, 0.1)] * len(given)


@pytest.mark.parametrize(("wrong", "shift", "good"), [(0, 0.0, True), (1, 0.0, True), (2, 0.0, False),
                                                      (0, 0.0009, True), (0, 0.0011, False)])  # fmt: skip
def test_another_answer_is_refused_beyond_half_a_percent_or_a_thousandth(wrong: int, shift: float, good: bool) -> None:
    rows = [{"text": str(index)} for index in range(200)]
    if good:
        assert agree(Truth(), Liar(wrong, shift), rows, TEXT, WHERE).labels == 1 - wrong / 200
        return
    with pytest.raises(InvalidInput, match="does not answer as scikit-learn's does") as caught:
        agree(Truth(), Liar(wrong, shift), rows, TEXT, WHERE)
    assert "token_pattern" in caught.value.hint
