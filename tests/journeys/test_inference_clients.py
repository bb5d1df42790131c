"""Models trained for real, asked by the client that Triton has, by a plain socket, and while a release flips."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from headgate.kernel import Principal, new_trace_id
from headgate.platform import Inference, Known, build_gateway, open_project, plain_environment, read_settings
from headgate.testing.served import Served, do, serving

APP = """contract: contracts/support
route:
  model: models/%s
  to:
    default: {human: {reply: prompts/safe}}
fallback: prompts/safe
"""
PIPELINE = """from headgate.train import Pipeline

model = Pipeline(dataset="data/%(data)s", target="%(target)s", features=%(features)s)


@model.fit
def fit(train, params):
%(body)s
"""
TEXT_BODY = """    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    words = TfidfVectorizer(token_pattern=r"[a-zA-Z0-9]+")
    return make_pipeline(words, LogisticRegression(C=10)).fit(train.column("text"), train.column("intent"))
"""
NUMBER_BODY = """    import numpy
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler
    from sklearn.pipeline import make_pipeline

    table = numpy.array([train.column("age"), train.column("usage")]).T
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(table, train.column("risk"))
"""
FILLERS = ("my", "the", "is", "it", "why", "please")
WORDS = {"billing": "bill invoice charge pay refund", "outage": "down slow broken network signal"}
FILES = {
    "headgate.yaml": "headgate: 1\nproject: acme\nenvironments:\n  prod: {}\n",
    "apps/support.yaml": APP % "router",
    "apps/desk.yaml": APP % "risk",
    "contracts/support.yaml": "latency: {p95: 2s}\n",
    "prompts/safe.md": "A person will answer you.\n",
    "models/router.py": PIPELINE % {"data": "questions", "target": "intent", "features": ["text"], "body": TEXT_BODY},
    "models/risk.py": PIPELINE
    % {"data": "customers", "target": "risk", "features": ["age", "usage"], "body": NUMBER_BODY},
    "data/questions.yaml": """source: data/questions.csv
columns:
  text: {type: string, required: true}
  intent: {type: string, required: true}
""",
    "data/customers.yaml": """source: data/customers.csv
columns:
  usage: {type: number, required: true}
  age: {type: number, required: true}
  risk: {type: string, required: true}
""",
}


def tables(swapped: bool = False) -> dict[str, str]:
    """Questions and customers, the same every time. swapped: every intent under the other's name."""
    chance, names = random.Random(5), list(WORDS)
    questions, customers = ["text,intent"], ["usage,age,risk"]
    for number in range(200):
        intent = names[number % 2]
        text = " ".join(
            [*chance.sample(WORDS[intent].split(), 2), *chance.sample(["my", "the", "is", "it", "why", "please"], 3)]
        )
        questions.append(f"{text},{names[1 - number % 2] if swapped else intent}")
        usage, age = chance.uniform(0, 10), chance.uniform(0, 10)
        customers.append(f"{usage:.3f},{age:.3f},{'high' if usage > age else 'low'}")
    return {"data/questions.csv": "\n".join(questions) + "\n", "data/customers.csv": "\n".join(customers) + "\n"}


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")


def train(root: Path, model: str, data: str) -> None:
    do(root, "data.add", {"dataset": f"data/{data}"})
    do(root, "train.run", {"model": f"models/{model}"})


def release(root: Path, app: str) -> str:
    made: str = do(root, "release.create", {"app": app})["digest"]
    return made


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The project with both models trained and served in prod, and a release whose router says the opposite."""
    root = tmp_path_factory.mktemp("trained") / "project"
    write(root, {**FILES, **tables()})
    do(root, "environment.apply", {})
    train(root, "router", "questions")
    train(root, "risk", "customers")
    first = release(root, "support")
    for digest in (first, release(root, "desk")):
        do(root, "release.promote", {"release": digest, "environment": "prod"})
    write(root, {"data/questions.csv": tables(swapped=True)["data/questions.csv"]})
    train(root, "router", "questions")
    return {"root": root, "first": first, "opposite": release(root, "support")}


@pytest.fixture(scope="module")
def server(trained: dict[str, Any]) -> Iterator[Served]:
    with serving(trained["root"]) as found:
        yield found


CLIENT = """
import json, sys
import numpy
import tritonclient.http as triton

