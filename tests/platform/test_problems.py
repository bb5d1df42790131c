"""Errors as data and back."""

from __future__ import annotations

import json

import pytest

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
from headgate.platform import error_of, problem_of

KINDS = [Conflict, Corrupt, Denied, Exhausted, HeadgateError, InvalidInput, NotFound, Unavailable]


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_survives_the_way_to_a_client(kind: type[HeadgateError]) -> None:
    error = kind("it failed", "do this", code="own_code", where=Where("apps/x.yaml", 3, "route.to"))
    found = error_of(json.loads(json.dumps(problem_of(error))))
    assert type(found) is kind
    assert (found.message, found.hint, found.code, found.where) == ("it failed", "do this", "own_code", error.where)
    assert (found.status, found.exit_code) == (kind.status, kind.exit_code)


def test_when_to_try_again_survives() -> None:
    error = Exhausted("used up")
    error.retry_after = 90
    found = error_of(problem_of(error))
    assert isinstance(found, Exhausted)
    assert found.retry_after == 90


def test_a_status_of_its_own_survives() -> None:
    error = Denied("who are you?")
    error.status = 401
    assert error_of(problem_of(error)).status == 401


def test_a_strange_answer_is_still_an_error() -> None:
    assert error_of({"status": 502}).message
