"""The kind `prompt`: a Markdown file with YAML front matter and roles as headings. Called by the plugin loader.

    ---
    variables: {question: string, sources: string}
    parameters: {temperature: 0, max_tokens: 400}
    examples: [{user: "Hi", assistant: "Hello! How can I help?"}]
    ---
    # system
    Answer from the sources only.
    # user
    {{ question }}
    {{ sources }}

A file without role headings is a reply: text that is sent as it stands (`safe.md`, `refuse.md`).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from headgate.kernel import (
    Draft,
    InvalidInput,
    Kind,
    Source,
    Where,
    document_of,
    nearest,
    parse_yaml,
    read_text,
    validate,
)
from headgate.serve.asking.prompt import AVAILABLE, check_template

from ._changes import changed_text, changed_values

_HEADING = re.compile(r"^# +(\S+) *$")
_FENCE = re.compile(r"^ {0,3}(```|~~~)")
ROLES = ("system", "user", "assistant")
_STRICT = ConfigDict(frozen=True, extra="forbid")
Positive = Annotated[int, Field(gt=0)]


class Parameters(BaseModel):
    """Sampling parameters pinned by the prompt; what a client sends for these never wins."""

    model_config = _STRICT
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    max_tokens: Positive | None = None
    max_completion_tokens: Positive | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high"] | None = None
    response_format: dict[str, Any] | None = None


class Example(BaseModel):
    """One few-shot pair, shown to the model between the system text and the conversation."""

    model_config = _STRICT
    user: str
    assistant: str


class Front(BaseModel):
    """The front matter as people write it. `variables` declares what the placeholders may name; each is text."""

    model_config = _STRICT
    variables: list[str] | dict[str, Literal["string"]] | None = None
    parameters: Parameters = Parameters()
    examples: list[Example] = []


class Message(BaseModel):
    model_config = _STRICT
    role: Literal["system", "user", "assistant"]
    text: str


class Prompt(BaseModel):
    """The stored document."""

    model_config = _STRICT
    messages: list[Message]
    parameters: Parameters = Parameters()
    examples: list[Example] = []


def parse(root: Path, path: str) -> Draft:
    """Read `<path>.md`. Raises NotFound, or InvalidInput with file, line and key."""
    file = f"{path}.md"
    text = read_text(root, file)
    front, body, first = _split(text, file)
    header = validate(Front, front) if front else Front()
    valid = _variables(header, front)
    messages = _messages(body, file, first)
    for line, message in messages:
        check_template(message.text, valid, lambda extra, line=line: Where(file, line + extra))  # type: ignore[misc]
    if not messages:
        raise InvalidInput("the prompt has no text", "write the text below the front matter", where=Where(file, first))
    prompt = Prompt(messages=[item for _, item in messages], parameters=header.parameters, examples=header.examples)
    return Draft("prompt", 1, path, document_of(prompt))


def _split(text: str, file: str) -> tuple[Source | None, list[str], int]:
    """Return the front matter, the lines of the body and the 1-based line at which the body begins."""
    lines = text.split("\n")
    if lines[0].rstrip() != "---":
        return None, lines, 1
    end = next((index for index in range(1, len(lines)) if lines[index].rstrip() == "---"), None)
    if end is None:
        raise InvalidInput(
            "the front matter is opened with --- and never closed", "add a line ---", where=Where(file, 1)
        )
    source = parse_yaml("\n".join(lines[1:end]), file, 1)
    if source.data is None:
        return None, lines[end + 1 :], end + 2
    return source, lines[end + 1 :], end + 2


def _variables(header: Front, front: Source | None) -> tuple[str, ...]:
    if header.variables is None or front is None:
        return AVAILABLE
    for index, name in enumerate(header.variables):
        if name not in AVAILABLE:
            where = front.where(("variables", index if isinstance(header.variables, list) else name))
            raise InvalidInput(f"there is no variable {name!r}", nearest(name, AVAILABLE), where=where)
    return tuple(header.variables)


def _messages(body: list[str], file: str, first: int) -> list[tuple[int, Message]]:
    """Cut the body at its role headings; each message comes with the 1-based line of its first text line."""
    found: list[tuple[int, str, list[str]]] = []
    loose: list[str] = []
    fenced = False
    for number, line in enumerate(body, first):
        fenced ^= bool(_FENCE.match(line))
        heading = None if fenced else _HEADING.match(line)
        role = _role(heading[1], file, number) if heading else None
        if role:
            found.append((number + 1, role, []))
        else:
            (found[-1][2] if found else loose).append(line)
    if not found:
        return [item] if (item := _message(first, "assistant", loose)) else []
    if extra := next((number for number, line in enumerate(loose, first) if line.strip()), None):
        raise InvalidInput(
            "there is text before the first role", "begin with # system or # user", where=Where(file, extra)
        )
    return [item for line, role, lines in found if (item := _message(line, role, lines))]


def _role(word: str, file: str, line: int) -> str | None:
    lower = word.lower()
    if lower in ROLES:
        return lower
    if close := difflib.get_close_matches(lower, ROLES, n=1, cutoff=0.7):
        raise InvalidInput(f"there is no role {word!r}", f"did you mean '# {close[0]}'?", where=Where(file, line, word))
    return None


def _message(line: int, role: str, lines: list[str]) -> tuple[int, Message] | None:
    text = "\n".join(lines)
    if not text.strip():
        return None
    lead = len(text) - len(text.lstrip("\n"))
    return line + lead, Message(role=role, text=text.strip("\n").rstrip())


def explain(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Say what changed between two prompts, in sentences and changed lines."""
    said = []
    for role in ROLES:
        before = "\n".join(item["text"] for item in old["messages"] if item["role"] == role)
        after = "\n".join(item["text"] for item in new["messages"] if item["role"] == role)
        said += changed_text(f"the {role} text", before, after)
    said += changed_values("parameter", old.get("parameters", {}), new.get("parameters", {}))
    if old.get("examples", []) != new.get("examples", []):
        said.append(f"examples: {len(old.get('examples', []))} before, {len(new.get('examples', []))} now")
    return said or ["the order of the messages changed"]


plugin = Kind("prompt", 1, Prompt, parse, explain)
