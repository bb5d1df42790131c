"""The one door for plugins: built-ins by folder, strangers by entry point, and errors that help."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from headgate.kernel import InvalidInput, Unavailable, plugins


@pytest.fixture
def forgetful() -> Iterator[None]:
    plugins.names.cache_clear()
    plugins._strangers.cache_clear()
    yield
    plugins.names.cache_clear()
    plugins._strangers.cache_clear()


@pytest.fixture
def stranger(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, forgetful: None) -> Path:
    """A package of somebody else on the path, whose entry points name modules in it."""
    entries = [
        EntryPoint("sonar", "stranger_sonar", "headgate.readers"),
        EntryPoint("radar", "stranger_radar:found", "headgate.readers"),
        EntryPoint("broken", "stranger_broken", "headgate.readers"),
        EntryPoint("needy", "stranger_needy", "headgate.readers"),
        EntryPoint("light", "stranger_light", "headgate.readers"),
        EntryPoint("csv", "stranger_sonar", "headgate.readers"),
    ]
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [e for e in entries if e.group == group])
    monkeypatch.syspath_prepend(str(tmp_path))
    texts = {
        "sonar": "plugin = 'sonar'", "radar": "found = 'radar'", "broken": "1 / 0", "needy": "import onnx_nowhere",
        "light": "import skl2onnx.nowhere",
    }  # fmt: skip
    for name, text in texts.items():
        (tmp_path / f"stranger_{name}.py").write_text(text + "\n")
    return tmp_path


def test_built_ins_are_the_files_of_the_folder() -> None:
    folder = Path(plugins.__file__).parents[1] / "data/readers"
    listed = {file.stem.replace("_", "-") for file in folder.glob("*.py") if not file.stem.startswith("_")}
    assert listed <= set(plugins.names("readers"))
    assert list(plugins.names("readers")) == sorted(plugins.names("readers"))
    assert plugins.names("readers")["csv"] == "headgate.data.readers.csv"
    assert plugins.load("readers", "csv").behaviour == 1


def test_listing_imports_nothing() -> None:
    before = set(sys.modules)
    for group in ("guards", "scorers", "providers", "kinds", "runtimes", "embedders"):
        plugins.names(group)
    assert {name for name in set(sys.modules) - before if name.startswith("headgate.")} == set()


def test_a_group_that_nobody_fills_is_empty() -> None:
    assert plugins.names("nothings") == {}


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(InvalidInput, match="no reader called 'cvs'") as caught:
        plugins.load("readers", "cvs")
    assert caught.value.hint == "did you mean 'csv'?"


def test_strangers_come_through_the_same_door(stranger: Path) -> None:
    assert plugins.load("readers", "sonar") == "sonar"
    assert plugins.load("readers", "radar") == "radar"


def test_a_stranger_cannot_take_a_built_ins_name(stranger: Path) -> None:
    assert plugins.names("readers")["csv"] == "headgate.data.readers.csv"


def test_a_plugin_that_breaks_while_loading_is_told(stranger: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be loaded: ZeroDivisionError"):
        plugins.load("readers", "broken")


def test_a_missing_library_names_what_to_install(stranger: Path) -> None:
    with pytest.raises(plugins.MissingExtra) as caught:
        plugins.load("readers", "needy")
    assert caught.value.hint == "install onnx_nowhere"
    assert plugins.missing("sklearn.svm", "training").hint == "install headgate[ml]"
    with pytest.raises(plugins.MissingExtra) as caught:
        plugins.load("readers", "light")
    assert caught.value.hint == "install headgate[ml]"


def test_every_extra_named_exists() -> None:
    import tomllib

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert set(plugins.EXTRAS.values()) <= set(project["optional-dependencies"])
