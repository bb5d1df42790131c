"""The tree of errors: one status and one exit code each, and texts for people."""

from __future__ import annotations

import pytest

from headgate import kernel
from headgate.kernel import HeadgateError, InvalidInput, Where, nearest

TABLE = {
    "InvalidInput": (400, 2),
    "Denied": (403, 3),
    "NotFound": (404, 4),
    "Conflict": (409, 4),
    "Exhausted": (429, 1),
    "Unavailable": (503, 1),
    "Corrupt": (500, 1),
}


@pytest.mark.parametrize("name", TABLE)
def test_each_class_has_its_status_and_exit_code(name: str) -> None:
    found = getattr(kernel, name)
    assert issubclass(found, HeadgateError)
    assert (found.status, found.exit_code) == TABLE[name]
    assert found("it is so").code == found.code != "error"


def test_the_table_is_complete() -> None:
    direct = {found.__name__ for found in HeadgateError.__subclasses__()}
    assert direct == set(TABLE)


def test_a_text_has_its_place_and_its_hint() -> None:
    problem = InvalidInput("is missing", "write it", where=Where("a.yaml", 3, "gates.release"), code="special")
    assert str(problem) == "a.yaml:3: gates.release: is missing (write it)"
    assert problem.code == "special"
    assert str(InvalidInput("is missing")) == "is missing"
    assert str(Where("a.yaml")) == "a.yaml"


def test_the_nearest_name_is_suggested_or_all_are_listed() -> None:
    assert nearest("ruoter", ["router", "risk"]) == "did you mean 'router'?"
    assert nearest("xyz", ["b", "a"]) == "valid: a, b"
    assert nearest("xyz", []) == ""
    assert nearest("router" * 2_000_000, ["router"]) == "valid: router", "no time is spent on what is no name"
    assert nearest("api_key", ["key", "limit_key"]) == "did you mean 'key'?", "a whole word in common counts more"
    assert nearest("cost", ["cost_per_request", "error_rate"]) == "did you mean 'cost_per_request'?"


def test_what_a_message_quotes_does_not_make_it_long() -> None:
    error = InvalidInput(f"the name {'x' * 10**6!r} is not known", "leave it out")
    assert len(error.message) < 4_100
    assert error.message.startswith("the name 'xxx")
    assert error.message.endswith("xx' is not known")
    assert InvalidInput("y" * 4_000).message == "y" * 4_000
