"""A project of two models, promoted for real, and servers of it: `router` reads texts, `risk` reads numbers."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from headgate.artifacts import Lock, ModelEntry
from headgate.kernel import Draft, blob_digest
from headgate.platform import open_project, read_settings
from headgate.testing.served import Served, do, serving

APP = """contract: contracts/support
route:
  model: models/%s
  to:
    default: {human: {reply: prompts/safe}}
fallback: prompts/safe
"""
FILES = {
    "headgate.yaml": "headgate: 1\nproject: acme\nenvironments:\n  dev: {}\n  prod: {}\n",
    "apps/support.yaml": APP % "router",
    "apps/desk.yaml": APP % "risk",
    "contracts/support.yaml": "latency: {p95: 2s}\n",
    "models/router.py": "# its model is put there by the tests, not trained\n",
    "models/risk.py": "# its model is put there by the tests, not trained\n",
    "prompts/safe.md": "A person will answer you.\n",
}
LABELS = {"My bill is wrong": "billing", "Nothing works": "outage"}
RISKS = ("high", "low")


def text_model(answers: Mapping[str, str], default: str) -> tuple[bytes, dict[str, Any]]:
    """An ONNX model that knows some texts by heart; it gives labels and no scores."""
    from onnx import TensorProto, helper

    node = helper.make_node(
        "LabelEncoder", ["text"], ["column"], domain="ai.onnx.ml",
        keys_strings=list(answers), values_strings=list(answers.values()), default_string=default,
    )  # fmt: skip
    graph = helper.make_graph(
        [node, helper.make_node("Reshape", ["column", "shape"], ["label"])], "router",
        [helper.make_tensor_value_info("text", TensorProto.STRING, [None, 1])],
        [helper.make_tensor_value_info("label", TensorProto.STRING, [None])],
        [helper.make_tensor("shape", TensorProto.INT64, [1], [-1])],
    )  # fmt: skip
    labels = sorted({*answers.values(), default})
    return _bytes(graph), {"labels": labels, "inputs": [{"name": "text", "type": "text"}]}


def number_model(weight: float = 1.0) -> tuple[bytes, dict[str, Any]]:
    """An ONNX model of two numbers: `high` when weight × usage exceeds age, as a logistic regression would say it."""
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("Concat", ["usage", "age"], ["both"], axis=1),
        helper.make_node(
            "LinearClassifier", ["both"], ["label", "scores"], domain="ai.onnx.ml", post_transform="SOFTMAX",
            classlabels_strings=list(RISKS), coefficients=[weight, -1.0, -weight, 1.0], intercepts=[0.0, 0.0],
        ),
    ]  # fmt: skip
    graph = helper.make_graph(
        nodes, "risk",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 1]) for name in ("usage", "age")],
        [helper.make_tensor_value_info("label", TensorProto.STRING, [None]),
         helper.make_tensor_value_info("scores", TensorProto.FLOAT, [None, 2])],
    )  # fmt: skip
    inputs = [{"name": "usage", "type": "number"}, {"name": "age", "type": "number"}]
    return _bytes(graph), {"labels": list(RISKS), "inputs": inputs}


def _bytes(graph: Any) -> bytes:
    from onnx import helper

    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 2)]
    content: bytes = helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()
    return content


def put(root: Path, path: str, made: tuple[bytes, dict[str, Any]]) -> str:
    """Register and lock a model as if it had been trained; return its digest."""
    from headgate import artifacts

    content, about = made
    file = blob_digest(content)
    draft = Draft("model", 1, path, {"format": "onnx", "file": file, "behaviour": 1, **about}, {file: content})
    embedded = open_project(root, read_settings({}))
    try:
        with embedded.store.records.begin() as tx:
            artifacts.put(tx, embedded.store.blobs, "acme", draft, "person_a", 1.0)
    finally:
        embedded.close()
    nothing = "sha256:" + "0" * 64
    entry = ModelEntry(digest=draft.digest, data="data/none", dataset=nothing, code=nothing, seed=0)
    Lock.update(root, "models", path, entry)
    return draft.digest


def promote(root: Path, app: str, environment: str = "prod") -> str:
    made: str = do(root, "release.create", {"app": app, "allow_stale": True})["digest"]
    do(root, "release.promote", {"release": made, "environment": environment})
    return made


@pytest.fixture(scope="session")
def modelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project: `support` serves `router` in prod and an older one in dev; `desk` serves `risk` in prod."""
    root = tmp_path_factory.mktemp("modelled") / "project"
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    do(root, "environment.apply", {})
    put(root, "models/risk", number_model())
    put(root, "models/router", text_model(LABELS, "old"))
    promote(root, "support", "dev")
    promote(root, "desk")
    put(root, "models/router", text_model(LABELS, "other"))
    promote(root, "support")
    return root


@pytest.fixture
def modelled_copy(modelled: Path, tmp_path: Path) -> Path:
    """A copy of the project that a test may change."""
    return Path(shutil.copytree(modelled, tmp_path / "project"))


@pytest.fixture(scope="session")
def models(modelled: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server without keys: this machine needs none."""
    with serving(Path(shutil.copytree(modelled, tmp_path_factory.mktemp("models") / "project"))) as found:
        yield found


@pytest.fixture
def shown(models: Served) -> Callable[[str], Any]:
    """Ask the server for a trace until it has it."""

    def show(trace_id: str) -> Any:
        deadline = time.monotonic() + 5
        while (found := models.request("GET", f"/api/trace/show?trace_id={trace_id}"))[0] != 200:
            assert time.monotonic() < deadline, found
            time.sleep(0.02)
        return found[1]

    return show


@pytest.fixture(name="put")
def _put() -> Callable[[Path, str, str], str]:
    """Lock another text model, by what it says to texts that it does not know."""
    return lambda root, path, default: put(root, path, text_model(LABELS, default))


@pytest.fixture(name="promote")
def _promote() -> Callable[..., str]:
    return promote
