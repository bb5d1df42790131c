"""The project's folder, operations in this process, and the workspace that local operations get.

Called by `connection`, which chooses where operations run, and by `wiring`. It opens nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import BaseModel

from headgate.kernel import NotFound, Principal

from .operations import find

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
