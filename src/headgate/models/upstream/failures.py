"""What a provider's failure means: a code, whether trying again makes sense, and when.

Called by the codecs in `wires/` and by providers; it reads status, headers and words, never a body's shape.
Sources: RFC 9110 section 10.2.3 (Retry-After); the error pages of OpenAI, Anthropic, Gemini and Bedrock, 2026.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from headgate.models.call import ProviderError

_RETRYABLE = ("provider_rate_limit", "provider_timeout", "provider_server")
_LONGEST_S = 3600.0
_WORDS = (
    ("content_filter", ("content_filter", "content_policy")),
    ("provider_rate_limit", ("rate_limit", "insufficient_quota", "resource_exhausted", "throttling")),
    (
        "provider_auth",
        ("authentication", "api_key", "permission", "unauthenticated", "accessdenied"),
    ),
    ("provider_timeout", ("timeout", "deadline_exceeded")),
)
_REJECTED = ("invalid_request", "invalid_argument", "not_found", "validation")


def failure(
    status: int | None, words: str, message: Any, headers: Mapping[str, str], wait_s: float | None = None
) -> ProviderError:
    """Build the error for an answer that is one.

    status: HTTP status, None for an error sent inside a stream. words: the provider's own codes and types, joined.
    wait_s: seconds to wait as the body says, used when the headers say nothing.
    """
    code = _code(status, words.lower())
    text = " ".join(str(message or "").split())[:300]
    shown = f"the provider answered {status}" if status else "the provider answered with an error"
    asked = retry_after(headers)
    return ProviderError(
        f"{shown}: {text}" if text else shown,
        "check the key of this provider" if code == "provider_auth" else "",
        code=code,
        retryable=code in _RETRYABLE and "insufficient_quota" not in words,
        retry_after=wait_s if asked is None else asked,
        upstream_status=status,
    )


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Read `retry-after-ms` or `retry-after`, in seconds or as an HTTP date; nonsense is None. At most an hour.

    A date counts from the reply's own `date`, so that the provider's clock need not agree with ours.
    """
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers[name]) * unit
        except (KeyError, ValueError):
            continue
        if 0 <= seconds < float("inf"):
            return min(seconds, _LONGEST_S)
    until = _date(headers.get("retry-after"))
    if until is None:
        return None
    now = _date(headers.get("date"))
    return min(max(until - (time.time() if now is None else now), 0.0), _LONGEST_S)


def broken_answer(what: str, *, retryable: bool = True) -> ProviderError:
    """Build the error for an answer that is none of what its wire allows; `what` completes "the provider …"."""
    return ProviderError(f"the provider{what}", code="provider_protocol", retryable=retryable)


def refused(what: str, instead: str = "") -> ProviderError:
    """Build the error for a call that this provider cannot make; another one of the chain may."""
    return ProviderError(what, instead, code="provider_rejected")


def _date(text: str | None) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp() if text else None
    except (ValueError, OverflowError):
        return None


def _code(status: int | None, words: str) -> str:
    by_status = {429: "provider_rate_limit", 401: "provider_auth", 403: "provider_auth", 408: "provider_timeout"}
    for code, marks in _WORDS:
        if (status is not None and by_status.get(status) == code) or any(mark in words for mark in marks):
            return code
    if status is None:
        return "provider_rejected" if any(mark in words for mark in _REJECTED) else "provider_server"
    if status == 504:
        return "provider_timeout"
    return "provider_server" if status >= 500 else "provider_rejected"
