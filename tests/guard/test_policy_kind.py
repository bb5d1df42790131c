"""The policy kind: what people write, what is stored, mistakes told with file, line and key, and differences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from headgate.guard import compile_policy
from headgate.kernel import Corrupt, InvalidInput, Kind, plugins

KIND: Kind = plugins.load("kinds", "policy")
TEXT = """input:
  - secrets
  - pii: {types: [EMAIL, CARD], mode: observe}
  - injection: {action: block, reply: prompts/refuse}
output:
  - terms: {deny: [KEEP-25, internal]}
"""


def parse(root: Path, text: str) -> Any:
    (root / "policies").mkdir(exist_ok=True)
    (root / "policies/p.yaml").write_text(text, encoding="utf-8")
    return KIND.parse(root, "policies/p")


def test_defaults_are_left_out_and_replies_are_references(tmp_path: Path) -> None:
    draft = parse(tmp_path, TEXT)
    assert draft.document == {
        "input": [
            {"type": "secrets", "behaviour": 1},
            {"type": "pii", "behaviour": 1, "mode": "observe", "types": ["EMAIL", "CARD"]},
            {"type": "injection", "behaviour": 1, "reply": "prompts/refuse"},
        ],
        "output": [{"type": "terms", "behaviour": 1, "deny": ["KEEP-25", "internal"]}],
    }
    assert [(one.kind, one.path, one.key) for one in draft.references] == [
        ("prompt", "prompts/refuse", ("input", 2, "reply"))
    ]
    KIND.model.model_validate(draft.document)


def test_writing_a_default_out_changes_nothing(tmp_path: Path) -> None:
    same = TEXT.replace("  - secrets\n", "  - secrets: {action: mask, mode: enforce}\n")
    assert parse(tmp_path, TEXT).digest == parse(tmp_path, same).digest
    assert parse(tmp_path, TEXT).digest != parse(tmp_path, TEXT.replace("internal", "Internal")).digest


def test_a_stored_policy_compiles(tmp_path: Path) -> None:
    policy = compile_policy(parse(tmp_path, TEXT).document)
    assert [guard.name for guard in policy.input] == ["secrets", "pii", "injection"]
    assert [(guard.action, guard.mode, guard.trusted) for guard in policy.input] == [
        ("mask", "enforce", True), ("mask", "observe", True), ("block", "enforce", True),
    ]  # fmt: skip
    assert policy.replies == {"injection": "prompts/refuse"}


@pytest.mark.parametrize("entry", [{"type": "nonsense"}, {"type": "terms"}, {"type": "pii", "colour": 1}, {}])
def test_a_stored_policy_that_cannot_be_made_is_corrupt(entry: dict[str, Any]) -> None:
    with pytest.raises(Corrupt, match="cannot be made"):
        compile_policy({"input": [entry]})


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("input:\n  - injektion: {}\n", 2, "did you mean 'injection'"),
        ("input:\n  - pii\n  - secret\n", 3, "did you mean 'secrets'"),
        ("inputs:\n  - pii\n", 1, "did you mean 'input'"),
        ("input:\n  - pii: {acton: mask}\n", 2, "did you mean 'action'"),
        ("input:\n  - pii:\n      action: hide\n", 3, "'hide' is not known here"),
        ("input:\n  - pii: {types: [EMIAL]}\n", 2, "did you mean 'EMAIL'"),
        ("input:\n  - pii: {national: [de.nothing]}\n", 2, "de.nothing"),
        ("input:\n  - injection: {action: mask}\n", 2, "use block or flag"),
        ("input:\n  - injection: {threshold: 3}\n", 2, "between 0 and 1"),
        ("output:\n  - terms\n", 2, "'deny' is missing"),
        ("output:\n  - terms: {deny: []}\n", 2, "deny"),
        ("output:\n  - terms: {deny: ['--']}\n", 2, "no letters or digits"),
        ("input:\n  - pii: {}\n    secrets: {}\n", 2, "found 2 keys"),
        ("input:\n  - pii: mask\n", 2, "{action: block}"),
        ("{}\n", 1, "at least one guard"),
        ("input: pii\n", 1, "input"),
    ],
)
def test_mistakes_name_file_line_and_what_to_do(tmp_path: Path, text: str, line: int, words: str) -> None:
    with pytest.raises(InvalidInput) as problem:
        parse(tmp_path, text)
    assert words in str(problem.value)
    assert problem.value.where is not None
    assert (problem.value.where.file, problem.value.where.line) == ("policies/p.yaml", line)


def test_differences_are_told_to_people() -> None:
    assert KIND.explain is not None
    old = {
        "input": [{"type": "pii", "behaviour": 1}, {"type": "injection", "behaviour": 1, "reply": "prompts/refuse"}],
        "output": [{"type": "terms", "behaviour": 1, "deny": ["a1", "b1"]}, {"type": "secrets", "behaviour": 1}],
    }
    new = {
        "input": [
            {"type": "injection", "behaviour": 2, "action": "flag", "mode": "observe", "threshold": 0.9},
            {"type": "pii", "behaviour": 1, "types": ["EMAIL"]},
            {"type": "pii", "behaviour": 1, "action": "block", "types": ["CARD"]},
        ],
        "output": [{"type": "terms", "behaviour": 1, "deny": ["a1", "c1"]}],
    }
    assert KIND.explain(old, new) == [
        "input guard pii: types no longer holds PHONE, CARD, IBAN, SSN, IP",
        "input guard injection: behaviour 1 → 2: it may judge the same text differently",
        "input guard injection: action block → flag",
        "input guard injection: mode enforce → observe",
        "input guard injection: reply prompts/refuse → none",
        "input guard injection: threshold 0.5 → 0.9",
        "input guard pii (2): added (action block)",
        "input guards run in another order: injection, pii, pii (2)",
        "output guard terms: deny no longer holds b1",
        "output guard terms: deny now also holds c1",
        "output guard secrets: removed",
    ]
    assert KIND.explain(old, old) == []


def test_a_stranger_s_guard_runs_on_a_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "strangers_guard.py").write_text(
        '"""A guard from outside."""\n'
        "from headgate.guard import Finding, GuardOptions, GuardPlugin\n"
        "class Check:\n"
        "    def check(self, text):\n"
        "        return Finding('cabbage' in text, 1.0, 'cabbage')\n"
        "plugin = GuardPlugin(behaviour=1, options=GuardOptions, make=lambda options: Check(), unit=16)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    known = {**plugins.names("guards"), "vegetables": "strangers_guard"}
    monkeypatch.setattr(plugins, "names", lambda group: known)
    draft = parse(tmp_path, "output:\n  - vegetables: {action: flag}\n")
    policy = compile_policy(draft.document)
    assert policy.output[0].trusted is False
    assert policy.output[0].checker.check("red cabbage").hit
