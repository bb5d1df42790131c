"""Label questions: which requests are asked about, in which order, and what a reviewer may say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from headgate.kernel import InvalidInput, NotFound

if TYPE_CHECKING:
    from tests.improve.shop import Shop

pytestmark = pytest.mark.timeout(120)
LABELS = ["billing", "device", "returns", "smalltalk"]


def shown(shop: Shop, review: str) -> dict[str, Any]:
    return shop.do("review.show", {"review_id": review})


def test_a_question_shows_what_the_model_said_and_what_may_be_said(shop: Shop) -> None:
    [trace] = shop.asked(["mail me at someone@example.com about the drone"], attributes={"channel": "email"})
    asked = shop.do("review.ask", {"trace_ids": [trace]})
    assert asked["labels"] == LABELS, "what the dataset's expectations list, not only what the model knows"
    question = shown(shop, asked["opened"][0])["question"]
    assert "someone" not in question["text"]
    assert question["predicted"] == "billing"
    assert question["model"] == "models/router"
    assert question["metadata"] == {"channel": "email"}


def test_a_label_is_one_of_the_datasets_or_the_nearest_is_told(shop: Shop) -> None:
    [review] = shop.do("review.ask", {"trace_ids": shop.asked(["the drone hums"])})["opened"]
    with pytest.raises(InvalidInput, match="no label 'devise'") as caught:
        shop.do("review.decide", {"review_id": review, "label": "devise"})
    assert "device" in caught.value.hint
    with pytest.raises(InvalidInput, match="decided by a label"):
        shop.do("review.decide", {"review_id": review, "answer": "It is a device."})
    assert shown(shop, review)["state"] == "open"
    assert shop.do("review.decide", {"review_id": review, "label": "unclear"})["decision"]["label"] == "unclear"


def test_a_text_is_asked_about_once(shop: Shop) -> None:
    first = shop.do("review.ask", {"trace_ids": shop.asked(["the drone hums", "The  DRONE hums"])})
    assert len(first["opened"]) == 1
    assert first["left_out"] == {"it was asked before": 1}
    again = shop.do("review.ask", {"trace_ids": shop.asked(["the drone hums"])})
    assert again["opened"] == []


def test_the_least_certain_of_an_incident_come_first(shop: Shop) -> None:
    sure, unsure = (
        shop.asked([text], attributes={"confidence": confidence})[0]
        for text, confidence in (("drone one", 0.9), ("drone two", 0.3))
    )
    asked = shop.do("review.ask", {"incident_id": shop.drift([sure, unsure]), "count": 1})
    assert [shown(shop, review)["trace_id"] for review in asked["opened"]] == [unsure]


def test_requests_around_a_drift_incident_are_asked_about_too(shop: Shop) -> None:
    example, *others = shop.asked([f"drone {number}" for number in range(5)])
    asked = shop.do("review.ask", {"incident_id": shop.drift([example])})
    traces = [shown(shop, review)["trace_id"] for review in asked["opened"]]
    assert traces[0] == example
    assert set(traces) == {example, *others}


def test_what_is_gone_or_empty_is_left_out_and_counted(shop: Shop) -> None:
    [kept] = shop.asked(["drone"])
    [empty] = shop.asked([""])
    asked = shop.do("review.ask", {"incident_id": shop.drift([kept, empty, "f" * 32]), "count": 3})
    assert len(asked["opened"]) == 1
    assert asked["left_out"] == {"the trace is gone": 1, "nothing of it was stored": 1}


def test_nothing_to_ask_about_is_said(shop: Shop) -> None:
    with pytest.raises(InvalidInput, match="no request"):
        shop.do("review.ask", {})
    with pytest.raises(NotFound):
        shop.do("review.ask", {"trace_ids": ["f" * 32]})
    with pytest.raises(NotFound):
        shop.do("review.ask", {"incident_id": "inc_none"})


def test_a_prediction_is_asked_about_by_its_row(shop: Shop) -> None:
    payload = {"rows": [{"text": "gimbal hums"}], "predictions": [{"label": "billing", "confidence": 0.4}]}
    traces = shop.asked([""], payload=payload, route="infer", attributes={"model_path": "models/router"})
    [review] = shop.do("review.ask", {"trace_ids": traces})["opened"]
    assert shown(shop, review)["question"]["row"] == {"text": "gimbal hums"}
