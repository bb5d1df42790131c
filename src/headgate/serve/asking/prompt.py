"""Prompts compiled: text with placeholders, roles, parameters. Called by the prompt kind, `snapshot` and `context`.

Substitution of `{{ name }}` is plain: there are no expressions, calls or filters, and substituted text is never looked
at again, so what a user or a document says can not become a template (P22). It must not import anything that evaluates.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from headgate.kernel import InvalidInput, Where, nearest

AVAILABLE = ("question", "sources", "label", "refusals")
"""What `execute` can fill in: the last user message, numbered passages, the router's label, the contract's rules."""

_OPEN = re.compile(r"\{\{(.*?)\}\}|\{\{|\}\}", re.DOTALL)
_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")


@dataclass(frozen=True, slots=True)
class Template:
    """Compiled text: `parts` alternates literals and names, beginning and ending with a literal."""

    parts: tuple[str, ...]

    @property
    def variables(self) -> frozenset[str]:
        return frozenset(self.parts[1::2])

    def render(self, values: Mapping[str, str]) -> str:
        """Return the text with every placeholder replaced by its value, '' when it has none."""
        parts = self.parts
        if len(parts) == 1:
            return parts[0]
        if len(parts) == 3:
            return parts[0] + values.get(parts[1], "") + parts[2]
        return "".join([values.get(part, "") if index % 2 else part for index, part in enumerate(parts)])


def compile_template(text: str) -> Template:
    """Compile text that `check_template` has accepted; what is not a placeholder stays as it stands."""
    parts: list[str] = []
    at = 0
    for found in _OPEN.finditer(text):
        name = (found[1] or "").strip()
        if _NAME.match(name):
            parts += [text[at : found.start()], name]
            at = found.end()
    return Template((*parts, text[at:]))


def check_template(text: str, valid: tuple[str, ...], where: Callable[[int], Where]) -> None:
    """Refuse placeholders that are not plain names of `valid`; `where` maps a 0-based line of the text to its place.

    Raises InvalidInput with file, line and the nearest valid name.
    """
    for found in _OPEN.finditer(text):
        if found[0] == "}}":
            continue
        place = where(text.count("\n", 0, found.start()))
        if found[1] is None:
            raise InvalidInput("a placeholder is opened with '{{' and never closed", "write {{ name }}", where=place)
        name = found[1].strip()
        if not _NAME.match(name):
            raise InvalidInput(
                f"{found[0]!r} is not a placeholder: only plain names are substituted",
                "write {{ name }}; there are no expressions, calls or filters",
                where=place,
            )
        if name not in valid:
            raise InvalidInput(f"the variable {name!r} is not declared", nearest(name, valid), where=place)


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt as a release serves it.

    before: rendered ahead of the conversation (system text, fixed turns). question: wraps the last user message, None
    to send it as it is. after: what follows it (the beginning of the model's reply). parameters: pinned, as sent.
    """

    path: str
    before: tuple[tuple[str, Template], ...]
    question: Template | None
    after: tuple[tuple[str, Template], ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    examples: tuple[tuple[str, str], ...] = ()
    variables: frozenset[str] = frozenset()

    @property
    def shows_sources(self) -> bool:
        return "sources" in self.variables


def compile_prompt(path: str, document: Mapping[str, Any]) -> Prompt:
    """Compile the stored document of a prompt. The last user text is the one that wraps the question."""
    messages = [(message["role"], compile_template(message["text"])) for message in document["messages"]]
    asking = [index for index, (role, _) in enumerate(messages) if role == "user"]
    cut = asking[-1] if asking else len(messages)
    return Prompt(
        path,
        tuple(messages[:cut]),
        messages[cut][1] if asking else None,
        tuple(messages[cut + 1 :]),
        dict(document.get("parameters", {})),
        tuple((pair["user"], pair["assistant"]) for pair in document.get("examples", [])),
        frozenset().union(*(template.variables for _, template in messages)),
    )


def compile_reply(document: Mapping[str, Any]) -> str:
    """Return the text of a prompt that is sent as it stands."""
    return str(document["messages"][0]["text"])
