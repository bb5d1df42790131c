"""Open Inference Protocol v2 over REST, with the binary tensor extension: models of a release as KServe and Triton
clients expect them. Called by the app for everything under `/v2`.

Errors have the protocol's envelope. Which release answers is the gateway's business; nothing is loaded here.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from headgate.http.bodies import CHAT_LIMIT, decode_object
from headgate.http.exchange import Exchange, WrongMethod, encode
from headgate.kernel import HeadgateError, InvalidInput, NotFound, nearest
from headgate.platform import Known, Prediction, Served

from .scoring import Ask, Content, Scoring
from .tensors import invalid, packed, rows_of

PREFIX = "/v2"
_MODELS = "/v2/models/"
_LENGTH = "inference-header-content-length"
_DATATYPES = {"number": "FP64"}
_PLATFORMS = {"onnx": "onnx_onnxv1"}


class OpenInference:
    """The routes under `/v2`. `ready` tells whether the server is."""

    def __init__(self, scoring: Scoring, version: str, ready: Callable[[], bool]) -> None:
        self.scoring, self.inference, self.ready = scoring, scoring.inference, ready
        extensions = ["binary_tensor_data", "model_repository"]
        self.about = {"name": "headgate", "version": version, "extensions": extensions}

    async def run(self, exchange: Exchange, known: Callable[[], Awaitable[Known]]) -> None:
        """Answer one request; `known` finds out who calls, and raises for nobody we know."""
        path = exchange.path.rstrip("/")
        if path.startswith(_MODELS):
            await self._model(exchange, await known())
        elif path == "/v2/models":
            _only(exchange, "GET")
            await exchange.json(
                200, {"models": sorted({_name(item) for item in await self.inference.listed(await known())})}
            )
        elif path == "/v2/repository/index":
            _only(exchange, "POST")
            await self._index(exchange, await known())
        elif path in ("/v2", "/v2/health/live", "/v2/health/ready"):
            _only(exchange, "GET")
            await self._server(exchange, path)
        else:
            raise _nothing(path)

    async def _server(self, exchange: Exchange, path: str) -> None:
        """Answer about the server, without a key: orchestrators ask."""
        if path == "/v2":
            await exchange.json(200, self.about)
        elif path.endswith("live"):
            await exchange.json(200, {"live": True})
        else:
            ready = self.ready()
            await exchange.json(200 if ready else 503, {"ready": ready})

    async def _index(self, exchange: Exchange, known: Known) -> None:
        await exchange.body(CHAT_LIMIT)
        listed = await self.inference.listed(known)
        data = [{"name": _name(item), "version": item.version, "state": "READY", "reason": ""} for item in listed]
        await exchange.json(200, data)

    async def _model(self, exchange: Exchange, known: Known) -> None:
        name, version, verb = _parsed(exchange.path)
        if verb == "infer":
            _only(exchange, "POST")
            served = await self.inference.find(known, name, version)
            await self.scoring.answer(exchange, known, served, _Codec(name, version or served.version))
            return
        _only(exchange, "GET")
        served = await self.inference.find(known, name, version)
        if verb == "ready":
            await exchange.json(200, {"name": name, "ready": True})
            return
        versions = [item.version for item in await self.inference.listed(known) if item.model.path == served.model.path]
        await exchange.json(200, _metadata(served, name, versions))


@dataclass(frozen=True, slots=True)
class _Codec:
    """Reads an inference request and writes its response; runs on whatever thread the gateway chose."""

    name: str
    version: str

    def __call__(self, body: bytes, ask: Ask) -> Content:
        asked, binary = _split(body, ask.headers.get(_LENGTH))
        model = ask.served.model
        wanted = _wanted(asked)
        found = ask.infer(rows_of(asked.get("inputs"), binary, model.inputs))
        outputs, tail = [], []
        for name, as_bytes in wanted.items():
            datatype, shape, values, parameters = _output(name, found, model.labels)
            tensor: dict[str, Any] = {"name": name, "datatype": datatype, "shape": shape}
            if as_bytes:
                tail.append(packed(datatype, values))
                parameters = {**parameters, "binary_data_size": len(tail[-1])}
            else:
                tensor["data"] = values
            outputs.append({**tensor, "parameters": parameters} if parameters else tensor)
        answer: dict[str, Any] = {"model_name": self.name, "model_version": self.version, "outputs": outputs}
        if isinstance(asked.get("id"), str):
            answer["id"] = asked["id"][:256]
        head = encode(answer)
        if not tail:
            return head, b"application/json", []
        length = (b"inference-header-content-length", str(len(head)).encode())
        return head + b"".join(tail), b"application/octet-stream", [length]


def _split(body: bytes, declared: str | None) -> tuple[dict[str, Any], bytes]:
    """Return the request's JSON and the bytes after it."""
    if declared is None:
        return decode_object(body), b""
    if not declared.isdigit() or not 0 < int(declared) <= len(body):
        raise invalid("Inference-Header-Content-Length is not the length of the JSON in this body")
    length = int(declared)
    return decode_object(body[:length]), body[length:]


