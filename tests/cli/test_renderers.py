"""Terminal output: digests short, outcomes plain to see, hostile text harmless, nothing lost without a renderer."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import headgate.cli.renderers as renderers
from headgate.cli.renderers.screen import cell, clip, plain
from headgate.platform import OPERATIONS

DIGEST = "sha256:" + "ab" * 32
GROUPS = sorted(
    file.stem for file in Path(renderers.__file__).parent.glob("*.py") if file.stem not in ("__init__", "screen")
)


def printed(show: Any, result: dict[str, Any]) -> str:
    screen = Console(width=160, record=True, file=None, force_terminal=False)
    with screen.capture() as captured:
        show(screen, result)
    return captured.get()


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_renders_operations_of_the_table(group: str) -> None:
    shown = importlib.import_module(f"headgate.cli.renderers.{group}").SHOW
    assert set(shown) <= {row.name for row in OPERATIONS if row.words}


def test_a_digest_is_shortened_and_an_escape_sequence_harmless() -> None:
    assert cell(f"release {DIGEST}").plain == "release " + "ab" * 6
    assert "\x1b" not in cell("\x1b[2Jgone").plain
    assert cell("[red]not markup[/red]").plain == "[red]not markup[/red]"


def test_what_has_no_renderer_is_shown_plainly() -> None:
    result = {"name": "x", "none": None, "flag": True, "rows": [{"id": "a", "value": 1.5}, {"id": "b", "value": None}]}
    text = printed(plain, result)
    for part in ("name", "x", "yes", "id", "value", "a", "1.5", "b"):
        assert part in text


def test_a_gate_is_told_rule_by_rule() -> None:
    rule = {
        "rule": "pass rate of suites/golden ≥ 95 %", "outcome": "fail", "value": 0.9, "low": 0.81, "high": 0.95,
        "n": 80, "failing": ["g01", "g02"], "explanation": "even the upper end is below",
        "missing": False, "hint": "",
    }  # fmt: skip
    result = {
        "outcome": "fail", "release": DIGEST, "environment": "prod", "rules": [rule], "notes": ["2 scenarios changed"],
        "evidence_digest": DIGEST, "rules_digest": DIGEST, "baseline": "",
    }  # fmt: skip
    text = printed(importlib.import_module("headgate.cli.renderers.release").gate, result)
    for part in ("fail", "0.9 [0.81 … 0.95] of 80", "g01, g02", "even the upper end", "2 scenarios changed"):
        assert part in text


def test_text_is_clipped_to_a_line() -> None:
    assert clip("a\nb   c") == "a b c"
    assert len(clip("x" * 500)) == 100
