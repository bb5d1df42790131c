"""The page about language models names types, options and rows that exist, and none is left out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from headgate.kernel import parse_yaml, plugins
from headgate.models import Providers
from headgate.models.upstream.quirks import TABLE, Quirks

PAGE = (Path(__file__).parents[2] / "docs/how-to/use-a-language-model.md").read_text(encoding="utf-8")


def test_every_entry_of_the_page_can_be_built() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    entries = parse_yaml(block, "headgate.yaml").data["providers"]
    assert len(entries) >= 9
    for name in entries:
        assert Providers(entries).get(name).identity("m")["model"] == "m"


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_every_row_of_the_table_is_named(row: Quirks) -> None:
    assert f"`{row.name}`" in PAGE


def test_every_type_is_named() -> None:
    for kind in plugins.names("providers"):
        assert kind == "scripted" or f"`{kind}`" in PAGE
