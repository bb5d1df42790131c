"""The package's public names: those that load when first asked for are there, typed, and the same everywhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import headgate.platform as platform

STUB = (Path(platform.__file__).with_suffix(".pyi")).read_text(encoding="utf-8")
NAMES: list[str] = vars(platform)["__all__"]


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_is_there(name: str) -> None:
    assert getattr(platform, name) is not None


def test_the_stub_types_exactly_the_public_names() -> None:
    assert sorted(re.findall(r" as (\w+)$", STUB, re.MULTILINE)) == sorted(NAMES)


def test_a_name_that_is_none_says_so() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = platform.no_such_name  # type: ignore[attr-defined]
