"""Prompts as people write them: roles, placeholders, front matter, and what is said about mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from headgate.kernel import InvalidInput, NotFound, plugins

kind = plugins.load("kinds", "prompt")


def write(root: Path, text: str, name: str = "prompts/answer") -> Path:
    file = root / f"{name}.md"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return root


def refused(root: Path, text: str) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        kind.parse(write(root, text), "prompts/answer")
    return caught.value


FULL = """---
variables: [question, sources]
parameters: {temperature: 0, max_tokens: 400}
examples:
  - {user: "Hi", assistant: "Hello!"}
---
# system
Answer from the sources.

{{ sources }}
# user
{{question}}
"""


def test_a_prompt_is_cut_at_its_roles(tmp_path: Path) -> None:
    document = kind.parse(write(tmp_path, FULL), "prompts/answer").document
    assert [message["role"] for message in document["messages"]] == ["system", "user"]
    assert document["messages"][0]["text"] == "Answer from the sources.\n\n{{ sources }}"
    assert document["parameters"] == {"temperature": 0, "max_tokens": 400}
    assert document["examples"] == [{"user": "Hi", "assistant": "Hello!"}]


def test_declared_variables_may_carry_a_type(tmp_path: Path) -> None:
    text = FULL.replace("[question, sources]", "{question: string, sources: string}")
    assert (
        kind.parse(write(tmp_path, text), "prompts/answer").digest
        == kind.parse(write(tmp_path, FULL), "prompts/answer").digest
    )


def test_line_ends_comments_and_byte_order_marks_change_nothing(tmp_path: Path) -> None:
    plain = kind.parse(write(tmp_path, FULL), "prompts/answer").digest
    (tmp_path / "prompts/answer.md").write_bytes(
        ("\ufeff" + FULL.replace("---\nvar", "---\n# a comment\nvar")).replace("\n", "\r\n").encode()
    )
    assert kind.parse(tmp_path, "prompts/answer").digest == plain


def test_one_changed_character_is_another_prompt(tmp_path: Path) -> None:
    one = kind.parse(write(tmp_path, FULL), "prompts/answer").digest
    assert kind.parse(write(tmp_path, FULL.replace("Answer from", "Answer  from")), "prompts/answer").digest != one


def test_text_without_roles_is_a_reply(tmp_path: Path) -> None:
    document = kind.parse(write(tmp_path, "A person will answer you.\n"), "prompts/answer").document
    assert document["messages"] == [{"role": "assistant", "text": "A person will answer you."}]


def test_headings_that_are_no_roles_and_headings_in_code_are_text(tmp_path: Path) -> None:
    text = "# system\nRead this:\n# Rules\n```\n# user\n```\n"
    document = kind.parse(write(tmp_path, text), "prompts/answer").document
    assert document["messages"] == [{"role": "system", "text": "Read this:\n# Rules\n```\n# user\n```"}]


@pytest.mark.parametrize(
    ("text", "line", "message", "hint"),
    [
        ("---\nvariables: [question]\n---\n# user\n\n{{ qestion }}\n", 6, "is not declared", "mean 'question'?"),
        ("---\nvariables: [qestion]\n---\n# user\nx\n", 2, "no variable 'qestion'", "mean 'question'?"),
        ("---\nvariables: {sorces: string}\n---\n# user\nx\n", 2, "no variable 'sorces'", "mean 'sources'?"),
        ("---\nparameters: {temprature: 0}\n---\n# user\nx\n", 2, "no key 'temprature'", "mean 'temperature'?"),
        ("---\nparameters: {temperature: 9}\n---\n# user\nx\n", 2, "expected 2 or less", ""),
        ("---\nvariabels: []\n---\n# user\nx\n", 2, "there is no key 'variabels' here", "did you mean 'variables'?"),
        ("---\nvariables: []\n# user\nx\n", 1, "never closed", "---"),
        ("# sytem\nx\n# user\ny\n", 1, "there is no role 'sytem'", "did you mean '# system'?"),
        ("Hello\n# user\nx\n", 1, "text before the first role", "# system"),
        ("# user\n{{ question.upper() }}\n", 2, "only plain names", "no expressions"),
        ("# user\nx\n{{ question | shell }}\n", 3, "only plain names", "no expressions"),
        ("# user\n{{ question\n", 2, "never closed", "{{ name }}"),
        ("# user\n{{ 7*7 }}\n", 2, "only plain names", ""),
        ("---\nvariables: []\n---\n", 4, "no text", ""),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_line(tmp_path: Path, text: str, line: int, message: str, hint: str) -> None:
    problem = refused(tmp_path, text)
    assert message in problem.message
    assert hint in problem.hint
    assert problem.where is not None
    assert (problem.where.file, problem.where.line) == ("prompts/answer.md", line)


def test_a_missing_prompt_names_the_nearest(tmp_path: Path) -> None:
    write(tmp_path, "x", "prompts/answer")
    with pytest.raises(NotFound) as caught:
        kind.parse(tmp_path, "prompts/anser")
    assert "prompts/answer.md" in caught.value.hint


def test_differences_are_said_line_by_line(tmp_path: Path) -> None:
    old = kind.parse(write(tmp_path, FULL), "prompts/answer").document
    changed = FULL.replace("Answer from the sources.", "Answer as you like.").replace(
        "temperature: 0", "temperature: 1"
    )
    said = kind.explain(old, kind.parse(write(tmp_path, changed), "prompts/answer").document)
    assert said == [
        "the system text changed:",
        "  - Answer from the sources.",
        "  + Answer as you like.",
        "parameter temperature: 0.0 → 1.0",
    ]
