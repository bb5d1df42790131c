"""Metrics over rows against scikit-learn's."""

from __future__ import annotations

import random
from typing import Any

import pytest

from headgate.kernel import InvalidInput
from headgate.measure import Row, Subject, build
from headgate.measure.metrics import auc, class_metric, macro, per_class

sk = pytest.importorskip("sklearn.metrics")


def sample(labels: str, n: int, seed: int) -> list[Row]:
    chance = random.Random(seed)
    rows: list[Row] = []
    for _ in range(n):
        truth = chance.choice(labels)
        # two digits, so that many scores tie
        raw = {label: round(chance.random() + (label == truth) * 0.3, 2) for label in labels}
        total = sum(raw.values())
        scores = {label: value / total for label, value in raw.items()}
        rows.append((truth, max(scores, key=lambda label: scores[label]), scores, {}))
    return rows


@pytest.mark.parametrize("labels", ["ab", "abc", "abcdef"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_metric_agrees_with_scikit_learn(labels: str, seed: int) -> None:
    rows = sample(labels, 200, seed)
    truth, said = [row[0] for row in rows], [row[1] for row in rows]
    for measure in ("precision", "recall", "f1"):
        theirs: Any = getattr(sk, f"{measure}_score")
        assert macro(truth, said, measure) == pytest.approx(theirs(truth, said, average="macro", zero_division=0))
        per_label = theirs(truth, said, average=None, zero_division=0, labels=sorted(set(truth) | set(said)))
        ours = per_class(truth, said)
        assert [ours[label][measure] for label in sorted(ours)] == pytest.approx(list(per_label))
    assert look("accuracy", rows) == pytest.approx(sk.accuracy_score(truth, said))
    assert look("f1-macro", rows) == pytest.approx(sk.f1_score(truth, said, average="macro"))


def look(name: str, rows: list[Any], value: Any = None) -> float:
    return build(name, value).look(Subject(rows=rows)).value


def test_auc_of_two_classes_counts_ties_half() -> None:
    rows = sample("ab", 300, 5)
    truth = [row[0] for row in rows]
    scores = [round(row[2]["b"], 1) for row in rows]
    ours = auc(truth, [{"b": score} for score in scores])
    assert ours == pytest.approx(sk.roc_auc_score([label == "b" for label in truth], scores))
    assert auc(["a", "b"], [{"b": 0.5}, {"b": 0.5}]) == 0.5


def test_auc_of_many_classes_is_one_against_rest() -> None:
    rows = sample("abcd", 300, 6)
    matrix = [[row[2][label] for label in "abcd"] for row in rows]
    theirs = sk.roc_auc_score([row[0] for row in rows], matrix, multi_class="ovr", average="macro", labels=list("abcd"))
    assert look("auc", rows) == pytest.approx(theirs)


def test_auc_of_one_class_is_refused() -> None:
    with pytest.raises(InvalidInput, match="two classes"):
        auc(["a", "a"], [{"a": 1.0}, {"a": 0.5}])


def test_of_two_classes_the_last_one_counts_and_a_class_can_be_named() -> None:
    truth, said = ["no", "no", "yes", "yes"], ["no", "yes", "yes", "yes"]
    assert class_metric(truth, said, "precision") == pytest.approx(2 / 3)
    assert class_metric(truth, said, "recall", "no") == 0.5
    with pytest.raises(InvalidInput, match="maybe"):
        class_metric(truth, said, "recall", "maybe")


def test_a_bound_makes_a_verdict() -> None:
    rows: list[Row] = [("a", "a", {}, {}), ("a", "b", {}, {})]
    assert build("accuracy", 0.5).look(Subject(rows=rows)).passed is True
    assert build("accuracy", "60%").look(Subject(rows=rows)).passed is False
    assert build("accuracy").look(Subject(rows=rows)).passed is None
    assert build("accuracy").look(Subject()).label == "error"
