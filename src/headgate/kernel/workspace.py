"""A person's side of an operation: the folder with the files, and a way to call operations wherever they run.

Operations of the sort `local` (train, data add, release create, pull …) take a workspace: they read and write
project files there and call the other operations, in process or on a server, through `call`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel


class Workspace(Protocol):
    @property
    def root(self) -> Path:
        """The project's folder: the one that holds `headgate.yaml`."""
        ...

    def call(self, operation: str, request: BaseModel | Mapping[str, Any]) -> dict[str, Any]:
        """Run an operation by name and return its result as JSON-like data. Raises what the operation raises."""
        ...

    def report(self, text: str, done: int = 0, total: int = 0) -> None:
        """Tell the person how far a long step is; never required to be shown."""
        ...
