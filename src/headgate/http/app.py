"""The ASGI application: routes a request, finds out who calls, answers errors in the envelope of the wire addressed.

Called by the server (and by tests). Raw ASGI on purpose: the gateway's routes pay for no framework.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from headgate.kernel import HeadgateError, Unavailable
from headgate.platform import Gateway, Inference, Known, Performer, Telemetry, authorise

from .api import PREFIX, Api, send_problem
from .callers import Door
from .chat import COUNT, Chat
from .embeddings import PATH as EMBEDDINGS
from .embeddings import Embeddings
from .exchange import Exchange, Gone, Receive, Scope, Send, TraceIds, WrongMethod, encode, error_headers
from .guardrails import PATH as CHECKS
from .guardrails import Guardrails
from .inference import PATHS, Invocations, OpenInference, Scoring, inference_error, mlflow_error
from .inference import PREFIX as MODELS
from .logs import LogWriter
from .meters import CONTENT_TYPE, Meters
from .models import PATH as LISTED
from .models import Models
from .otlp import Otlp
from .paths import Nowhere, tidied

log = logging.getLogger("headgate.http")
_CLIENT_LEFT = 499
USUAL = "/v1/chat/completions"
"""The wire whose errors are understood by clients of `/v1` that speak no other."""
Route = Callable[[Exchange], Awaitable[None]]


class Pages(Protocol):
    """What shows pages to people: an ASGI application for the paths that it owns. Given by `__main__`."""

    def owns(self, path: str, accept: str) -> bool: ...

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...


class App:
    """One server's application. `gateway` and `performer` are wired by `platform`; `ready` becomes true by itself."""

    def __init__(
        self, gateway: Gateway, door: Door, version: str, writer: LogWriter | None = None, pages: Pages | None = None
    ) -> None:
        embedded = gateway.embedded
        self.gateway, self.door, self.writer, self.pages = gateway, door, writer, pages
        performer: Performer = embedded.performer
        self.meters = Meters(lambda: embedded.store.spans.dropped, gateway.exporter)
        self.meters.watch(gateway.targets.snapshot)
        self.otlp = Otlp(Telemetry(embedded.store), self.meters)
        trace_ids = TraceIds()
        chats = {path: Chat(gateway, self.meters, trace_ids, edge, self._known) for path, edge in gateway.edges.items()}
        self.models, self.api = Models(gateway), Api(performer, version)
        self.guardrails = Guardrails(gateway, self.meters, trace_ids)
        self.embeddings = Embeddings(gateway, self.meters, trace_ids)
        self.inference = Inference(gateway)
        scoring = Scoring(self.inference, self.meters, trace_ids)
        self.predictors = OpenInference(scoring, version, self._is_ready)
        self.invocations = Invocations(scoring, version, self._is_ready)
        self.ready = False
        self.measured: Callable[[], Awaitable[bytes]] | None = None
        """Renders the meters of this process and its siblings; None for a process alone."""
        self.about = {"status": "ok", "version": version, "pid": os.getpid(), "project": embedded.name}
        self.routes: dict[str, tuple[str, Route]] = {
            **{path: ("POST", chat.converse) for path, chat in chats.items()},
            **{f"{path}{COUNT}": ("POST", chat.count) for path, chat in chats.items() if chat.counts},
            LISTED: ("GET", self._models),
            CHECKS: ("POST", self._checks),
            EMBEDDINGS: ("POST", self._embeddings),
            "/v1/traces": ("POST", self._traces),
            "/invocations": ("POST", self._invocations),
            "/ping": ("GET", self.invocations.ping),
            "/health": ("GET", self.invocations.ping),
            "/version": ("GET", self.invocations.about),
            "/healthz": ("GET", self._healthz),
            "/readyz": ("GET", self._readyz),
            "/metrics": ("GET", self._metrics),
            "/api/openapi.json": ("GET", self.api.openapi),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(Exchange(scope, receive, send))
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self.gateway.start()
        except HeadgateError as problem:
            await send({"type": "lifespan.startup.failed", "message": str(problem)})
            return
        self.ready = True
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self.ready = False
        await self.gateway.close()
        self.inference.close()
        self.api.close()
        self.otlp.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _http(self, exchange: Exchange) -> None:
        began = time.perf_counter()
        try:
            self.door.check_host(exchange.headers)
            method, route = self.routes.get(exchange.path) or self._untidy(exchange)
            if exchange.method != method and not (exchange.method == "HEAD" and method == "GET"):
                raise WrongMethod(exchange.path, method)
            await route(exchange)
        except Gone:
            exchange.facts["client"] = "left"
        except HeadgateError as problem:
            await self._failed(exchange, problem)
        except asyncio.CancelledError:
            await self._failed(exchange, Unavailable("the server is stopping", "try again", code="stopping"))
            raise
        except Exception:  # the boundary of a request
            log.exception("request failed", extra={"facts": {"request": exchange.request_id}})
            hint = f"the server's log has it under request {exchange.request_id}"
            await self._failed(exchange, HeadgateError("the server made a mistake", hint, code="internal"))
        if self.writer is not None and self.writer.requests:
            self.gateway.afterwards(_tell, self.writer, exchange, (time.time(), time.perf_counter() - began))

    def _untidy(self, exchange: Exchange) -> tuple[str, Route]:
        """Return what is at a path with a slash too many at its end, else what looks elsewhere."""
        exchange.path = tidied(exchange.path, self.routes)
        return self.routes.get(exchange.path) or (exchange.method, self._elsewhere)

    async def _elsewhere(self, exchange: Exchange) -> None:
        """Answer at a path that has a part which is a name."""
        await self.gateway.catch_up()
        if exchange.path.startswith(PREFIX):
            await self.api.run(exchange, await self._known(exchange))
        elif exchange.path.startswith(f"{LISTED}/"):
            await self.models.show(exchange, await self._known(exchange))
        elif _below(exchange.path, MODELS):
            await self.predictors.run(exchange, lambda: self._known(exchange))
        elif self.pages is not None and self.pages.owns(exchange.path, exchange.headers.get("accept", "")):
            await self._page(exchange, self.pages)
        else:
            raise Nowhere(exchange.path, self.routes, exchange.base)

    async def _page(self, exchange: Exchange, pages: Pages) -> None:
        """Let the pages answer: they find out who visits from a cookie, or from what the door says of the caller."""
        caller = self.door.visitor(exchange.headers, exchange.peer, exchange.method)
        await pages({**exchange.scope, "headgate.caller": caller}, *exchange.ends())

    async def _known(self, exchange: Exchange) -> Known:
        return await self.gateway.identify(self.door.caller(exchange.headers, exchange.peer))

    async def _checks(self, exchange: Exchange) -> None:
        await self.guardrails.checks(exchange, await self._known(exchange))

    async def _embeddings(self, exchange: Exchange) -> None:
        await self.embeddings.create(exchange, await self._known(exchange))

    async def _models(self, exchange: Exchange) -> None:
        await self.models.list(exchange, await self._known(exchange))

    async def _invocations(self, exchange: Exchange) -> None:
        await self.invocations.invoke(exchange, await self._known(exchange))

    async def _traces(self, exchange: Exchange) -> None:
        await self.otlp.traces(exchange, self._known)

    async def _healthz(self, exchange: Exchange) -> None:
        await exchange.json(200, self.about)

    async def _readyz(self, exchange: Exchange) -> None:
        status = "ready" if self._is_ready() else "not ready"
        await exchange.json(200 if status == "ready" else 503, {"status": status})

    def _is_ready(self) -> bool:
        return self.ready and self.gateway.fresh

    async def _metrics(self, exchange: Exchange) -> None:
        caller = self.door.caller(exchange.headers, exchange.peer)
        if not caller.near:
            authorise((await self.gateway.identify(caller)).principal, "read", "read metrics")
        await self.gateway.catch_up()
        measured = self.meters.render() if self.measured is None else await self.measured()
        await exchange.bytes(200, measured, CONTENT_TYPE)

    async def _failed(self, exchange: Exchange, error: HeadgateError) -> None:
        """Answer with an error, or end a stream that has begun."""
        exchange.facts["error"] = error.code
        envelope = self._envelope(getattr(error, "meant", "") or exchange.path)
        self.meters.failed(self._label(exchange.path), error.status)
        if exchange.status:
            if exchange.ending is not None:
                await exchange.write(exchange.ending(error))
        elif envelope is not None:
            await exchange.bytes(error.status, encode(envelope(error)), b"application/json", error_headers(error))
        else:
            await send_problem(exchange, error)

    def _envelope(self, path: str) -> Callable[[HeadgateError], dict[str, Any]] | None:
        """Return what writes errors as the wire addressed does; None for ours."""
        if path.startswith("/v1/"):
            found = next((edge for at, edge in self.gateway.edges.items() if _below(path, at)), None)
            return (found or self.gateway.edges[USUAL]).error_body
        if _below(path, MODELS):
            return inference_error
        return mlflow_error if path in PATHS else None

    def _label(self, path: str) -> str:
        if path in self.routes:
            return path
        return "/v2" if _below(path, MODELS) else "/api" if path.startswith(PREFIX) else "other"


def _tell(writer: LogWriter, exchange: Exchange, times: tuple[float, float]) -> None:
    """Write the line of a request. times: when it ended, and the seconds that it took."""
    at, took_s = times
    writer.put({
        "at": at,
        "level": "info",
        "log": "headgate.request",
        "method": exchange.method,
        "path": exchange.path[:200],
        "status": exchange.status or _CLIENT_LEFT,
        "ms": round(took_s * 1000, 3),
        "request": exchange.request_id,
        **exchange.facts,
    })  # fmt: skip


def _below(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(prefix + "/")
