"""Every kind: its name is its file's, its model is strict, and what cannot be parsed is told without a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel

from headgate.kernel import HeadgateError, Kind, plugins

KINDS = list(plugins.names("kinds"))


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    loaded: Kind = plugins.load("kinds", request.param)
    return loaded


@pytest.mark.parametrize("name", KINDS)
def test_its_name_is_its_files_name(name: str) -> None:
    kind = plugins.load("kinds", name)
    assert isinstance(kind, Kind)
    assert kind.name == name
    assert kind.schema >= 1


def test_its_document_is_frozen_and_knows_all_its_keys(kind: Kind) -> None:
    assert issubclass(kind.model, BaseModel)
    config = kind.model.model_config
    assert config.get("frozen") is True
    if not kind.model.__pydantic_root_model__:
        assert config.get("extra") == "forbid"


def test_a_file_that_is_not_there_is_told(kind: Kind, tmp_path: Path) -> None:
    with pytest.raises(HeadgateError) as caught:
        kind.parse(tmp_path, f"{kind.name}s/nowhere")
    assert caught.value.exit_code in (2, 4)


@pytest.mark.parametrize(
    "text", ["", "[", "- 1\n- 2\n", "nowhere: 1\n", "a: 1\na: 2\n", "\x00", "x: !!python/name:os.system\n"]
)
def test_a_broken_file_is_told_by_its_name(kind: Kind, tmp_path: Path, text: str) -> None:
    problem: HeadgateError | None
    (tmp_path / "files").mkdir()
    for suffix in ("yaml", "md", "py"):
        (tmp_path / f"files/broken.{suffix}").write_text(text, encoding="utf-8")
    try:
        draft = kind.parse(tmp_path, "files/broken")
    except HeadgateError as caught:
        problem = caught
    else:
        problem = None
    if problem is not None:
        assert problem.message
        assert problem.exit_code in (2, 4)
        return
    assert kind.name in ("prompt", "policy", "contract", "suite"), "only texts and all-optional files may be this empty"
    assert draft.digest == kind.parse(tmp_path, "files/broken").digest


def test_locked_kinds_refuse_what_the_lock_does_not_hold(kind: Kind, tmp_path: Path) -> None:
    if kind.locked is None:
        pytest.skip("this kind is parsed from files")
    for allow in (False, True):
        with pytest.raises(HeadgateError) as caught:
            kind.locked(tmp_path, f"{kind.name}s/nowhere", allow)
        assert caught.value.exit_code == 2
        assert "headgate" in caught.value.hint
