"""What the detectors reach on public data, as floors that may only rise. `benchmarks/bench_detectors.py` prints all."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

DATA = Path(__file__).parents[3] / "shared/data"
pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not (DATA / "injection").is_dir(), reason="the data of shared/data is absent"),
]


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks/bench_detectors.py"
    spec = importlib.util.spec_from_file_location("bench_detectors", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_injection_is_found_at_few_false_alarms(bench: ModuleType) -> None:
    found = {name: (what, hits / n) for name, (what, hits, n) in bench.injection().items()}
    alarms = {name: rate for name, (what, rate) in found.items() if what == "false alarms"}
    assert len(alarms) >= 8
    assert {name: rate for name, rate in alarms.items() if rate > 0.002} == {}
    recall = {name: rate for name, (what, rate) in found.items() if what == "recall"}
    assert recall["template red team"] == 1.0
    assert recall["DAN"] >= 0.9
    assert recall["in the wild"] >= 0.74
    assert recall["deepset train"] >= 0.56
    assert recall["deepset test"] >= 0.25


def test_personal_data_is_found_exactly(bench: ModuleType) -> None:
    found = bench.pii()
    for kind in ("EMAIL", "CARD", "IBAN", "SSN", "IP"):
        assert found[kind]["f1"] >= 0.98, kind
    assert found["PHONE"]["f1"] >= 0.94
    assert found["PHONE"]["precision"] >= 0.97


@pytest.mark.parametrize("library", [False, True])
def test_secrets_are_found_by_their_formats(bench: ModuleType, library: bool) -> None:
    if library:
        pytest.importorskip("detect_secrets")
    found = bench.secrets(library)
    assert found["named formats"][0] == found["named formats"][1] == 66
    assert found["look-alikes"][0] <= 7


def test_grounding_separates_where_it_can_and_says_where_it_cannot(bench: ModuleType) -> None:
    found = bench.grounding()
    assert found["begin_dev_wow"]["balanced"] >= 0.79
    assert found["begin_test_wow"]["balanced"] >= 0.78
    assert found["begin_dev_tc"]["balanced"] >= 0.76
    # a single fact edited in a long summary: no better than chance, and the docs say so
    assert 0.48 <= found["summedits_sample"]["balanced"] <= 0.6
