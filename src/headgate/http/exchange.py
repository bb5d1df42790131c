"""One HTTP exchange over raw ASGI: the request as the routes see it, and the ways to answer. Called by every route.

Bodies are bounded while they are read; what is sent is counted for the log. No routing here, and no JSON checks.
"""

from __future__ import annotations

import math
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any, Protocol

import msgspec

from headgate.kernel import HeadgateError, InvalidInput, Standing, new_trace_id

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = Sequence[tuple[bytes, bytes]]

encode = msgspec.json.Encoder().encode
_JSON = b"application/json"
_PLAIN = "identity"
_NAMED_TWICE = "/v1/messages"
"""Where clients read a request's id in `request-id`, as Anthropic's do."""
_LONG_S = 60
"""Seconds after which a client had better hear of an error than wait by itself."""
_HOST = re.compile(r"[A-Za-z0-9.:\[\]_-]{1,255}")
_HEX = frozenset("0123456789abcdef")
_SEEN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:")


_LIMITS = {
    unit: tuple(f"x-ratelimit-{name}-{unit}".encode() for name in ("limit", "remaining", "reset"))
    for unit in ("requests", "tokens")
}


class Client(Protocol):
    """Who asked: whether they have left, what is called when they do, and a short way to send a whole answer."""

    gone: bool
    on_leave: Callable[[], None] | None

    def answer(self, status: int, headers: Headers, body: bytes) -> bool: ...


class Gone(Exception):  # no error: nobody reads an answer
    """The client closed the connection before it had sent, or heard, everything."""


class WrongMethod(InvalidInput):
    """The path is there, and takes another method."""

    code = "method_not_allowed"
    status = 405

    def __init__(self, what: str, allowed: str) -> None:
        super().__init__(f"{what} takes {allowed}")
        self.allowed = allowed


class TooLarge(InvalidInput):
    """The body is larger than the route takes."""

    code = "body_too_large"
    status = 413


