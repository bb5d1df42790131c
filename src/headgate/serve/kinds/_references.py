"""Prompts as other files name them: found, or missed with the nearest name; replies told from prompts for a model.

Called by the kinds `app` and `contract`, and by `snapshot`. It reads files and never a database.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headgate.kernel import InvalidInput, NotFound, Source, Where
from headgate.serve.asking.prompt import compile_template

from .prompt import parse


def asks(prompt: Mapping[str, Any]) -> bool:
    """Whether a prompt is for a model (it has system or user text), not a reply."""
    return any(message["role"] != "assistant" for message in prompt["messages"])


def check_reply(prompt: Mapping[str, Any], where: Where | None) -> None:
    """Check that a prompt can be sent as it stands: one text, no role for a model, no variables."""
    if asks(prompt) or len(prompt["messages"]) != 1:
        raise InvalidInput("a reply is sent as it stands", "write plain text without role headings", where=where)
    if names := sorted(variables(prompt)):
        message = f"a reply is sent as it stands and has no variables, but uses {{{{ {names[0]} }}}}"
        raise InvalidInput(message, "write the words out", where=where)


def variables(prompt: Mapping[str, Any]) -> set[str]:
    """Return the names that a prompt's placeholders use."""
    return {name for message in prompt["messages"] for name in compile_template(message["text"]).variables}


def prompt_at(root: Path, path: str, source: Source, key: tuple[str | int, ...]) -> Mapping[str, Any]:
    """Return the document of a prompt that is named at `key` of the app. Raises InvalidInput at that place."""
    try:
        return dict(parse(root, path).document)
    except NotFound as problem:
        raise nothing("prompt", path, problem, source.where(key)) from None


def nothing(kind: str, path: str, problem: NotFound, where: Where) -> InvalidInput:
    """Say at the app's line that a file is missing, naming the nearest one as references are written."""
    hint = re.sub(r"\.(md|yaml)(?=['\s,]|$)", "", problem.hint)
    return InvalidInput(f"there is no {kind} {path!r}", hint, where=where)
