"""Suites as people write them, and the document they become."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from headgate.kernel import Draft, InvalidInput, plugins

KIND = plugins.load("kinds", "suite")
TEMPLATE = Path(__file__).parents[2] / "src/headgate/templates/support"


def parse(root: Path, text: str) -> Draft:
    (root / "suites").mkdir(exist_ok=True)
    (root / "suites" / "s.yaml").write_text(text, encoding="utf-8")
    draft = KIND.parse(root, "suites/s")
    assert isinstance(draft, Draft)
    return draft


def test_a_scenario_becomes_messages_tags_and_named_assertions(tmp_path: Path) -> None:
    draft = parse(
        tmp_path,
        "- id: a\n  input: hello\n  severity: critical\n  tags: [x]\n"
        "  expect:\n    - contains: hi\n    - refuses\n    - not-contains: bye\n",
    )
    [scenario] = draft.document["scenarios"]
    assert scenario["messages"] == [{"role": "user", "content": "hello"}]
    assert scenario["tags"] == ["x", "critical"]
    assert [item["name"] for item in scenario["expect"]] == ["contains", "refuses", "not-contains"]
    assert all(item["behaviour"] >= 1 for item in scenario["expect"])


SHORT = "[{user: a}, {assistant: b}, {user: c}]"
LONG = "[{role: user, content: a}, {role: assistant, content: b}, {role: user, content: c}]"


@pytest.mark.parametrize("turns", [SHORT, LONG])
def test_a_conversation_may_be_written_two_ways(tmp_path: Path, turns: str) -> None:
    draft = parse(tmp_path, f"- id: a\n  conversation: {turns}\n  expect: [refuses]\n")
    assert [turn["content"] for turn in draft.document["scenarios"][0]["messages"]] == ["a", "b", "c"]


def test_a_conversation_ends_with_the_user(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="ends with what the user says"):
        parse(tmp_path, "- id: a\n  conversation: [{user: a}, {assistant: b}]\n  expect: [refuses]\n")


@pytest.mark.parametrize("text", ["", "id: a\n", "[]\n", "- just text\n", "-\n"])
def test_what_is_no_list_of_scenarios_is_told(tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse(tmp_path, text)
    assert caught.value.where is not None
    assert caught.value.where.file == "suites/s.yaml"


def test_yaml_anchors_and_comments_do_not_change_the_suite(tmp_path: Path) -> None:
    plain = parse(tmp_path, "- id: a\n  input: hello\n  expect: [refuses]\n")
    dressed = parse(tmp_path, "# note\n- id: a   # first\n  input: 'hello'\n  expect:\n    - refuses\n")
    assert plain.digest == dressed.digest


def test_explaining_two_versions(tmp_path: Path) -> None:
    one = "- id: a\n  input: hello\n  expect: [refuses]\n"
    two = "- id: b\n  input: hello\n  expect: [refuses]\n"
    old: Any = parse(tmp_path, one).document
    new: Any = parse(tmp_path, two + one.replace("hello", "hi")).document
    assert KIND.explain(old, new) == ["scenario b is new", "scenario a asks or expects something else"]


@pytest.mark.parametrize(("name", "least"), [("golden", 80), ("edge", 30), ("redteam", 200)])
def test_the_templates_suites_parse(name: str, least: int) -> None:
    assert len(KIND.parse(TEMPLATE, f"suites/{name}").document["scenarios"]) >= least
