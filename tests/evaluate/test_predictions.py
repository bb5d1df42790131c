"""Classical models are judged on their held-out rows, in total and per segment."""

from __future__ import annotations

from headgate.evaluate.predictions import Row, metrics_of, segments_of


def rows() -> list[Row]:
    """40 rows of two classes; chat is all right, letters are half wrong."""
    found: list[Row] = []
    for index in range(40):
        truth = ("yes", "no")[index % 2]
        channel = "letter" if index < 10 else "chat"
        wrong = channel == "letter" and index % 4 < 2
        said = truth if not wrong else ("no" if truth == "yes" else "yes")
        sure = 0.9 if said == "yes" else 0.1
        found.append((truth, said, {"yes": sure, "no": 1 - sure}, {"channel": channel}))
    return found


def test_the_metrics_are_those_of_measure() -> None:
    found = metrics_of(rows())
    assert found["accuracy"] == 34 / 40
    assert 0 < found["f1_macro"] < 1


def test_segments_carry_their_support() -> None:
    found = segments_of(rows(), "channel")
    assert {name: group["n"] for name, group in found.items()} == {"chat": 30, "letter": 10}
    assert found["chat"]["metrics"]["accuracy"] == 1.0
    assert found["letter"]["metrics"]["accuracy"] == 0.4
