"""Open Inference Protocol v2 on a running server: its routes, names and versions, errors, keys and traces."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

INFER = "/v2/models/router/infer"


def texts(*values: str, **more: Any) -> dict[str, Any]:
    return {"inputs": [{"name": "text", "shape": [len(values)], "datatype": "BYTES", "data": list(values)}], **more}


def numbers(usage: list[Any], age: list[Any]) -> dict[str, Any]:
    named = (("usage", usage), ("age", age))
    return {"inputs": [{"name": n, "shape": [len(v)], "datatype": "FP64", "data": v} for n, v in named]}


def outputs(answer: Any) -> dict[str, Any]:
    return {item["name"]: item for item in answer["outputs"]}


def test_the_server_tells_about_itself(models: Any) -> None:
    assert models.request("GET", "/v2/health/live")[:2] == (200, {"live": True})
    assert models.request("GET", "/v2/health/ready")[:2] == (200, {"ready": True})
    status, about, _ = models.request("GET", "/v2")
    assert (status, about["name"]) == (200, "headgate")
    assert "binary_tensor_data" in about["extensions"]


def test_models_are_listed_with_their_versions(models: Any) -> None:
    status, index, _ = models.request("POST", "/v2/repository/index", {})
    assert status == 200
    served = {(item["name"], item["version"], item["state"]) for item in index}
    assert served == {("router", "prod", "READY"), ("router", "dev", "READY"), ("risk", "prod", "READY")}
    assert models.request("GET", "/v2/models")[1] == {"models": ["risk", "router"]}


@pytest.mark.parametrize("name", ["risk", "models/risk", "models%2Frisk", "risk/versions/prod", "risk@prod"])
def test_a_model_tells_what_it_takes_and_gives(models: Any, name: str) -> None:
    status, about, _ = models.request("GET", f"/v2/models/{name}")
    assert status == 200
    assert about["platform"] == "onnx_onnxv1"
    assert about["versions"] == ["prod"]
    assert about["inputs"] == [{"name": n, "datatype": "FP64", "shape": [-1]} for n in ("usage", "age")]
    assert [(item["name"], item["datatype"], item["shape"]) for item in about["outputs"]] == [
        ("label", "BYTES", [-1]), ("confidence", "FP64", [-1]), ("scores", "FP64", [-1, 2])
    ]  # fmt: skip
    assert json.loads(about["outputs"][2]["parameters"]["labels"]) == ["high", "low"]
    assert models.request("GET", f"/v2/models/{name}/ready")[0] == 200


def test_texts_are_answered(models: Any) -> None:
    status, answer, headers = models.request("POST", INFER, texts("Nothing works", "What?", id="a7"))
    assert status == 200
    assert (answer["model_name"], answer["model_version"], answer["id"]) == ("router", "prod", "a7")
    found = outputs(answer)
    assert found["label"] == {"name": "label", "datatype": "BYTES", "shape": [2], "data": ["outage", "other"]}
    assert found["confidence"]["data"] == [1.0, 1.0]
    assert found["scores"]["shape"] == [2, 3]
    assert json.loads(found["scores"]["parameters"]["labels"]) == ["billing", "other", "outage"]
    assert found["scores"]["data"] == [0.0, 0.0, 1.0, 0.0, 1.0, 0.0]
    assert headers["x-headgate-release"].startswith("sha256:")
    assert len(headers["x-headgate-trace"]) == 32


def test_numbers_are_answered_with_scores(models: Any) -> None:
    _, answer, _ = models.request("POST", "/v2/models/risk/infer", numbers([3.0, 1.0], [1.0, 3.0]))
    found = outputs(answer)
    assert found["label"]["data"] == ["high", "low"]
    high, low, *_ = found["scores"]["data"]
    assert high == found["confidence"]["data"][0] > 0.9
    assert high + low == pytest.approx(1)


def test_only_the_outputs_asked_for_are_given(models: Any) -> None:
    _, answer, _ = models.request("POST", INFER, texts("x", outputs=[{"name": "confidence"}]))
    assert [item["name"] for item in answer["outputs"]] == ["confidence"]


def test_outputs_may_be_bytes_one_by_one(models: Any) -> None:
    wanted = [{"name": "label", "parameters": {"binary_data": True}}, {"name": "confidence"}]
    status, text, headers = models.request("POST", INFER, texts("Nothing works", outputs=wanted))
    length = int(headers["inference-header-content-length"])
    found = outputs(json.loads(text[:length]))
    assert (status, headers["content-type"]) == (200, "application/octet-stream")
    assert found["label"]["parameters"] == {"binary_data_size": 10}
    assert "data" not in found["label"]
    assert found["confidence"]["data"] == [1.0]
    assert text[length:].encode() == b"\x06\x00\x00\x00outage"


def test_a_version_is_an_environment_or_a_release(models: Any) -> None:
    path = "/v2/models/router/versions/{}/infer"
    _, old, headers = models.request("POST", path.format("dev"), texts("What?"))
    assert (outputs(old)["label"]["data"], old["model_version"]) == (["old"], "dev")
    release = headers["x-headgate-release"]
    for version in (release, release.removeprefix("sha256:")[:10]):
        status, again, headers = models.request("POST", path.format(version), texts("What?"))
        assert (status, outputs(again)["label"]["data"]) == (200, ["old"])
        assert headers["x-headgate-release"] == release


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        ("/v2/models/roter/infer", texts("x"), 404, "did you mean 'router'?"),
        ("/v2/models/router/versions/stage/infer", texts("x"), 404, "its versions are dev, prod"),
        ("/v2/models/router/versions/deadbeef00/infer", texts("x"), 404, "no release begins with 'deadbeef00'"),
        (INFER, {"inputs": []}, 400, "the input 'text' is missing"),
        (INFER, [], 400, "not a JSON object"),
        (INFER, texts("x", outputs=[{"name": "lable"}]), 400, "did you mean 'label'?"),
        (INFER, texts("x", outputs=[{"name": "label", "parameters": {"classification": 2}}]), 400, "classification"),
        ("/v2/models/risk/infer", numbers([1.0], [None]), 400, "row 0: 'age' is missing"),
        ("/v2/models/risk/infer", b'{"inputs": [NaN]}', 400, "the body is not JSON"),
        ("/v2/repository/models/router/load", {}, 400, "models come and go with releases"),
        ("/v2/nothing", {}, 404, "there is nothing at /v2/nothing"),
    ],
)
def test_an_error_has_the_envelope_of_the_protocol(
    models: Any, path: str, body: Any, status: int, message: str
) -> None:
    found, answer, _ = models.request("POST", path, body)
    assert (found, list(answer)) == (status, ["error"])
    assert message in answer["error"]


@pytest.mark.parametrize("length", ["x", "0", "99999"])
def test_a_header_that_does_not_say_where_the_json_ends_is_refused(models: Any, length: str) -> None:
    headers = {"inference-header-content-length": length}
    status, answer, _ = models.request("POST", INFER, texts("x"), headers=headers)
    assert status == 400
    assert "Inference-Header-Content-Length" in answer["error"]


def test_the_method_is_checked(models: Any) -> None:
    status, answer, headers = models.request("GET", INFER)
    assert (status, headers["allow"]) == (405, "POST")
    assert "takes POST" in answer["error"]


def test_a_batch_beyond_the_limit_is_refused(models: Any) -> None:
    status, answer, _ = models.request("POST", INFER, texts(*["x"] * 10_001))
    assert status == 400
    assert "at most 10000 rows" in answer["error"]


def test_a_large_batch_is_answered_whole(models: Any) -> None:
    sent = ["Nothing works", "What?"] * 5_000
    status, answer, _ = models.request("POST", INFER, texts(*sent))
    assert status == 200
    assert outputs(answer)["label"]["data"] == ["outage", "other"] * 5_000


def test_an_answer_is_a_trace_without_secrets(models: Any, shown: Callable[[str], Any]) -> None:
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    parent = {"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01", "x-headgate-session": "s9"}
    sent = texts("Nothing works", "Write to ann.smith@example.com, key AKIAIOSFODNN7EXAMPLE")
    _, _, headers = models.request("POST", INFER, sent, headers=parent)
    assert headers["x-headgate-trace"] == trace_id
    trace = shown(trace_id)
    assert trace["summary"]["route"] == "infer"
    assert trace["summary"]["release"] == headers["x-headgate-release"]
    assert trace["summary"]["question"] == "Nothing works and 1 more rows"
    assert trace["session"] == "s9"
    assert trace["attributes"]["rows"] == 2
    assert [item["label"] for item in trace["payload"]["predictions"]] == ["outage", "other"]
    assert "ann.smith" not in json.dumps(trace)
    assert "AKIA" not in json.dumps(trace)


def test_answers_are_counted(models: Any) -> None:
    models.request("POST", INFER, texts("a", "b", "c"))
    text = models.request("GET", "/metrics")[1]
    assert 'headgate_predictions_total{app="support",environment="prod"}' in text
    models.request("POST", INFER, {})
    assert 'headgate_http_errors_total{route="/v2",status="400"}' in models.request("GET", "/metrics")[1]


def test_apps_with_different_models_of_one_name_must_be_told_apart(
    modelled_copy: Path, serving: Any, put: Any, promote: Any
) -> None:
    desk = modelled_copy / "apps/desk.yaml"
    desk.write_text(desk.read_text().replace("models/risk", "models/router"))
    put(modelled_copy, "models/router", "newest")
    promote(modelled_copy, "desk")
    with serving(modelled_copy) as server:
        status, answer, _ = server.request("POST", INFER, texts("What?"))
        assert status == 400
        assert "name a version: desk@prod, support@prod" in answer["error"]
        path = "/v2/models/router/versions/desk@prod/infer"
        assert outputs(server.request("POST", path, texts("What?"))[1])["label"]["data"] == ["newest"]
        _, about, _ = server.request("GET", "/v2/models/router/versions/dev")
        assert about["versions"] == ["desk@prod", "support@dev", "support@prod"]


def test_keys_decide_who_asks(modelled_copy: Path, serving: Any, do: Any) -> None:
    tokens = {role: do(modelled_copy, "key.create", {"person": f"p-{role}", "role": [role]})["token"]
              for role in ("app", "viewer", "engineer")}  # fmt: skip
    digest = do(modelled_copy, "release.list", {"app": "support"})["releases"][0]["digest"]
    release = f"/v2/models/router/versions/{digest}/infer"
    with serving(modelled_copy) as server:
        assert server.request("POST", INFER, texts("x"))[0] == 401
        assert server.request("GET", "/v2/models/router")[0] == 401
        assert server.request("GET", "/v2/health/ready")[0] == 200
        assert server.request("POST", INFER, texts("x"), key="hg_wrong")[0] == 401
        status, answer, _ = server.request("POST", INFER, texts("x"), key=tokens["viewer"])
        assert (status, list(answer)) == (403, ["error"])
        assert server.request("POST", INFER, texts("x"), key=tokens["app"])[0] == 200
        assert server.request("POST", release, texts("x"), key=tokens["app"])[0] == 403
        assert server.request("POST", release, texts("x"), key=tokens["engineer"])[0] == 200
