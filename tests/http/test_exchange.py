"""What an error says in headers: who one is, when to try again, and whether a client had better not by itself."""

from __future__ import annotations

import pytest

from headgate.http.exchange import error_headers
from headgate.kernel import Exhausted, HeadgateError


def headers(error: HeadgateError, **facts: int) -> dict[bytes, bytes]:
    for name, value in facts.items():
        setattr(error, name, value)
    return dict(error_headers(error))


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, {}),
        (60, {b"retry-after": b"60"}),
        (61, {b"retry-after": b"61", b"x-should-retry": b"false"}),
    ],
)
def test_clients_that_would_sleep_long_are_told_not_to_try_again(seconds: int, expected: dict[bytes, bytes]) -> None:
    assert headers(Exhausted("used up"), retry_after=seconds) == expected


def test_who_is_not_known_is_told_how_to_say_it() -> None:
    assert headers(HeadgateError("no key"), status=401) == {b"www-authenticate": b"Bearer"}
