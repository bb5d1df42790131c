"""Errors as data and back: what stands in a problem document (RFC 9457), in a job's row and in the terminal's JSON.

Called by edges, jobs and the remote client, so that an error is the same one wherever the operation ran.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from headgate.kernel import (
    Conflict,
    Corrupt,
    Denied,
    Exhausted,
    HeadgateError,
    InvalidInput,
    NotFound,
    Unavailable,
    Where,
)

_CLASSES: dict[str, type[HeadgateError]] = {
    kind.__name__: kind for kind in (Conflict, Corrupt, Denied, Exhausted, InvalidInput, NotFound, Unavailable)
}


def problem_of(error: HeadgateError) -> dict[str, Any]:
    """Return the problem document of an error: `type`, `title`, `status`, `detail`, `code`, `hint`, place if any."""
    kind = next((name for name, known in _CLASSES.items() if isinstance(error, known)), "HeadgateError")
    found: dict[str, Any] = {
        "type": f"urn:headgate:error:{error.code}",
        "title": kind,
        "status": error.status,
        "detail": error.message,
        "code": error.code,
        "hint": error.hint,
    }
    if error.where is not None:
        place = {"file": error.where.file, "line": error.where.line, "key": error.where.key}
        found["where"] = {name: value for name, value in place.items() if value is not None}
    if isinstance(error, Exhausted) and error.retry_after:
        found["retry_after"] = error.retry_after
    return found


def error_of(problem: Mapping[str, Any]) -> HeadgateError:
    """Build the error that a problem document speaks of."""
    kind = _CLASSES.get(str(problem.get("title")), HeadgateError)
    place = problem.get("where")
    where = Where(str(place.get("file", "")), place.get("line"), place.get("key")) if isinstance(place, dict) else None
    message = str(problem.get("detail") or problem.get("title") or "the server answered with an error")
    error = kind(message, str(problem.get("hint") or ""), code=str(problem.get("code") or ""), where=where)
    if isinstance(problem.get("status"), int):
        error.status = problem["status"]
    if isinstance(error, Exhausted):
        error.retry_after = int(problem.get("retry_after") or 0)
    return error


def raise_problem(problem: Mapping[str, Any]) -> NoReturn:
    raise error_of(problem)