_OUTPUTS = ("label", "confidence", "scores")


def _wanted(asked: Mapping[str, Any]) -> dict[str, bool]:
    """Return which outputs are wanted, in order, and whether each as bytes."""
    parameters = asked.get("parameters")
    general = isinstance(parameters, dict) and parameters.get("binary_data_output") is True
    outputs = asked.get("outputs")
    if outputs is None or outputs == []:
        return dict.fromkeys(_OUTPUTS, general)
    if not isinstance(outputs, list) or not all(isinstance(item, dict) for item in outputs):
        raise invalid("`outputs` is no list of tensors", f"the model gives {', '.join(_OUTPUTS)}")
    wanted = {}
    for item in outputs:
        name, about = str(item.get("name"))[:80], item.get("parameters")
        about = about if isinstance(about, dict) else {}
        if name not in _OUTPUTS:
            raise invalid(f"the model has no output {name!r}", nearest(name, _OUTPUTS))
        if about.get("classification"):
            raise invalid("the classification extension is not offered", "ask for `scores`")
        wanted[name] = about["binary_data"] is True if "binary_data" in about else general
    return wanted


def _output(
    name: str, found: Sequence[Prediction], labels: tuple[str, ...]
) -> tuple[str, list[int], list[Any], dict[str, Any]]:
    """Return datatype, shape, flat values (row by row) and parameters of an output."""
    if name == "label":
        return "BYTES", [len(found)], [item.label for item in found], {}
    if name == "confidence":
        return "FP64", [len(found)], [item.confidence for item in found], {}
    values = [item.scores.get(label, 0.0) for item in found for label in labels]
    return "FP64", [len(found), len(labels)], values, {"labels": _labels(labels)}


@lru_cache(maxsize=256)
def _labels(labels: tuple[str, ...]) -> str:
    """Return labels as one text, a JSON list: the protocol's parameters hold texts, numbers and booleans only."""
    return json.dumps(list(labels), ensure_ascii=False)


def _metadata(served: Served, name: str, versions: Sequence[str]) -> dict[str, Any]:
    model = served.model
    scores = {"name": "scores", "datatype": "FP64", "shape": [-1, len(model.labels)]}
    return {
        "name": name,
        "versions": list(versions),
        "platform": _PLATFORMS.get(model.format, model.format),
        "inputs": [
            {"name": input_name, "datatype": _DATATYPES.get(sort, "BYTES"), "shape": [-1]}
            for input_name, sort in model.inputs
        ],
        "outputs": [
            {"name": "label", "datatype": "BYTES", "shape": [-1]},
            {"name": "confidence", "datatype": "FP64", "shape": [-1]},
            {**scores, "parameters": {"labels": _labels(model.labels)}},
        ],
    }


def _name(served: Served) -> str:
    return served.model.path.removeprefix("models/")


def _parsed(path: str) -> tuple[str, str, str]:
    """Return name, version and verb (`infer`, `ready` or '') of a path under `/v2/models/`."""
    rest = path.removeprefix(_MODELS).rstrip("/")
    name, _, verb = rest.rpartition("/")
    if verb not in ("infer", "ready") or not name:
        name, verb = rest, ""
    before, marker, version = name.rpartition("/versions/")
    return (before, version, verb) if marker else (name, "", verb)


def _only(exchange: Exchange, method: str) -> None:
    if exchange.method != method and not (exchange.method == "HEAD" and method == "GET"):
        raise WrongMethod(exchange.path[:200], method)


def _nothing(path: str) -> HeadgateError:
    if path.startswith("/v2/repository/"):
        return InvalidInput("models come and go with releases", "promote or roll back a release", code="not_offered")
    return NotFound(f"there is nothing at {path[:200]}", "see /v2/models")


def error_body(error: HeadgateError) -> dict[str, Any]:
    """Return an error in the protocol's envelope."""
    return {"error": str(error)}
