"""Where operations run: in this process or on a server, behind one `call`; and the workspace of local operations.

Called by the CLI through `entry`. The result and the errors are the same wherever an operation runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import BaseModel

from headgate.kernel import NotFound, Principal

from .operations import find
from .settings import Settings

if TYPE_CHECKING:
    from .jobs import Worker
    from .perform import Performer

Report = Callable[[str, int, int], None]
"""Takes what a long step does, how much is done and how much there is."""
PROJECT_FILE = "headgate.yaml"
FOLDER = ".headgate"
SERVER_FILE = "server.json"
"""In FOLDER: where a live server of the project is, and the token that proves who can read it."""


def find_root(start: Path) -> Path:
    """Return the nearest folder at or above `start` that holds `headgate.yaml`. Raises NotFound."""
    for folder in (start, *start.parents):
        if (folder / PROJECT_FILE).is_file():
            return folder
    raise NotFound(
        f"there is no {PROJECT_FILE} in {start} or above it",
        "go to a project, make one with `headgate init DIR`, or set HEADGATE_URL",
    )


class Connection(Protocol):
    """A way to run change, read and job operations to their end."""

    def call(self, operation: str, request: BaseModel | Mapping[str, Any]) -> dict[str, Any]:
        """Run an operation; of a job, wait for its result. Raises what the operation raises."""
        ...

    def close(self) -> None: ...


@dataclass(slots=True)
class InProcess:
    """Operations in this process, in the name of one principal; jobs run here, to the end."""

    performer: Performer
    principal: Principal
    worker: Worker
    report: Report
    on_close: Callable[[], None]

    def call(self, operation: str, request: BaseModel | Mapping[str, Any]) -> dict[str, Any]:
        result = self.performer.perform(self.principal, operation, request)
        if find(operation).sort != "job":
            return result
        return self.worker.finish(self.principal.project, result["job"], self.report)

    def close(self) -> None:
        self.on_close()


@dataclass(slots=True)
class Desk:
    """The workspace that a local operation gets: the project's folder and the connection of whoever runs it."""

    root: Path
    connection: Connection
    shown: Report

    def call(self, operation: str, request: BaseModel | Mapping[str, Any]) -> dict[str, Any]:
        return self.connection.call(operation, request)

    def report(self, text: str, done: int = 0, total: int = 0) -> None:
        self.shown(text, done, total)


def connect(start: Path, settings: Settings, report: Report) -> Connection:
    """Return where operations run: `HEADGATE_URL`, the live local server of the project at or above `start`, or here.

    Raises NotFound when there is neither project nor URL, and what opening a project raises.
    """
    client = settings.client
    if client.url:
        from .remote import Remote

        return Remote(client.url, report, client.key)
    note = find_root(start) / FOLDER / SERVER_FILE
    if note.exists():
        from .remote import Remote, live_server

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
