"""Reaching a bucket: addresses and keys, how long to wait, and what a bucket that fails is told people as.

Called by `Blobs` only. Nothing here may show a key: a store's own words repeat what was signed, so they are never
passed on, only the short code in them (`NoSuchBucket`, `SignatureDoesNotMatch`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from headgate.kernel import HeadgateError, InvalidInput, Unavailable

_CODE = re.compile(r"<Code>(\w{1,60})</Code>")
_STATUS = re.compile(r"status(?: code)?:? (\d{3})\b")
_NO_BUCKET = "NoSuchBucket"
_S3 = ("endpoint", "region", "access_key_id", "secret_access_key", "session_token")


@dataclass(frozen=True, slots=True)
class Bucket:
    """How to reach a bucket. What is empty is found as AWS's own libraries do: their variables, the machine's role.

    timeout_s: how long a bucket may be silent; one that is dead is reported within about this time.
    """

    endpoint: str = ""
    region: str = ""
    access_key_id: str = field(default="", repr=False)
    secret_access_key: str = field(default="", repr=False)
    session_token: str = field(default="", repr=False)
    timeout_s: float = 10.0


def open_bucket(url: str, bucket: Bucket) -> Any:
    """Return obstore's store behind a URL; nothing is sent yet. Raises InvalidInput for a URL that is none of ours."""
    from obstore.exceptions import BaseError
    from obstore.store import from_url

    hint = "a folder, memory:// or s3://bucket/prefix"
    if url == "memory://":
        return from_url(url)
    parts = urlsplit(url)
    if parts.username or parts.password:
        raise InvalidInput("keys do not belong into the address of a bucket", "set AWS_ACCESS_KEY_ID and its secret")
    if parts.scheme == "s3" and not parts.hostname:
        raise InvalidInput(f"{url} names no bucket", hint)
    config: Any = {name: value for name in _S3 if parts.scheme == "s3" and (value := getattr(bucket, name))}
    try:
        return from_url(url, config=config, client_options=_client(bucket), retry_config=_retries(bucket))
    except (BaseError, ValueError, OSError) as problem:
        raise InvalidInput(f"blobs cannot be stored in {url}: {_first_line(problem)}", hint) from None


def _client(bucket: Bucket) -> Any:
    """A silent bucket is given up on before `timeout_s` is over; `timeout` bounds one that drips, part by part."""
    wait = bucket.timeout_s
    return {
        "allow_http": bucket.endpoint.startswith("http://"),
        "connect_timeout": timedelta(seconds=wait * 0.3),
        "read_timeout": timedelta(seconds=wait * 0.9),
        "timeout": timedelta(seconds=wait * 6),
    }


def _retries(bucket: Bucket) -> Any:
    backoff = {"init_backoff": timedelta(seconds=0.1), "max_backoff": timedelta(seconds=1), "base": 2}
    return {"max_retries": 3, "retry_timeout": timedelta(seconds=bucket.timeout_s * 0.6), "backoff": backoff}


def is_absent(problem: FileNotFoundError) -> bool:
    """Whether only the blob is missing, not the bucket. A HEAD answer has no words and cannot tell."""
    return _NO_BUCKET not in str(problem)


def explained(problem: Exception, url: str, bucket: Bucket) -> HeadgateError:
    """Turn what obstore raised for a bucket into one sentence that says what to check."""
    text = str(problem)
    found, status = _CODE.search(text), _STATUS.search(text)
    code = found[1] if found else f"status {status[1]}" if status else ""
    named = f" ({code})" if code else ""
    at = f" at {urlsplit(bucket.endpoint).netloc.rpartition('@')[2]}" if bucket.endpoint else ""
    if _NO_BUCKET in text:
        return Unavailable(f"there is no bucket {urlsplit(url).netloc}{at}", "create it, or correct HEADGATE_BLOBS")
    if _refused(problem, status):
        hint = "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, and what they may do there"
        return Unavailable(f"the bucket of {url} refuses us{named}", hint, code="blobs_refused")
    if "/latest/api/token" in text or "/latest/meta-data" in text or "redentials" in text:
        hint = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give this machine a role"
        return Unavailable(f"there are no credentials for the bucket of {url}", hint, code="blobs_refused")
    if "configured region" in text or (status and status[1].startswith("3")):
        return Unavailable(f"the bucket of {url} is in another region{named}", "check AWS_REGION and AWS_ENDPOINT_URL")
    check = f"check that it runs and that AWS_ENDPOINT_URL is right{_slow(text)}"
    return Unavailable(f"the bucket of {url}{at} {_how(text)}{named}", check)


def _refused(problem: Exception, status: re.Match[str] | None) -> bool:
    from obstore.exceptions import PermissionDeniedError, UnauthenticatedError

    refusals = (PermissionDeniedError, UnauthenticatedError, PermissionError)
    return isinstance(problem, refusals) or (status is not None and status[1] in ("400", "401", "403"))


def _how(text: str) -> str:
    if "kind: Timeout" in text or "TimedOut" in text:
        return "does not answer in time"
    if "kind: Connect" in text:
        return "cannot be reached"
    if "kind: Decode" in text or "kind: Interrupted" in text or "IncompleteMessage" in text:
        return "broke off in the middle of an answer"
    return "does not do its work"


def _slow(text: str) -> str:
    return "; HEADGATE_BLOBS_TIMEOUT gives it longer" if "TimedOut" in text or "kind: Timeout" in text else ""


def _first_line(problem: Exception) -> str:
    return next(iter(str(problem).strip().splitlines()), type(problem).__name__)
