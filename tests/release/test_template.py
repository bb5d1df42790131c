"""The template's own project: trained, built, judged by its own rules; and refused when its training inputs changed."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from headgate import data, train
from headgate.kernel import InvalidInput
from headgate.release import build

TEMPLATE = Path(__file__).parents[2] / "src/headgate/templates/support"
pytest.importorskip("sklearn")


@pytest.fixture
def support(world: Any, tmp_path: Path) -> Any:
    """The template in a folder of its own, its router trained."""
    root = tmp_path / "support"
    shutil.copytree(TEMPLATE, root)
    here = replace(world, root=root)
    data.add(here, data.DataAdd(dataset="data/utterances"))
    train.run(here, train.TrainRun(model="models/router"))
    return here


@pytest.mark.slow
def test_it_passes_its_own_gate_and_a_weakened_policy_does_not(support: Any) -> None:
    support.apply()
    result = support.gate(support.judged())
    assert result.outcome == "pass", [rule for rule in result.rules if rule.outcome != "pass"]
    [model] = [rule for rule in result.rules if "models/router" in rule.rule]
    assert model.n > 100
    policy = (support.root / "policies/support.yaml").read_text()
    kept = [line for line in policy.splitlines() if "injection" not in line]
    support.write("policies/support.yaml", "\n".join(kept) + "\n")
    weakened = support.gate(support.judged())
    assert weakened.outcome == "fail"
    [attacks] = [rule for rule in weakened.rules if "attacks" in rule.rule]
    assert attacks.outcome == "fail"
    assert attacks.failing


@pytest.mark.slow
@pytest.mark.parametrize("file", ["models/router.py", "data/utterances.csv"])
def test_a_changed_training_input_must_be_retrained(support: Any, file: str) -> None:
    before = build(support.root, "support").release.digest
    text = (support.root / file).read_text(encoding="utf-8")
    support.write(file, text.replace("seed", "sead", 1) if file.endswith("py") else text.replace("1", "2", 1))
    if (support.root / file).read_text(encoding="utf-8") == text:
        support.write(file, text + "\n# changed\n")
    with pytest.raises(InvalidInput, match="--allow-stale") as caught:
        build(support.root, "support")
    assert caught.value.exit_code == 2
    assert build(support.root, "support", allow_stale=True).release.digest == before
