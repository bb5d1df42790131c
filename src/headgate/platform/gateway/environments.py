"""What each environment serves, in memory: a versioned snapshot of the environment rows, replaced whole.

Called by the gateway: a request takes the pin it finds and keeps it for life (P6). Read again five times a second, and
at once after a promotion in this process.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, select

from headgate.kernel import InvalidInput, NotFound, nearest
from headgate.store import Records, tables

DEFAULT = "prod"


@dataclass(frozen=True, slots=True)
class Pin:
    """One release for the life of one request; `environment` is empty when the release was named by its digest."""

    app: str
    environment: str
    generation: int
    release: str

    @property
    def counted(self) -> str:
        """The name by which it is counted: the app, or only the provider of a model that was addressed directly, by
        whatever name: meters keep what they have seen."""
        return self.app if self.release else self.app.partition("/")[0]


Rows = Mapping[tuple[str, str], Mapping[str, Pin]]


@dataclass(slots=True)
class Environments:
    """The pins of all environments that serve something: (project, app) → environment → pin."""

    records: Records
    rows: Rows = field(default_factory=dict)
    before: frozenset[tuple[str, str]] = frozenset()
    """(project, digest) of what a rollback would serve."""
    _read: Rows = field(default_factory=dict)
    _version: tuple[Any, ...] = ()

    def read(self) -> Rows:
        """Return the rows as they are now: the same object while no environment has moved. It blocks: use a thread.

        One short question tells whether anything moved, because every move raises a generation. The rows may be newer
        than its answer, and are then read once more.
        """
        table = tables.environment
        served = table.c.stable.is_not(None)
        with self.records.read(whole=False) as tx:
            [version] = tx.all(select(func.count().label("number"), func.sum(table.c.generation)).where(served))
            if tuple(version.values()) == self._version:
                return self._read
            rows = tx.all(select(table).where(served))
        found: dict[tuple[str, str], dict[str, Pin]] = {}
        for row in rows:
            pin = Pin(row["app"], row["name"], row["generation"], row["stable"])
            found.setdefault((row["project_id"], row["app"]), {})[row["name"]] = pin
        self.before = frozenset((row["project_id"], row["previous"]) for row in rows if row["previous"])
        self._read, self._version = found, tuple(version.values())
        return found

    def pin(self, project: str, name: str) -> Pin | None:
        """Return what `support` or `support@staging` names; None when the part after @ is no environment.

        An app alone means its environment `prod`, or the only one there is. Raises NotFound with the nearest name.
        """
        app, at, wanted = name.partition("@")
        served = self.rows.get((project, app))
        if at:
            return served.get(wanted) if served else None
        if served is None:
            raise self.unserved(project, app)
        if DEFAULT in served:
            return served[DEFAULT]
        if len(served) == 1:
            return next(iter(served.values()))
        names = ", ".join(f"{app}@{environment}" for environment in sorted(served))
        raise InvalidInput(f"{app!r} is served in several environments", f"name one: {names}", code="model_ambiguous")

    def names(self, project: str) -> list[str]:
        """Return every name that `model` may have in a project: apps, and apps in environments."""
        found = []
        for (owner, app), served in sorted(self.rows.items()):
            if owner == project:
                found += [app, *(f"{app}@{environment}" for environment in sorted(served))]
        return found

    def unserved(self, project: str, app: str) -> NotFound:
        """Return the error of an app that no environment serves, with the nearest that one does."""
        apps = sorted({name for owner, name in self.rows if owner == project})
        hint = nearest(app, apps) or "nothing is served yet: run `headgate release promote`"
        return NotFound(f"no environment serves an app called {app!r}", hint, code="model_not_found")
