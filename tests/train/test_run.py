"""`train`: what is measured, stored and locked; the same inputs give the same bytes; nothing is ever unpickled."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from headgate import data, train
from headgate.artifacts import Lock
from headgate.kernel import InvalidInput, blob_digest
from headgate.models import load_model


def trained(desk: Any, **more: Any) -> train.TrainResult:
    return train.run(desk, train.TrainRun(model="models/router", **more))


def test_a_model_is_measured_registered_and_locked(desk: Any) -> None:
    result = trained(desk)
    assert (result.rows, result.holdout) == (192, 48)
    assert result.metrics["accuracy"] > 0.9
    assert result.equal_labels == 1.0
    assert result.largest_difference < 1e-5
    assert {value: one.n for value, one in result.segments["channel"].items()}.keys() == {"chat", "phone"}
    assert sum(one.n for one in result.segments["channel"].values()) == 48
    entry = Lock.read(desk.root).model("models/router")
    assert entry is not None
    assert (entry.digest, entry.data, entry.seed, entry.params) == (result.digest, "data/questions", 0, {"C": 10})
    assert entry.metrics == result.metrics
    assert entry.environment.keys() >= {"python", "scikit-learn", "skl2onnx", "platform"}


def test_the_artifact_names_its_lineage_and_its_held_out_rows(desk: Any) -> None:
    result = trained(desk)
    shown = desk.call("artifact.show", {"name": "models/router"})
    document, about = shown["document"], shown["about"]
    assert document.keys() == {"format", "file", "labels", "inputs", "behaviour"}
    assert document["labels"] == ["billing", "greeting", "outage"]
    assert document["inputs"] == [{"name": "text", "type": "text"}]
    assert about["dataset"] == result.dataset == Lock.read(desk.root).datasets["data/questions"].digest
    assert about["code"] == result.code
    assert (about["target"], about["segments"], about["seed"]) == ("intent", ["channel"], 0)
    held = desk.call("artifact.show", {"name": result.digest, "blob": about["holdout"]["file"]})
    rows = [json.loads(line) for line in base64.b64decode(held["content"]).splitlines()]
    assert len(rows) == 48
    predictor = load_model(document, desk.store.blobs.get(document["file"]))
    said = predictor.predict(rows)
    right = sum(one.label == row["intent"] for one, row in zip(said, rows, strict=True))
    assert right / 48 == pytest.approx(result.metrics["accuracy"], abs=1e-6)


def test_training_twice_gives_the_same_digest_and_another_seed_another(desk: Any) -> None:
    first = trained(desk)
    again = trained(desk)
    assert (again.digest, again.new, again.previous) == (first.digest, False, first.metrics)
    assert trained(desk, seed=1).digest != first.digest


@pytest.mark.slow
def test_another_process_makes_the_same_bytes(desk: Any) -> None:
    here = trained(desk).digest
    script = (
        "import sys; from pathlib import Path; from headgate import train\n"
        "class Desk:\n"
        "    root = Path(sys.argv[1])\n"
        "    def call(self, name, request): return {'missing': []}\n"
        "    def report(self, *_): pass\n"
        "print(train.run(Desk(), train.TrainRun(model='models/router')).digest)\n"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "4711"}
    done = subprocess.run(
        [sys.executable, "-c", script, str(desk.root)], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout.strip() == here


def test_parameters_are_declared_given_and_recorded(desk: Any) -> None:
    default = trained(desk).digest
    result = trained(desk, param=("C=0.5",))
    assert result.digest != default
    assert Lock.read(desk.root).models["models/router"].params == {"C": 0.5}
    with pytest.raises(InvalidInput, match="no parameter 'c'"):
        trained(desk, param=("c=1",))
    with pytest.raises(InvalidInput, match="sets no parameter"):
        trained(desk, param=("C",))


def test_changed_data_has_to_be_added_before_training(desk: Any) -> None:
    before = trained(desk).digest
    desk.edit("data/questions.csv", "billing", "outage")
    with pytest.raises(InvalidInput, match=r"data/questions.csv changed since it was added .*headgate data add"):
        trained(desk)
    data.add(desk, data.DataAdd(dataset="data/questions"))
    assert trained(desk).digest != before


def test_a_dataset_that_was_never_added_is_named(desk: Any) -> None:
    (desk.root / "headgate.lock").unlink()
    with pytest.raises(InvalidInput, match="data/questions was never added"):
        trained(desk)


def test_a_failed_training_changes_nothing(desk: Any) -> None:
    trained(desk)
    before = (desk.root / "headgate.lock").read_bytes()
    desk.edit("models/router.py", "return model.fit", "raise RuntimeError('no'); return model.fit")
    with pytest.raises(InvalidInput):
        trained(desk)
    assert (desk.root / "headgate.lock").read_bytes() == before
    assert len(desk.call("artifact.show", {"name": "models/router"})["versions"]) == 1


def test_the_persons_warnings_are_told_not_raised(desk: Any) -> None:
    desk.edit("models/router.py", "    words =", "    import warnings; warnings.warn('mind this')\n    words =")
    assert trained(desk).warnings == ["UserWarning: mind this"]


def test_randomness_and_imports_are_put_back(desk: Any) -> None:
    import random

    random.seed(1)
    expected = random.random()
    random.seed(1)
    path, modules = list(sys.path), set(sys.modules)
    trained(desk)
    assert random.random() == expected
    assert sys.path == path
    assert not {name for name in set(sys.modules) - modules if name.startswith("models")}
    assert not list(desk.root.rglob("__pycache__"))


def test_numbers_are_features_too(desk: Any) -> None:
    desk.edit("models/router.py", 'segments=["channel"])', 'features=["length", "words"])')
    desk.edit("data/questions.yaml", "  length:", "  words: {type: number}\n  length:")
    lines = (desk.root / "data/questions.csv").read_text().splitlines()
    desk.write(
        "data/questions.csv",
        "\n".join([lines[0] + ",words", *(f"{line},{len(line) % 7}.5" for line in lines[1:])]) + "\n",
    )
    fit = (
        "    from sklearn.linear_model import LogisticRegression\n"
        "    table = [[row['length'], row['words']] for row in train.rows]\n"
        "    return LogisticRegression(max_iter=500).fit(table, train.column('intent'))\n"
    )
    text = (desk.root / "models/router.py").read_text()
    desk.write("models/router.py", text[: text.index("    from sklearn")] + fit)
    data.add(desk, data.DataAdd(dataset="data/questions"))
    trained(desk)
    shown = desk.call("artifact.show", {"name": "models/router"})
    assert shown["document"]["inputs"] == [{"name": name, "type": "number"} for name in ("length", "words")]
    predictor = load_model(shown["document"], desk.store.blobs.get(shown["document"]["file"]))
    assert predictor.predict([{"length": 30, "words": 2.5}])[0].label in ("billing", "greeting", "outage")


_HOOKED: list[str] = []
_ON: list[bool] = []


def _watch(event: str, args: Any) -> None:
    if _ON and event == "pickle.find_class":
        _HOOKED.append(str(args))


def test_nothing_is_unpickled_while_a_model_is_loaded_and_scores(desk: Any) -> None:
    import pickle

    trained(desk)
    sys.addaudithook(_watch)
    _ON.append(True)
    try:
        pickle.loads(pickle.dumps(Path("the hook is awake")))
        assert _HOOKED
        _HOOKED.clear()
        document = desk.call("artifact.show", {"name": "models/router"})["document"]
        content = desk.store.blobs.get(document["file"])
        assert blob_digest(content) == document["file"]
        load_model(document, content).predict([{"text": "where is my bill"}])
        train.locked(desk.root, "models/router", False)
        assert _HOOKED == []
    finally:
        _ON.clear()
