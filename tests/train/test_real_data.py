"""Training on data that people wrote: the template's utterances, and two public sets of intents."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from headgate import data, train

TEMPLATE = Path(train.__file__).parents[1] / "templates" / "support"
INTENTS = Path(__file__).parents[3] / "shared" / "data" / "intent"

pytestmark = pytest.mark.slow


def test_the_templates_router_is_good_in_every_channel(desk: Any) -> None:
    if not (TEMPLATE / "data/utterances.csv").exists():
        pytest.skip("the template has no data yet")
    shutil.rmtree(desk.root)
    shutil.copytree(TEMPLATE, desk.root)
    data.add(desk, data.DataAdd(dataset="data/utterances"))
    result = train.run(desk, train.TrainRun(model="models/router"))
    assert result.metrics["f1_macro"] > 0.88
    assert {value: one.n >= 30 for value, one in result.segments["channel"].items()} == dict.fromkeys(
        ("chat", "email", "phone", "social"), True
    )
    assert result.largest_difference < 1e-4
    assert train.run(desk, train.TrainRun(model="models/router")).digest == result.digest


@pytest.mark.data
@pytest.mark.parametrize(("name", "labels", "floor"), [("hwu64", 64, 0.75), ("banking77", 77, 0.8)])
def test_public_intents_are_learnt_and_converted(desk: Any, name: str, labels: int, floor: float) -> None:
    source = INTENTS / f"{name}_train.jsonl"
    if not source.exists():
        pytest.skip("the third-party data is not here")
    shutil.copyfile(source, desk.root / "data/questions.jsonl")
    columns = "columns: {text: {required: true}, label: {required: true}}\nrows: {min: 1000}\n"
    desk.write("data/questions.yaml", f"source: data/questions.jsonl\n{columns}")
    desk.edit("models/router.py", 'target="intent", segments=["channel"]', 'target="label"')
    desk.edit("models/router.py", 'train.column("intent")', 'train.column("label")')
    added = data.add(desk, data.DataAdd(dataset="data/questions"))
    result = train.run(desk, train.TrainRun(model="models/router"))
    assert len(result.labels) == labels
    assert result.rows + result.holdout == added.rows
    assert result.metrics["accuracy"] > floor
    assert result.equal_labels >= 0.995
