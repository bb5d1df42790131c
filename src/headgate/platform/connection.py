"""Where operations run: on a server or in this process, behind one `call`, with the same results and errors.

Called by the CLI. A server is spoken to at `/api` with the standard library's client, without redirects, over one
connection.
"""

from __future__ import annotations

import http.client
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel

from headgate.kernel import InvalidInput, Unavailable, new_id

from .operations import find
from .problems import error_of, raise_problem
from .settings import Settings
from .workspace import FOLDER, SERVER_FILE, Connection, Desk, Report, find_root

_TIMEOUT_S = 120.0
_POLL_S = 0.3


@dataclass(frozen=True, slots=True)
class LiveServer:
    """A server of this project on this machine, as `.headgate/server.json` says. `token` proves that we could read
    the file, so we act as the local administrator that we are."""

    url: str
    token: str
    pid: int


def live_server(note: Path) -> LiveServer | None:
    """Return a live server that the notes beside `.headgate/server.json` speak of, None when there is none."""
    return next(live_servers(note), None)


def live_servers(note: Path) -> Iterator[LiveServer]:
    """Yield the live servers of a folder, the one of `server.json` first.

    Each server leaves a note of its own, `server-….json`, and `server.json` names the one that was started last:
    on PostgreSQL several may serve one folder.
    """
    seen = set[int]()
    for path in (note, *sorted(note.parent.glob(f"{note.stem}-*{note.suffix}"))):
        server = _live(path)
        if server is not None and server.pid not in seen:
            seen.add(server.pid)
            yield server


def _live(note: Path) -> LiveServer | None:
    try:
        found = json.loads(note.read_text(encoding="utf-8"))
        server = LiveServer(str(found["url"]), str(found["token"]), int(found["pid"]))
        os.kill(server.pid, 0)
        connection = _connection(server.url, 2.0)
        connection.request("GET", "/healthz")
        answer = json.loads(connection.getresponse().read())
        connection.close()
    except (OSError, ValueError, KeyError, TypeError, http.client.HTTPException):
        return None
    return server if answer.get("pid") == server.pid else None


@dataclass(slots=True)
class Remote:
    """A server by URL. `key` says who we are; `local_token` is for a server on this machine."""

    url: str
    report: Report
    key: str = ""
    local_token: str = ""
    _open: http.client.HTTPConnection | None = field(default=None)

    def call(self, operation: str, request: BaseModel | Mapping[str, Any]) -> dict[str, Any]:
        data = request.model_dump(mode="json", by_alias=True) if isinstance(request, BaseModel) else dict(request)
        sort = find(operation).sort
        result = self._post(operation, data, "" if sort == "read" else new_id("req"))
        return self._wait(result["job"]) if sort == "job" else result

    def close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None

    def _wait(self, job_id: str) -> dict[str, Any]:
        while True:
            shown = self._post("job.show", {"job_id": job_id}, "")
            if shown["state"] == "failed":
                raise_problem(shown["error"] or {})
            if shown["state"] == "done":
                return dict(shown["result"])
            if progress := shown["progress"]:
                self.report(str(progress.get("text", "")), int(progress.get("done", 0)), int(progress.get("total", 0)))
            time.sleep(_POLL_S)

    def _post(self, operation: str, data: dict[str, Any], key: str) -> dict[str, Any]:
        """Send one request; a connection that broke is tried once more, under the same idempotency key."""
        headers = {"content-type": "application/json", "accept": "application/json"}
        if key:
            headers["idempotency-key"] = key
        if self.key:
            headers["authorization"] = f"Bearer {self.key}"
        elif self.local_token:
            headers["x-headgate-local"] = self.local_token
        path = f"{urlsplit(self.url).path.rstrip('/')}/api/{operation.replace('.', '/')}"
        body = json.dumps(data).encode()
        for attempt in (1, 2):
            try:
                if self._open is None:
                    self._open = _connection(self.url, _TIMEOUT_S)
                self._open.request("POST", path, body, headers)
                answer = self._open.getresponse()
                return _read(answer.status, answer.read(), self.url)
            except (OSError, http.client.HTTPException) as problem:
                self.close()
                if attempt == 2:
                    reason = f"{type(problem).__name__}: {problem}".rstrip(": ")
                    hint = "check HEADGATE_URL, or unset it to work without a server"
                    raise Unavailable(f"the server at {self.url} does not answer ({reason})", hint) from None
        raise AssertionError("the second attempt returns or raises")


def _read(status: int, body: bytes, url: str) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Unavailable(f"{url} answered {status} with something else than JSON", "is it a Headgate server?")
    if status >= 400:
        raise error_of({"status": status, **found})
    return found


def _connection(url: str, timeout_s: float) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidInput(f"{url!r} is no server's address", "write http://host:port or https://host")
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    return kind(parts.hostname, parts.port, timeout=timeout_s)


def connect(start: Path, settings: Settings, report: Report) -> Connection:
    """Return where operations run: `HEADGATE_URL`, the live local server of the project at or above `start`, or here.

    Raises NotFound when there is neither project nor URL, and what opening a project raises.
    """
    client = settings.client
    if client.url:
        return Remote(client.url, report, client.key)
    note = find_root(start) / FOLDER / SERVER_FILE
    server = live_server(note)
    if server is not None:
        return Remote(server.url, report, client.key, server.token)
    from .wiring import open_project

    return open_project(start, settings).in_process(report)


def run_operation(name: str, request: Mapping[str, Any], start: Path, settings: Settings, report: Report) -> Any:
    """Run any operation to its end, as a person in the folder `start`, and return its result as JSON-like data.

    Raises what the operation raises, and what `connect` raises. A request is checked before anything is opened.
    """
    from .target import read_request, resolve

    operation = find(name)
    target = resolve(operation)
    checked = read_request(target.request, request)
    root = find_root(start) if operation.sort == "local" else start
    connection = _Later(lambda: connect(start, settings, report))
    try:
        if operation.sort != "local":
            return connection.call(name, checked)
        result: BaseModel = target.function(Desk(root, connection, report), checked)
        return result.model_dump(mode="json", by_alias=True)
    finally:
        connection.close()


class _Later:
    """A connection that is made at the first call: checking files needs no database."""

    def __init__(self, make: Callable[[], Connection]) -> None:
        self._make, self._made = make, list[Connection]()

    def call(self, operation: str, request: BaseModel | Mapping[str, Any]) -> dict[str, Any]:
        if not self._made:
            self._made.append(self._make())
        return self._made[0].call(operation, request)

    def close(self) -> None:
        for connection in self._made:
            connection.close()
