"""The operations over HTTP: `POST /api/<name>` with `/` for `.`, and `GET` with query parameters for reads.

Called by the app. It walks the table; errors are problem documents (RFC 9457). No operation is known here by name.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs

from headgate.kernel import HeadgateError, NotFound
from headgate.platform import Known, Operation, Performer, find, is_list, problem_of, resolve

from .bodies import API_LIMIT, decode_object
from .exchange import Exchange, WrongMethod, encode, error_headers
from .openapi import document

PREFIX = "/api/"
_PROBLEM = b"application/problem+json"
_THREADS = 8


class Api:
    """The operations of one project. They run in threads of their own: the gateway never waits for them."""

    def __init__(self, performer: Performer, version: str) -> None:
        self.performer, self.version = performer, version
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="headgate-api")
        self._document: bytes | None = None

    def close(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)

    async def openapi(self, exchange: Exchange) -> None:
        if self._document is None:
            made = await self._away(lambda: encode(document(self.version)))
            self._document = made
        await exchange.bytes(200, self._document, b"application/json")

    async def run(self, exchange: Exchange, known: Known) -> None:
        """Run the operation that the path names. Raises what it raises."""
        operation = named(exchange.path)
        exchange.facts |= {"operation": operation.name, "person": known.principal.person}
        if exchange.method == "GET" and operation.sort == "read":
            query = exchange.scope.get("query_string", b"").decode("latin-1")
            data = await self._away(lambda: from_query(operation, query))
        elif exchange.method == "POST":
            body = await exchange.body(API_LIMIT)
            data = decode_object(body) if body else {}
        else:
            raise WrongMethod(operation.name, "GET, POST" if operation.sort == "read" else "POST")
        key = exchange.headers.get("idempotency-key", "")
        result = await self._away(lambda: self.performer.perform(known.principal, operation.name, data, key))
        await exchange.json(202 if operation.sort == "job" else 200, result)

    async def _away(self, work: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def named(path: str) -> Operation:
    """Return the operation of a path. Raises NotFound with the nearest name; local ones are not on the server."""
    operation = find(path.removeprefix(PREFIX).strip("/").replace("/", "."))
    if operation.sort == "local":
        hint = f"run `headgate {' '.join(operation.words)}` where the files are"
        raise NotFound(f"{operation.name} works on project files and is not on the server", hint)
    return operation


def from_query(operation: Operation, query: str) -> dict[str, Any]:
    """Turn query parameters into a request's data; a repeated parameter is a list where the request takes one."""
    fields = resolve(operation).request.model_fields
    data: dict[str, Any] = {}
    for name, values in parse_qs(query, keep_blank_values=True, max_num_fields=200).items():
        listed = name in fields and is_list(fields[name].annotation)
        data[name] = values if listed else values[-1]
    return data


async def send_problem(exchange: Exchange, error: HeadgateError) -> None:
    """Answer with the problem document of an error."""
    await exchange.bytes(error.status, encode(problem_of(error)), _PROBLEM, error_headers(error))