client = triton.InferenceServerClient(sys.argv[1])
said = {"live": client.is_server_live(), "ready": client.is_server_ready(), "model": client.is_model_ready("router"),
        "other": client.is_model_ready("rooter"), "metadata": client.get_model_metadata("models/risk"),
        "server": client.get_server_metadata(), "index": client.get_model_repository_index()}
texts = numpy.array(json.loads(sys.argv[2]), dtype=object)
usage, age = (numpy.array(values) for values in json.loads(sys.argv[3]))
for name in ("json", "binary"):
    binary = name == "binary"
    text = triton.InferInput("text", [len(texts), 1], "BYTES")
    text.set_data_from_numpy(texts.reshape(-1, 1), binary_data=binary)
    outputs = [triton.InferRequestedOutput(output, binary_data=binary) for output in ("label", "confidence", "scores")]
    found = client.infer("router", [text], outputs=outputs, request_id="r7", model_version="prod")
    said[name] = {"label": [value.decode() if binary else value for value in found.as_numpy("label").tolist()],
                  "confidence": found.as_numpy("confidence").tolist(), "scores": found.as_numpy("scores").tolist(),
                  "id": found.get_response()["id"]}
    inputs = []
    for column, values, datatype in (("usage", usage, "FP32"), ("age", age, "FP64")):
        inputs.append(triton.InferInput(column, [len(values)], datatype))
        values = values.astype("float32" if datatype == "FP32" else "float64")
        inputs[-1].set_data_from_numpy(values, binary_data=binary)
    found = client.infer("models/risk", inputs)
    said[name]["risk"] = [value.decode() for value in found.as_numpy("label").tolist()]
    said[name]["risk_scores"] = found.as_numpy("scores").tolist()
pending = [client.async_infer("models/risk", inputs) for _ in range(20)]
said["async"] = [len(request.get_result().as_numpy("label")) for request in pending]
try:
    client.infer("risk", inputs[:1])
except triton.InferenceServerException as problem:
    said["refused"] = [problem.status(), problem.message()]
client.close()
print(json.dumps(said))
"""
TEXTS = ["please pay my bill", "the network is down"]
NUMBERS = [[9.0, 1.0, 8.0], [1.0, 9.0, 2.0]]


@pytest.fixture(scope="module")
def said(server: Served) -> Any:
    """What Triton's client was told, in a process of its own: it patches sockets."""
    command = [sys.executable, "-c", CLIENT, server.url.removeprefix("http://"), json.dumps(TEXTS), json.dumps(NUMBERS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=plain_environment(), check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.mark.slow
def test_tritons_client_finds_the_server_and_its_models(said: Any) -> None:
    assert (said["live"], said["ready"], said["model"], said["other"]) == (True, True, True, False)
    assert [item["name"] for item in said["metadata"]["inputs"]] == ["age", "usage"]
    assert said["server"]["name"] == "headgate"
    assert [item["name"] for item in said["index"]] == ["risk", "router"]


@pytest.mark.slow
@pytest.mark.parametrize("form", ["json", "binary"])
def test_tritons_client_is_answered_in_both_forms(said: Any, form: str) -> None:
    found = said[form]
    assert found["label"] == ["billing", "outage"]
    assert found["id"] == "r7"
    assert [max(scores) for scores in found["scores"]] == found["confidence"]
    assert [sum(scores) for scores in found["scores"]] == pytest.approx([1, 1])
    assert found["risk"] == ["high", "low", "high"]
    assert len(found["risk_scores"]) == 3


@pytest.mark.slow
def test_both_forms_say_the_same_to_the_last_bit(said: Any) -> None:
    assert said["json"] == said["binary"]


@pytest.mark.slow
def test_tritons_client_reads_errors_and_asks_many_at_once(said: Any) -> None:
    status, message = said["refused"]
    assert status == "400"
    assert message.startswith("the input 'age' is missing")
    assert said["async"] == [3] * 20


@pytest.mark.slow
def test_a_plain_socket_is_enough(server: Served) -> None:
    body = json.dumps({"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": TEXTS[:1]}]}).encode()
    head = f"POST /v2/models/router/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as wire:
        wire.sendall(head.encode() + b"Connection: close\r\n\r\n" + body)
        answer = b""
        while piece := wire.recv(65536):
            answer += piece
    head, _, said = answer.decode().partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 200 OK")
    assert json.loads(said)["outputs"][0]["data"] == ["billing"]


