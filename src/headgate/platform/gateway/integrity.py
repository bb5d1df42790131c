"""Bytes that are not what their digest says become an incident (P16). Called by the gateway when a release is loaded.

It only tells: the release was refused already, by whoever read it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from sqlalchemy import select

from headgate.kernel import Corrupt, HeadgateError
from headgate.observe import OpenIncident, open_incident
from headgate.platform.wiring import Embedded
from headgate.store import tables

log = logging.getLogger("headgate.integrity")
_PLAYBOOK = "restore the bytes from a backup, or create the release again from its files; find out who changed them"


def teller(embedded: Embedded) -> Callable[[str, str, Corrupt], None]:
    """Return what opens an incident for (project, release, problem), once for each problem while this process lives."""
    told = set[tuple[str, str, str]]()

    def tell(project: str, digest: str, problem: Corrupt) -> None:
        if (project, digest, problem.message) in told:
            return
        told.add((project, digest, problem.message))
        log.error("a release was refused", extra={"facts": {"release": digest, "problem": problem.message}})
        try:
            _open(embedded, project, digest, problem)
        except HeadgateError:  # the records do not answer either: tell it next time
            told.discard((project, digest, problem.message))

    return tell


def _open(embedded: Embedded, project: str, digest: str, problem: Corrupt) -> None:
    release, served = tables.release, tables.environment
    with embedded.store.records.begin() as tx:
        made = tx.one(select(release.c.app).where(release.c.project_id == project, release.c.digest == digest))
        app = str(made["app"]) if made else ""
        where = tx.one(
            select(served.c.name)
            .where(served.c.project_id == project, served.c.app == app, served.c.stable == digest)
            .order_by(served.c.name)
        )
        incident = OpenIncident(
            app=app,
            environment=str(where["name"]) if where else "",
            release=digest,
            title="stored bytes are not what their digest says",
            source="integrity",
            detail={"problem": problem.message, "hint": problem.hint, "playbook": _PLAYBOOK},
        )
        open_incident(tx, project, incident, embedded.clock.now())
