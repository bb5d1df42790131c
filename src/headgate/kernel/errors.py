"""The tree of errors, and the one table that maps it to HTTP statuses and exit codes.

    HeadgateError(message, hint, code, where)
      ├─ InvalidInput   what was given cannot be understood or accepted   400  exit 2
      ├─ Denied         known, understood, not allowed                    403  exit 3
      ├─ NotFound       no such thing (or not yours to see)               404  exit 4
      ├─ Conflict       somebody else was first, or the state forbids it  409  exit 4
      ├─ Exhausted      a budget or a limit is used up                    429  exit 1
      ├─ Unavailable    a part that is needed does not answer             503  exit 1
      └─ Corrupt        stored bytes are not what their digest says       500  exit 1

Everybody raises these; only edges turn them into bytes. A blocked answer and a failed gate are values.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Where:
    """A place in a file that a person wrote: path as the project names it, 1-based line, dotted key."""

    file: str
    line: int | None = None
    key: str | None = None

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.key}" if self.key else place


_MOST, _END = 4_000, 500
"""Characters of a message: what it quotes may be as long as a body."""
_NAME = 200
"""Characters of a name that are compared: who looks for the nearest compares with each of its letters."""

_CLOSE = 0.75
"""From here on likeness counts more than a whole word in common: `api_key` means `key`, not `limit_key`."""
_WORD = re.compile("[_-]")


class HeadgateError(Exception):
    """Base of every error that a person or a client may see; `message` is one sentence, `hint` what to do."""

    code = "error"
    status = 500
    exit_code = 1

    def __init__(self, message: str, hint: str = "", *, code: str = "", where: Where | None = None) -> None:
        if len(message) > _MOST:
            message = f"{message[: _MOST - _END]} … {message[-_END:]}"
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code or type(self).code
        self.where = where

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        return f"{text} ({self.hint})" if self.hint else text


class InvalidInput(HeadgateError):
    code = "invalid_input"
    status = 400
    exit_code = 2


class Denied(HeadgateError):
    code = "denied"
    status = 403
    exit_code = 3


class NotFound(HeadgateError):
    code = "not_found"
    status = 404
    exit_code = 4


class Conflict(HeadgateError):
    code = "conflict"
    status = 409
    exit_code = 4


class Exhausted(HeadgateError):
    """A budget or limit is used up; `retry_after` is in seconds, 0 when waiting does not help."""

    code = "budget_exhausted"
    status = 429
    exit_code = 1
    retry_after: int = 0


class Unavailable(HeadgateError):
    code = "unavailable"
    status = 503
    exit_code = 1


class Corrupt(HeadgateError):
    code = "corrupt"
    status = 500
    exit_code = 1


def nearest(name: str, valid: Iterable[str]) -> str:
    """Return a hint naming the nearest of `valid` to `name`, or listing them when none is near."""
    choices = sorted(valid)
    if len(name) > _NAME:
        return f"valid: {', '.join(choices)}" if choices else ""
    close = difflib.get_close_matches(name, choices, n=1, cutoff=_CLOSE)
    close = close or [choice for choice in choices if choice in _WORD.split(name)][:1]
    close = close or difflib.get_close_matches(name, choices, n=1, cutoff=0.6)
    close = close or [choice for choice in choices if len(name) > 2 and name in choice][:1]
    if close:
        return f"did you mean {close[0]!r}?"
    return f"valid: {', '.join(choices)}" if choices else ""