@pytest.mark.slow
def test_a_rollback_changes_what_clients_are_told_within_two_seconds(trained: dict[str, Any], server: Served) -> None:
    root, body = trained["root"], {"instances": TEXTS}

    def told() -> Any:
        _, answer, headers = server.request("POST", "/invocations?model=router", body)
        return answer["predictions"], headers["x-headgate-release"]

    said = [told()]
    for operation, asked in (
        ("release.promote", {"release": trained["opposite"], "environment": "prod"}),
        ("release.rollback", {"app": "support", "environment": "prod"}),
    ):
        do(root, operation, asked)
        deadline = time.monotonic() + 2
        while said[-1] == (found := told()) and time.monotonic() < deadline:
            time.sleep(0.01)
        said.append(found)
    first, opposite = (["billing", "outage"], trained["first"]), (["outage", "billing"], trained["opposite"])
    assert said == [first, opposite, first]


FLIPS, ROWS, AT_ONCE = 30, 60, 8
ADMIN = Principal("person_a", "acme", frozenset({"admin"}))


@pytest.mark.slow
async def test_no_batch_is_a_mix_of_two_releases(trained: dict[str, Any], tmp_path: Path) -> None:
    """P6 for models: `billing` and `outage` change places with every flip, so a mixed batch would hold both."""
    root = Path(shutil.copytree(trained["root"], tmp_path / "project", ignore=shutil.ignore_patterns("server.json")))
    wanted = {trained["first"]: "billing", trained["opposite"]: "outage"}
    embedded = open_project(root, read_settings({}), writer=True)
    gateway = build_gateway(embedded, embedded.identity())
    await gateway.start()
    inference, running = Inference(gateway), True
    batches: Counter[str] = Counter()
    wrong: list[Any] = []
    answered = asyncio.Semaphore(0)

    async def ask() -> None:
        rows = [{"text": f"please pay my bill {number}"} for number in range(ROWS)]
        while running:
            served = await inference.find(Known(ADMIN), "router")
            found = await inference.run(partial(served.infer, new_trace_id(), rows, "", ""), 10**6)
            labels = {item.label for item in found}
            if labels != {wanted[served.pin.release]} or len(found) != ROWS:
                wrong.append((served.pin, labels))
            batches[served.pin.release] += 1
            answered.release()

    async def flip() -> None:
        for number in range(FLIPS):
            operation, asked = "release.rollback", {"app": "support", "environment": "prod"}
            if number % 2 == 0:
                operation, asked = "release.promote", {"release": trained["opposite"], "environment": "prod"}
            await asyncio.to_thread(embedded.performer.perform, ADMIN, operation, asked)
            for _ in range(2 * AT_ONCE):
                await answered.acquire()

    asking = [asyncio.create_task(ask()) for _ in range(AT_ONCE)]
    try:
        await flip()
    finally:
        running = False
        await asyncio.gather(*asking)
        await gateway.close()
        inference.close()
        embedded.close()
    assert wrong == []
    assert min(batches.values()) > FLIPS, batches
    assert len(batches) == 2
