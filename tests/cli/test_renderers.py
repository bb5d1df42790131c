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
    rule: dict[str, Any] = {
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


def test_points_in_time_are_told_as_dates() -> None:
    made = {"created_at": 1_795_254_292.1, "created_by": "visitor"}
    assert "2026-11-21 09:44:52" in printed(plain, made)
    assert "2026-11-21 09:44:52" in printed(plain, {"rows": [{"at": 1_795_254_292.1}]})
    assert printed(plain, {"share": 0.25}).split() == ["share", "0.25"]


def test_an_artifact_is_told_with_its_making() -> None:
    artifact = importlib.import_module("headgate.cli.renderers.artifact").SHOW
    row = {"path": "models/router", "kind": "model", "seq": 2, "digest": DIGEST, "created_at": 1_795_254_292.1}
    text = printed(artifact["artifact.list"], {"artifacts": [{**row, "created_by": "visitor"}]})
    assert "2026-11-21 09:44:52" in text
    assert "e+09" not in text
    shown = {**row, "created_by": "visitor", "blobs": [DIGEST], "document": {"format": "onnx"}}
    text = printed(artifact["artifact.show"], {**shown, "about": {"metrics": {"accuracy": 0.93}}})
    for part in ("2026-11-21 09:44:52 by visitor", "metrics accuracy", "0.93", "onnx"):
        assert part in text


def test_long_comparisons_and_evaluations_end_with_where_the_rest_is() -> None:
    show = importlib.import_module("headgate.cli.renderers.eval")
    changes = [{"change": "worse", "words": f"case-{number} was pass, is fail"} for number in range(30)]
    text = printed(show.compared, {"a": DIGEST, "b": DIGEST, "words": "30 worse", "suites": [], "changes": changes})
    assert "case-19" in text
    assert "case-20" not in text
    assert "and 10 more" in text
    suite = {"cases": 30, "pass": 5, "fail": 25, "review": 0, "error": 0}
    case = {"verdict": "fail", "scenario": "s1", "suite": "suites/x", "answer": "no", "scores": []}
    result = {"evidence": "ev_1", "release": DIGEST, "summary": {"suites": {"suites/x": suite}}, "digest": DIGEST}
    assert "and 24 more: `headgate evidence show ev_1`" in printed(show.evaluated, {**result, "failing": [case]})


def test_a_rule_without_a_value_says_why_it_passes() -> None:
    rule: dict[str, Any] = {
        "rule": "no worse than in prod", "outcome": "pass", "value": None, "low": None, "high": None, "n": 0,
        "failing": [], "explanation": "prod serves no release yet", "missing": False, "hint": "",
    }  # fmt: skip
    result = {"outcome": "pass", "release": DIGEST, "environment": "prod", "rules": [rule], "notes": [],
              "evidence_digest": "", "rules_digest": "", "baseline": ""}  # fmt: skip
    assert "prod serves no release yet" in printed(
        importlib.import_module("headgate.cli.renderers.release").gate, result
    )


def test_a_monitor_says_on_which_side_it_is_bad() -> None:
    row = {"app": "a", "environment": "prod", "monitor": "latency", "state": "ok", "value": 0.1, "unit": "s",
           "low": 0.1, "high": 0.2, "bad": "high", "threshold": 2.0, "requests": 9}  # fmt: skip
    assert "above 2" in printed(importlib.import_module("headgate.cli.renderers.monitor").listed, {"monitors": [row]})


def test_what_all_rules_lack_is_said_once() -> None:
    rule: dict[str, Any] = {
        "rule": "no scenario fails", "outcome": "review", "value": None, "low": None, "high": None, "n": 0,
        "failing": [], "explanation": "there is no evidence", "missing": True, "hint": "run `headgate eval`",
    }  # fmt: skip
    result = {"outcome": "review", "release": DIGEST, "environment": "prod", "rules": [rule, rule], "notes": [],
              "evidence_digest": "", "rules_digest": "", "baseline": ""}  # fmt: skip
    text = printed(importlib.import_module("headgate.cli.renderers.release").gate, result)
    assert text.count("no scenario fails") == 2
    assert text.count("there is no evidence") == text.count("headgate eval") == 1


def test_drift_is_told_feature_by_feature_the_most_moved_first() -> None:
    def signal(feature: str, method: str, value: float, state: str, **more: Any) -> dict[str, Any]:
        plain: dict[str, Any] = {
            "app": "support", "environment": "prod", "model": "models/router", "digest": DIGEST, "feature": feature,
            "kind": "input", "method": method, "value": value, "threshold": 0.1, "count": 120, "state": state,
            "words": f"{feature} words", "moved": [], "examples": ["0123456789abcdef" * 2],
        }  # fmt: skip
        return {**plain, **more}

    found = [
        signal("text.said", "new", 0.3, "breach", words="watch 0% → 30%"), signal("temp", "ks", 0.2, "breach"),
        signal("temp", "psi", 0.4, "breach"), signal("wind", "ks", 0.01, "ok"), signal("hum", "ks", 0.9, "quiet"),
    ]  # fmt: skip
    result = {"signals": found, "notes": ["abc: its data is not here"], "since": "2026-01-01T00:00", "until": "2026"}
    text = printed(importlib.import_module("headgate.cli.renderers.drift").shown, result)
    for part in ("support@prod", "abab", "watch 0% → 30%", "psi 0.40 (0.10), ks 0.20 (0.10)", "01234567", "wind"):
        assert part in text
    assert text.index("temp") < text.index("text.said")
    assert "its data is not here" in text
    assert "120 rows are too few" in text


def test_no_drift_says_what_to_try() -> None:
    result = {"signals": [], "notes": [], "since": "2026-01-01T00:00", "until": "2026-01-01T01:00"}
    assert "--last 1d" in printed(importlib.import_module("headgate.cli.renderers.drift").shown, result)


def test_what_an_observing_guard_would_have_done_is_told_and_never_as_done() -> None:
    sums = {"requests": 4300, "errors": 0, "blocked": 0, "cost_usd": "1", "p50_ms": 1.0, "p95_ms": 2.0, "p99_ms": 3.0}
    said = [("injection", "input", "block", 12), ("own", "output", "error_allowed", 3)]
    traffic = {
        "since": "2026-01-01T00:00:00Z", "until": "2026-01-02T00:00:00Z", "step_s": 3600, "by": None, "totals": sums,
        "points": [{**sums, "at": "2026-01-01T00:00:00Z"}], "groups": [],
        "observed": [dict(zip(("guard", "side", "verdict", "requests"), item, strict=True)) for item in said],
    }  # fmt: skip
    text = printed(importlib.import_module("headgate.cli.renderers.traffic").SHOW["traffic.show"], traffic)
    assert "would have blocked 12 of 4,300 requests by injection (observed)" in text
    assert "could not judge answers to 3 of 4,300 requests by own (observed)" in text
    row = {
        "trace_id": "ab" * 16, "at": "2026-01-01T00:00:00Z", "app": "support", "environment": "prod",
        "release": DIGEST, "route": "default", "model": "m", "status": "answered", "reason": "", "cost_usd": "0",
        "grounding": None,
    }  # fmt: skip
    facts = {"verdicts": {"injection": "block", "pii": "mask", "terms": "pass"}}
    trace = {
        "summary": row, "label": "", "blocked_by": "", "attempts": 1, "input_tokens": 1, "output_tokens": 1,
        "stages": [{"name": "guard_input", "start_us": 0, "took_us": 10, "facts": facts}], "payload": {},
        "attributes": {"observed": True, "observed.input.injection": "block"},
    }  # fmt: skip
    text = printed(importlib.import_module("headgate.cli.renderers.trace").SHOW["trace.show"], trace)
    assert "injection: would have blocked (input, observed)" in text
    assert "pii: mask (input)" in text
    assert "terms" not in text


def test_a_trace_says_which_model_failed_and_why() -> None:
    row = {
        "trace_id": "ab" * 16, "at": "2026-01-01T00:00:00Z", "app": "support", "environment": "prod",
        "release": DIGEST, "route": "default", "model": "", "status": "safe", "reason": "breaker_open",
        "cost_usd": "0", "grounding": None,
    }  # fmt: skip
    calls = [
        {"target": "east/large", "error": "provider_rejected", "upstream_status": 400, "said": "no such model",
         "took_us": 2_000},
        {"target": "west/large", "error": "breaker_open"},
        {"target": "west/small", "took_us": 3_000, "hedge": "won", "queued_ms": 7, "probe": True},
    ]  # fmt: skip
    stages = [
        {"name": "reserve", "start_us": 0, "took_us": 10, "facts": {"error": "budget_exhausted"}},
        {"name": "generate", "start_us": 10, "took_us": 10, "facts": {"attempts": calls}},
    ]
    trace = {
        "summary": row, "label": "", "blocked_by": "", "attempts": 3, "input_tokens": 1, "output_tokens": 1,
        "stages": stages, "payload": {}, "attributes": {},
    }  # fmt: skip
    text = printed(importlib.import_module("headgate.cli.renderers.trace").SHOW["trace.show"], trace)
    assert "east/large: provider_rejected (400), 2 ms\n      no such model\n" in text
    assert "west/large: breaker_open\n" in text
    assert "west/small: answered, 3 ms, hedge won, queued_ms 7, probe\n" in text
    assert "    budget_exhausted\n" in text
