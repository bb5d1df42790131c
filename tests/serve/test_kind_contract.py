"""Contracts: what changes a release and what only judges it."""

from __future__ import annotations

from pathlib import Path

import pytest

from headgate.kernel import Draft, InvalidInput, plugins
from headgate.serve.kinds.contract import behavioural

kind = plugins.load("kinds", "contract")

FULL = """input: chat
output: {type: object, required: [answer]}
refuse:
  - rule: Legal advice
    examples: [Can I sue my landlord?]
    reply: prompts/refuse
latency: {p95: 2s, first_token: 800ms}
cost: {per_request: $0.004, per_day: $50}
evidence: {citations: required, sources: [retrieval/handbook]}
"""


def parsed(root: Path, text: str) -> Draft:
    for folder in ("contracts", "prompts"):
        (root / folder).mkdir(exist_ok=True)
    (root / "prompts/refuse.md").write_text("I cannot help with that.")
    (root / "prompts/answer.md").write_text("# user\n{{ question }}")
    (root / "contracts/support.yaml").write_text(text)
    draft: Draft = kind.parse(root, "contracts/support")
    return draft


def test_targets_are_no_part_of_the_identity(tmp_path: Path) -> None:
    one = parsed(tmp_path, FULL)
    other = parsed(tmp_path, FULL.replace("2s", "3s"))
    assert one.digest == other.digest
    assert one.about["targets"] == {"latency": {"p95": "2s", "first_token": "800ms"}}
    assert other.about["targets"]["latency"]["p95"] == "3s"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("$0.004", "$0.005"),
        ("$50", "$70"),
        ("Legal advice", "Tax advice"),
        ("citations: required", "citations: optional"),
        ("[answer]", "[reply]"),
    ],
)
def test_what_can_change_an_answer_is(tmp_path: Path, old: str, new: str) -> None:
    assert parsed(tmp_path, FULL).digest != parsed(tmp_path, FULL.replace(old, new)).digest


def test_the_behavioural_half_of_itself_is_itself(tmp_path: Path) -> None:
    document = dict(parsed(tmp_path, FULL).document)
    assert behavioural(document) == document
    assert "latency" not in document
    assert document["cost"] == {"per_request": "$0.004", "per_day": "$50"}


def test_replies_and_evidence_are_references(tmp_path: Path) -> None:
    found = {(item.kind, item.path) for item in parsed(tmp_path, FULL).references}
    assert found == {("prompt", "prompts/refuse"), ("retrieval", "retrieval/handbook")}


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("input: chat\nlatensy: {p95: 2s}\n", 2, "no key 'latensy'"),
        ("cost: {per_request: cheap}\n", 1, "expected an amount"),
        ("latency:\n  p95: fast\n", 2, "expected a duration"),
        ("refuse:\n  - {rule: x}\n  - {rule: y, exampels: []}\n", 3, "'exampels'"),
        ("output:\n  type: objekt\n", 2, "not a valid JSON Schema"),
        ("refuse:\n  - rule: x\n    reply: prompts/refuze\n", 3, "did you mean 'prompts/refuse'"),
        ("refuse:\n  - rule: x\n    reply: prompts/answer\n", 3, "sent as it stands"),
        ("evidence: {citations: sometimes}\n", 1, "'sometimes' is not known here"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, text: str, line: int, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parsed(tmp_path, text)
    assert message in str(caught.value)
    assert caught.value.where is not None
    assert caught.value.where.line == line


def test_differences_are_said_in_peoples_terms(tmp_path: Path) -> None:
    old, new = parsed(tmp_path, FULL), parsed(tmp_path, FULL.replace("Legal", "Tax").replace("$0.004", "$1"))
    assert kind.explain(old.document, new.document) == [
        "no longer refuses: Legal advice",
        "now refuses: Tax advice",
        "cost per_request: $0.004 → $1",
    ]
