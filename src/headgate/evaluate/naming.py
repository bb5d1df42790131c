"""Names of releases, as people give them: a digest, the beginning of one, an environment, or `app@environment`.

Called by compare here and by every operation of `release`. Reads only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from headgate.kernel import InvalidInput, NotFound, nearest, short
from headgate.store import Transaction, tables

_SHORTEST = 6


def find_release(tx: Transaction, project: str, name: str, app: str = "") -> Mapping[str, Any]:
    """Return the release row that `name` means.

    Raises NotFound (naming what exists) and InvalidInput when several fit.
    """
    table = tables.release
    start = name if name.startswith("sha256:") else f"sha256:{name}"
    if len(start) >= len("sha256:") + _SHORTEST and all(c in "0123456789abcdef" for c in start[7:]):
        statement = select(table).where(
            table.c.project_id == project, table.c.digest.startswith(start, autoescape=True)
        )
        return _only(tx.all(statement), name, "digest")
    wanted_app, _, environment = name.rpartition("@")
    return _served(tx, project, environment, wanted_app or app, name)


def _served(tx: Transaction, project: str, environment: str, app: str, name: str) -> Mapping[str, Any]:
    table = tables.environment
    rows = tx.all(select(table).where(table.c.project_id == project))
    fit = [row for row in rows if row["name"] == environment and app in ("", row["app"])]
    if not fit:
        known = sorted({row["name"] for row in rows})
        raise NotFound(f"there is no release or environment called {name!r}", nearest(name, known))
    if len(fit) > 1:
        apps = ", ".join(sorted(row["app"] for row in fit))
        raise InvalidInput(f"several apps have an environment {environment!r}: {apps}", "write app@environment")
    if not fit[0]["stable"]:
        raise NotFound(f"{environment} of {fit[0]['app']} serves no release yet", "promote one")
    statement = select(tables.release).where(
        tables.release.c.project_id == project, tables.release.c.digest == fit[0]["stable"]
    )
    return _only(tx.all(statement), name, "release")


def _only(rows: list[Mapping[str, Any]], name: str, what: str) -> Mapping[str, Any]:
    if not rows:
        raise NotFound(f"there is no release {name!r}", "see `headgate release list`")
    if len(rows) > 1:
        fit = ", ".join(short(row["digest"]) for row in rows[:5])
        raise InvalidInput(f"several releases fit the {what} {name!r}: {fit}", "give more of the digest")
    return rows[0]
