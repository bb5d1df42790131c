"""Metrics on held-out rows agree with scikit-learn's, in total and by segment."""

from __future__ import annotations

import random

import pytest
from sklearn.metrics import accuracy_score, f1_score

from headgate.models import Prediction
from headgate.train.metrics import by_segment, measure

chance = random.Random(3)
ROWS = [{"intent": chance.choice("abc"), "channel": chance.choice(["chat", "phone", None])} for _ in range(200)]
SAID = [Prediction(label, 0.9, {label: 0.9}) for label in (chance.choice("abcd") for _ in ROWS)]


def expected(places: list[int]) -> dict[str, float]:
    truth, said = [ROWS[place]["intent"] for place in places], [SAID[place].label for place in places]
    return {"accuracy": accuracy_score(truth, said), "f1_macro": f1_score(truth, said, average="macro")}


def test_they_are_scikit_learns() -> None:
    found = measure(ROWS, SAID, "intent")
    assert found.n == 200
    assert found.metrics == pytest.approx(expected(list(range(200))))


def test_every_segment_has_its_support() -> None:
    found = by_segment(ROWS, SAID, "intent", ["channel"])["channel"]
    assert found.keys() == {"", "chat", "phone"}
    for value, one in found.items():
        places = [index for index, row in enumerate(ROWS) if (row["channel"] or "") == value]
        assert one.n == len(places)
        assert one.metrics == pytest.approx(expected(places))


def test_without_rows_there_are_none() -> None:
    assert measure([], [], "intent").metrics == {}
