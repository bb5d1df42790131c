"""MLflow's scoring protocol on a running server: every form that its clients send, and its errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

RISK = "/invocations?model=risk"
ROUTER = "/invocations?model=router"
HIGH, LOW = {"usage": 3, "age": 1}, {"usage": 1, "age": 3}


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_split": {"columns": ["age", "usage"], "data": [[1, 3], [3, 1]]}},
        {"dataframe_split": {"index": [0, 1], "columns": ["usage", "age"], "data": [[3, 1], [1, 3.0]]}},
        {"dataframe_records": [HIGH, LOW]},
        {"instances": [HIGH, LOW]},
        {"instances": [[3, 1], [1, 3]]},
        {"inputs": {"usage": [3, 1], "age": [1, 3]}},
        {"inputs": {"usage": [[3], [1]], "age": [[1], [3]]}},
        {"inputs": [[3, 1], [1, 3]]},
        {"dataframe_records": [HIGH, LOW], "params": {}},
    ],
)
def test_every_form_of_rows_is_read(models: Any, body: Any) -> None:
    status, answer, headers = models.request("POST", RISK, body)
    assert (status, answer) == (200, {"predictions": ["high", "low"]})
    assert headers["x-headgate-release"].startswith("sha256:")


@pytest.mark.parametrize("body", [{"instances": ["Nothing works", "?"]}, {"inputs": {"text": ["Nothing works", "?"]}}])
def test_texts_need_no_name_when_there_is_one_input(models: Any, body: Any) -> None:
    assert models.request("POST", ROUTER, body)[:2] == (200, {"predictions": ["outage", "other"]})


def test_csv_is_read(models: Any) -> None:
    body = b"age,usage\r\n1,3\r\n3,1\r\n"
    headers = {"content-type": "text/csv; charset=utf-8"}
    assert models.request("POST", RISK, body, headers=headers)[:2] == (200, {"predictions": ["high", "low"]})
    body = b'text\n"Nothing works"\n"a, b ""c"""\n'
    assert models.request("POST", ROUTER, body, headers=headers)[1] == {"predictions": ["outage", "other"]}


def test_the_model_is_named_by_header_or_query_with_its_version(models: Any) -> None:
    body = {"instances": ["What?"]}
    headers = {"x-headgate-model": "router@dev"}
    assert models.request("POST", "/invocations", body, headers=headers)[1] == {"predictions": ["old"]}
    assert models.request("POST", "/invocations?model=models%2Frouter@prod", body)[1] == {"predictions": ["other"]}


def test_the_server_tells_that_it_lives(models: Any) -> None:
    assert models.request("GET", "/ping")[0] == 200
    assert models.request("GET", "/health")[0] == 200
    assert models.request("GET", "/version")[1].count(".") == 2


@pytest.mark.parametrize(
    ("path", "body", "status", "code", "message"),
    [
        ("/invocations", {"instances": []}, 400, "INVALID_PARAMETER_VALUE", "name one of risk, router"),
        ("/invocations?model=rsk", {"instances": []}, 404, "RESOURCE_DOES_NOT_EXIST", "did you mean 'risk'?"),
        (RISK, {}, 400, "INVALID_PARAMETER_VALUE", "exactly one of dataframe_split"),
        (RISK, {"instances": [], "inputs": []}, 400, "INVALID_PARAMETER_VALUE", "instances and inputs"),
        (RISK, {"instances": [HIGH], "params": {"a": 1}}, 400, "INVALID_PARAMETER_VALUE", "`params` is not offered"),
        (RISK, {"instances": [{"usage": 1}]}, 400, "INVALID_PARAMETER_VALUE", "row 0: the column 'age' is missing"),
        (RISK, {"instances": [{**HIGH, "agee": 1}]}, 400, "INVALID_PARAMETER_VALUE", "no column 'agee'"),
        (RISK, {"instances": [[1, 2, 3]]}, 400, "INVALID_PARAMETER_VALUE", "row 0 holds 3 values for 2 columns"),
        (
            RISK,
            {"instances": [{**HIGH, "age": "1"}]},
            400,
            "INVALID_PARAMETER_VALUE",
            "'age' holds '1', expected a n",
        ),
        (RISK, {"instances": [{**HIGH, "age": None}]}, 400, "INVALID_PARAMETER_VALUE", "row 0: 'age' is missing"),
        (RISK, {"inputs": {"usage": [1], "age": []}}, 400, "INVALID_PARAMETER_VALUE", "differ in length"),
        (RISK, {"dataframe_split": {"columns": ["age", "age"], "data": []}}, 400, "INVALID_PARAMETER_VALUE", "twice"),
        (RISK, {"dataframe_split": []}, 400, "INVALID_PARAMETER_VALUE", "no object with"),
        (RISK, {"dataframe_records": {}}, 400, "INVALID_PARAMETER_VALUE", "no list of objects"),
        (ROUTER, {"instances": [1]}, 400, "INVALID_PARAMETER_VALUE", "expected a text"),
        (RISK, b"{", 400, "INVALID_PARAMETER_VALUE", "not JSON"),
    ],
)
def test_an_error_has_mlflows_envelope(models: Any, path: str, body: Any, status: int, code: str, message: str) -> None:
    found, answer, _ = models.request("POST", path, body)
    assert (found, sorted(answer)) == (status, ["error_code", "message"])
    assert answer["error_code"] == code
    assert message in answer["message"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "no header"),
        (b"age,usage\n1,x\n", "'usage' holds 'x', expected a number"),
        (b"age,usage\n1\n", "row 0 holds 1 values for 2 columns"),
        (b'age,usage\n"1,2\n', "not CSV"),
        (b"\xff", "not UTF-8"),
        (b"age,use\n1,2\n", "did you mean 'usage'?"),
    ],
)
def test_csv_that_does_not_fit_is_told_why(models: Any, body: bytes, message: str) -> None:
    status, answer, _ = models.request("POST", RISK, body, headers={"content-type": "text/csv"})
    assert status == 400
    assert message in answer["message"]


def test_another_content_type_is_refused(models: Any) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    status, answer, _ = models.request("POST", RISK, b"a=1", headers=form)
    assert status == 415
    assert "send application/json or text/csv" in answer["message"]


def test_an_invocation_is_a_trace(models: Any, shown: Callable[[str], Any]) -> None:
    _, _, headers = models.request("POST", RISK, {"instances": [HIGH]})
    trace = shown(headers["x-headgate-trace"])
    assert trace["label"] == "high"
    assert trace["payload"]["rows"] == [HIGH]
    assert trace["attributes"]["model"] == "models/risk"
