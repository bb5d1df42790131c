"""One serving process from an open project to its end: alone, or as one of several. Called by `serve` and `workers`."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import uvicorn

import headgate
from headgate.http.app import App, Pages
from headgate.http.callers import door_of, is_loopback
from headgate.http.connection import GuardedProtocol
from headgate.http.logs import LogWriter, attach
from headgate.kernel import InvalidInput, Unavailable, units
from headgate.platform import Embedded, Identity, Settings, build_gateway, open_project

from .drain import DrainingServer, Life
from .garbage import settle
from .listening import url_of
from .siblings import Siblings

_KEEP_ALIVE_S = 75
_JOB_S = 5.0
"""How long a running job has to give itself back, from when the server was told to stop."""

MakePages = Callable[[Embedded, Identity], Pages]
"""Builds the pages of a server; given by `__main__`, because this package must not know `ui`."""

Started = Callable[[Path, str, str], None]
"""Told the project's root, the URL and the token of local commands once a process answers."""


@dataclass(frozen=True, slots=True)
class Serving:
    """What is served: the project at or above `start`, with its settings and pages."""

    start: Path
    settings: Settings
    pages: MakePages


@dataclass(frozen=True, slots=True)
class Place:
    """Which process this is. lead: the one that notes speak of. token: proves that a command may read these notes.

    number, count: the worker's own and how many there are. folder: where workers find each other; None when alone.
    """

    lead: int
    token: str
    number: int = 0
    count: int = 1
    folder: Path | None = None


def work(serving: Serving, listener: socket.socket, place: Place, started: Started) -> None:
    """Serve on a socket until told to stop. Raises what opening a project raises, Unavailable when the disk fails."""
    settings = serving.settings
    delay_s = delay_of(settings)
    embedded = open_project(serving.start, settings, writer=True)
    writer = LogWriter(settings.server.log, about={"worker": place.number} if place.folder else {})
    attach(writer)
    try:
        _run(embedded, serving.pages, (listener, writer, delay_s), place, started)
        if broken := embedded.store.broken:
            raise Unavailable(f"the disk failed: {broken}", "check the disk, then start again", code="io_error")
    finally:
        writer.close()
        embedded.close()


def _run(
    embedded: Embedded,
    pages: MakePages,
    ends: tuple[socket.socket, LogWriter, float],
    place: Place,
    started: Started,
) -> None:
    listener, writer, delay_s = ends
    host = embedded.settings.server.host
    loopback = is_loopback(host)
    token = place.token if loopback else ""
    identity = embedded.identity(local_token=token, near_allowed=loopback)
    door = door_of(host, embedded.settings.server.allowed_hosts)
    app = App(build_gateway(embedded, identity), door, headgate.__version__, writer, pages(embedded, identity))
    app.about["pid"] = place.lead
    siblings = Siblings(place.folder, place.number, place.count, app.meters.render) if place.folder else None
    if siblings is not None:
        app.about["worker"] = place.number
        app.measured = siblings.render
    clerk = embedded.clerk()
    url = url_of(host, listener.getsockname()[1])

    def ready() -> None:
        if siblings is not None:
            siblings.start()
        clerk.start()
        settle()
        started(embedded.root, url, token)

    left: list[float] = []

    def leaving() -> None:
        left.append(time.monotonic())
        app.ready = False
        clerk.leave()

    life = Life(ready, leaving, lambda: embedded.store.broken, place.lead if place.folder else 0, delay_s)
    try:
        DrainingServer(_config(app), life).run(sockets=[listener])
    finally:
        clerk.stop(max(_JOB_S - (time.monotonic() - left[0]) if left else _JOB_S, 0.1))


def delay_of(settings: Settings) -> float:
    """Return how long a server goes on taking connections after it was told to stop. Raises InvalidInput."""
    try:
        return units.parse_duration(settings.server.drain_delay) / 1e6
    except ValueError as problem:
        raise InvalidInput(f"HEADGATE_DRAIN_DELAY: {problem}", "write 5s, or 0s for none") from None


def _config(app: App) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="uvloop",
        http=GuardedProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
    )
