"""LiteLLM as a catch-all: without the library it says what to install; with it, it keeps the contract of providers."""

from __future__ import annotations

import asyncio
import importlib.util
import time
from collections.abc import Iterator
from contextlib import aclosing
from typing import Any

import pytest

from headgate.kernel.plugins import MissingExtra
from headgate.models import Call, Delta, End, ProviderError, Providers
from headgate.models.providers.litellm import _failed
from headgate.testing.upstream import Upstream, running

HERE = importlib.util.find_spec("litellm") is not None
CALL = Call("m", {"messages": [{"role": "user", "content": "hello"}]})
FAULTS = ("429", "500", "html502", "garbage", "cut_before", "no_finish", "filtered", "empty")
# A whole answer without an end gets one from the library, and nothing says so.
CASES = [(fault, stream) for fault in FAULTS for stream in (False, True) if stream or fault != "no_finish"]
needs_library = pytest.mark.skipif(not HERE, reason="the optional library litellm is not installed")


@pytest.fixture
def served() -> Iterator[tuple[Any, Upstream]]:
    with running() as (url, server):
        entry = {"type": "litellm", "prefix": "openai", "api_base": url, "key": "k", "timeout": "2s"}
        yield Providers({"p": entry}).get("p"), server


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"install headgate\[litellm\]"):
        Providers({"p": {"type": "litellm"}}).get("p")


class Refused(Exception):
    """Shaped like the library's exceptions, which are subclasses of the official OpenAI client's."""

    def __init__(self, status: int, headers: dict[str, str] | None = None) -> None:
        super().__init__("why")
        self.status_code, self.message = status, "why"
        self.response = type("Response", (), {"headers": headers or {}})()


class ContentPolicyViolationError(Refused): ...


class APIConnectionError(Refused): ...


@pytest.mark.parametrize(
    ("problem", "code", "retryable", "wait"),
    [
        (Refused(429, {"Retry-After": "3"}), "provider_rate_limit", True, 3.0),
        (Refused(401), "provider_auth", False, None),
        (Refused(400), "provider_rejected", False, None),
        (Refused(503), "provider_server", True, None),
        (ContentPolicyViolationError(400), "content_filter", False, None),
        (APIConnectionError(500), "provider_connection", True, None),
        (KeyError("x"), "provider_protocol", True, None),
    ],
)
def test_its_exceptions_become_codes(problem: Exception, code: str, retryable: bool, wait: float | None) -> None:
    found = _failed(problem)
    assert (found.code, found.retryable, found.retry_after) == (code, retryable, wait)


@needs_library
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("fault", "stream"), CASES)
async def test_a_fault_is_one_error(served: tuple[Any, Upstream], fault: Any, stream: bool) -> None:
    provider, server = served
    server.misbehave(fault)
    events: list[Delta | End] = []
    problem = None
    try:
        async with aclosing(provider.chat(Call("m", CALL.body, stream=stream, timeout_s=5))) as answer:
            async for event in answer:
                events.append(event)
    except ProviderError as found:
        problem = found
    assert problem is not None
    assert not [event for event in events if isinstance(event, End)]


@needs_library
@pytest.mark.filterwarnings("ignore")
async def test_leaving_cancels_the_call_upstream_within_a_second(served: tuple[Any, Upstream]) -> None:
    provider, server = served
    server.misbehave("drip")
    async with aclosing(provider.chat(Call("m", CALL.body, stream=True))) as answer:
        assert isinstance(await anext(answer), Delta)
    began = time.monotonic()
    while not server.left:
        assert time.monotonic() - began < 1
        await asyncio.sleep(0.01)