class Exchange:
    """A request and its answer. `headers` holds the first value of each name, in lower case; `facts` go to the log.

    client: who asked, where the server is ours. ending: what a stream that has begun writes when it cannot go on.
    """

    __slots__ = (
        "_receive",
        "_request_id",
        "_send",
        "client",
        "ending",
        "facts",
        "headers",
        "method",
        "path",
        "scope",
        "status",
    )

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope, self._receive, self._send = scope, receive, send
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        sent = reversed(scope["headers"])  # so that of several with one name the first remains
        self.headers: Mapping[str, str] = {name.decode("latin-1"): value.decode("latin-1") for name, value in sent}
        given = self.headers.get("x-request-id", "")
        self._request_id = given if given and len(given) <= 128 and _SEEN.issuperset(given) else ""
        self.client: Client | None = scope.get("headgate.client")
        self.status = 0
        self.ending: Callable[[HeadgateError], bytes] | None = None
        self.facts: dict[str, Any] = {}

    @property
    def request_id(self) -> str:
        """The client's id of this request, else the id of its trace, else a fresh one."""
        if not self._request_id:
            self._request_id = str(self.facts.get("trace") or new_trace_id())
        return self._request_id

    @property
    def base(self) -> str:
        """The address by which the client reached this server, as far as it told; not to be trusted."""
        proxied = self.headers.get("x-forwarded-proto", "") == "https"
        scheme = "https" if proxied else self.scope.get("scheme", "http")
        host = self.headers.get("host", "")
        return f"{scheme}://{host}" if _HOST.fullmatch(host) else "http://host:port"

    @property
    def peer(self) -> str:
        client = self.scope.get("client")
        return str(client[0]) if client else ""

    async def body(self, limit: int, packed: bool = False) -> bytes:
        """Read the whole body as it was sent. packed: whether the route undoes gzip itself.

        Raises TooLarge (413), InvalidInput (415) for a body that is compressed otherwise, Gone.
        """
        encoding = self.headers.get("content-encoding", _PLAIN).lower()
        if encoding != _PLAIN and not (packed and encoding == "gzip"):
            taken = "gzip, or as it is" if packed else "send the body as it is"
            error = InvalidInput(f"bodies compressed with {encoding[:40]} are not accepted", taken, code="encoding")
            error.status = 415
            raise error
        declared = self.headers.get("content-length", "0")
        if declared.isdigit() and int(declared) > limit:
            raise _too_large(limit)
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise Gone
        body: bytes = message.get("body", b"")
        if not message.get("more_body") and len(body) <= limit:
            return body
        parts, size = [body], len(body)
        while message.get("more_body"):
            if size > limit:
                raise _too_large(limit)
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise Gone
            parts.append(message.get("body", b""))
            size += len(parts[-1])
        if size > limit:
            raise _too_large(limit)
        return b"".join(parts)

    def ends(self) -> tuple[Receive, Send]:
        """Return both ends of the connection for an application that speaks ASGI itself; the status stays known."""

        async def send(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                self.status = message["status"]
            await self._send(message)

        return self._receive, send

    async def left(self) -> None:
        """Return when the client has gone; call after the body was read."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def start(self, status: int, headers: Headers) -> None:
        self.status = status
        head = [*headers, *self._named()]
        await self._send({"type": "http.response.start", "status": status, "headers": head})

    async def write(self, body: bytes, more: bool = False) -> None:
        await self._send({"type": "http.response.body", "body": body, "more_body": more})

    async def json(self, status: int, data: Any, headers: Headers = ()) -> None:
        """Answer with JSON and be done."""
        await self.bytes(status, encode(data), _JSON, headers)

    async def bytes(self, status: int, body: bytes, kind: bytes, headers: Headers = ()) -> None:
        self.status = status
        head = [(b"content-type", kind), *headers, *self._named()]
        if self.client is None or not self.client.answer(status, head, body):
            head.append((b"content-length", b"%d" % len(body)))
            await self._send({"type": "http.response.start", "status": status, "headers": head})
            await self.write(body)

    def _named(self) -> Headers:
        request_id = self.request_id.encode("latin-1")
        if self.path.startswith(_NAMED_TWICE):
            return (b"x-request-id", request_id), (b"request-id", request_id)
        return ((b"x-request-id", request_id),)


class TraceIds:
    """Gives requests their trace ids: the caller's own when `traceparent` brings one that was not used lately."""

    def __init__(self, keep: int = 10_000) -> None:
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._keep = keep

    def of(self, traceparent: str) -> str:
        """Return the caller's trace id; a fresh one for a second request in the same trace, for a record has one id."""
        if not traceparent:
            return new_trace_id()
        parts = traceparent.split("-")
        if len(parts) < 4 or len(parts[1]) != 32 or not _HEX.issuperset(parts[1]) or not parts[1].strip("0"):
            return new_trace_id()
        if parts[1] in self._seen:
            return new_trace_id()
        self._seen[parts[1]] = None
        if len(self._seen) > self._keep:
            self._seen.popitem(last=False)
        return parts[1]


def error_headers(error: HeadgateError) -> list[tuple[bytes, bytes]]:
    """Return the headers that an error asks for: how to say who one is, and when to try again.

    Official clients sleep for as long as `retry-after` says, hours too, unless they are told not to try again.
    """
    headers = []
    if error.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if retry_after := getattr(error, "retry_after", 0):
        headers.append((b"retry-after", str(int(retry_after)).encode()))
        if retry_after > _LONG_S:
            headers.append((b"x-should-retry", b"false"))
    if standing := getattr(error, "standing", None):
        headers += limit_headers([standing], time.time())
    if isinstance(error, WrongMethod):
        headers.append((b"allow", error.allowed.encode()))
    if error.status in (408, 413, 431):
        headers.append((b"connection", b"close"))
    return headers


def limit_headers(standings: Sequence[Standing], now: float) -> list[tuple[bytes, bytes]]:
    """Return `x-ratelimit-*` as OpenAI writes them, of requests and of tokens: of several limits, the one with least
    left. Money and steps have no such header; what is left is what this process knows, other processes know more."""
    headers: list[tuple[bytes, bytes]] = []
    for unit, (limit, remaining, reset) in _LIMITS.items() if standings else ():
        least: Standing | None = None
        for standing in standings:
            if standing.unit == unit and (least is None or standing.left < least.left):
                least = standing
        if least is not None:
            said = _until(least.resets_at - now)
            headers += ((limit, b"%d" % least.most), (remaining, b"%d" % least.left), (reset, said))
    return headers


def _until(seconds: float) -> bytes:
    """Write a time as `1s`, `6m0s`, `7h12m0s`."""
    whole = max(0, math.ceil(seconds))
    if whole < 60:
        return b"%ds" % whole
    minutes, rest = divmod(whole, 60)
    return b"%dm%ds" % (minutes, rest) if minutes < 60 else b"%dh%dm%ds" % (*divmod(minutes, 60), rest)


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"the body is larger than {limit // 2**20} MiB", "send less at once")
