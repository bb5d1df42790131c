"""What a failure of a provider means: codes, and how long it asks us to wait."""

from __future__ import annotations

import pytest

from headgate.models.upstream.failures import failure, retry_after

DATE = "Wed, 21 Oct 2026 07:28:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after": "99999"}, 3600.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT", "date": DATE}, 30.0),
        ({"retry-after": "Wednesday, 21-Oct-26 07:28:30 GMT", "date": DATE}, 30.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:27:00 GMT", "date": DATE}, 0.0),
        ({"retry-after": "Thu, 22 Oct 2026 07:28:00 GMT", "date": DATE}, 3600.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "Wed, 99 Oct 2026 99:28:00 GMT"}, None),
        ({}, None),
    ],
)
def test_the_time_to_wait_is_read_in_seconds_and_as_a_date(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


@pytest.mark.parametrize(
    ("status", "words", "code", "retryable"),
    [
        (429, "", "provider_rate_limit", True),
        (529, "overloaded_error", "provider_server", True),
        (504, "", "provider_timeout", True),
        (400, "INVALID_ARGUMENT", "provider_rejected", False),
        (403, "PERMISSION_DENIED", "provider_auth", False),
        (400, "API_KEY_INVALID invalid_api_key", "provider_auth", False),
        (None, "overloaded_error", "provider_server", True),
        (None, "invalid_request_error", "provider_rejected", False),
        (None, "RESOURCE_EXHAUSTED", "provider_rate_limit", True),
        (None, "ThrottlingException", "provider_rate_limit", True),
        (None, "AccessDeniedException", "provider_auth", False),
        (400, "content_filter", "content_filter", False),
        (307, "", "provider_rejected", False),
    ],
)
def test_status_and_words_become_one_code(status: int | None, words: str, code: str, retryable: bool) -> None:
    found = failure(status, words, "why  it\nfailed", {}, wait_s=2.5)
    assert (found.code, found.retryable, found.retry_after, found.upstream_status) == (code, retryable, 2.5, status)
    assert "why it failed" in found.message
