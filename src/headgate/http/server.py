"""`headgate serve`: one process that serves a project until it is told to stop. Called by `__main__`.

It leaves a note in `.headgate/`, so that commands find it, and removes it. SIGTERM drains within 30 s: no new
connections, running answers end properly, a running job is left to whoever serves next.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn

import headgate
from headgate.kernel import InvalidInput, Unavailable
from headgate.platform import (
    FOLDER,
    SERVER_FILE,
    Embedded,
    Identity,
    ServerSettings,
    Settings,
    build_gateway,
    open_project,
)

from .app import App, Pages
from .callers import door_of, is_loopback
from .logs import LogWriter, attach
from .protocol import GuardedProtocol

DRAIN_S = 30
_KEEP_ALIVE_S = 75
_BACKLOG = 2048
_NOTES = "server-*.json"


MakePages = Callable[[Embedded, Identity], Pages]
"""Builds the pages of a server; given by `__main__`, because this package must not know `ui`."""


def serve(start: Path, settings: Settings, announce: Callable[[str], None], pages: MakePages) -> None:
    """Serve the project at or above `start` until SIGTERM or SIGINT; `announce` is told the URL once it answers.

    Raises NotFound, InvalidInput and what opening a project raises, Conflict when another server runs here,
    Unavailable when the disk fails while it serves.
    """
    listener = _listen(settings.server)
    try:
        embedded = open_project(start, settings, writer=True)
        writer = LogWriter(settings.server.log)
        attach(writer)
        try:
            _run(embedded, (listener, writer), announce, pages)
            if broken := embedded.store.broken:
                raise Unavailable(f"the disk failed: {broken}", "check the disk, then start again", code="io_error")
        finally:
            writer.close()
            embedded.close()
    finally:
        listener.close()


def _run(
    embedded: Embedded,
    ends: tuple[socket.socket, LogWriter],
    announce: Callable[[str], None],
    pages: MakePages,
) -> None:
    listener, writer = ends
    host, token = embedded.settings.server.host, secrets.token_hex(32)
    loopback = is_loopback(host)
    identity = embedded.identity(local_token=token if loopback else "", near_allowed=loopback)
    door = door_of(host, embedded.settings.server.allowed_hosts)
    app = App(build_gateway(embedded, identity), door, headgate.__version__, writer, pages(embedded, identity))
    clerk = embedded.clerk()
    url = _url(host, listener.getsockname()[1])
    folder = embedded.root / FOLDER

    def started() -> None:
        _leave_note(
            folder,
            {
                "url": url,
                "port": listener.getsockname()[1],
                "pid": os.getpid(),
                "token": token if loopback else "",
                "at": time.time(),
            },
        )
        clerk.start()
        announce(url)

    try:
        _Server(_config(app), started, lambda: embedded.store.broken).run(sockets=[listener])
    finally:
        clerk.stop()
        _remove_notes(folder)


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
        timeout_graceful_shutdown=DRAIN_S,
    )


class _Server(uvicorn.Server):
    """Uvicorn's server that says when it is ready and ends with exit code 0 when it was told to stop.

    It also ends, as if told, once `broken` says why the disk cannot be trusted any more (P1): what a failed sync
    left behind only a new process sees. `serve` then raises.
    """

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None], broken: Callable[[], str]) -> None:
        super().__init__(config)
        self._ready, self._broken = ready, broken

    async def on_tick(self, counter: int) -> bool:
        return bool(self._broken()) or await super().on_tick(counter)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.should_exit:
            self.force_exit = True
        self.should_exit = True


def _listen(settings: ServerSettings) -> socket.socket:
    """Bind the address. Raises InvalidInput with what to do when it is taken or no address of this machine."""
    if not settings.port.isdigit() or int(settings.port) > 65535:
        raise InvalidInput(f"{settings.port!r} is no port", "a number up to 65535; 0 takes a free one")
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, int(settings.port)))
    except OSError as problem:
        listener.close()
        hint = "another program listens there; choose another with --port, or 0 for a free one"
        raise InvalidInput(f"cannot listen on {settings.host}:{settings.port}: {problem.strerror}", hint) from None
    listener.listen(_BACKLOG)
    listener.setblocking(False)
    return listener


def _url(host: str, port: int) -> str:
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


def _leave_note(folder: Path, data: dict[str, Any]) -> None:
    """Leave this server's own note, and make `server.json` name it too: commands go to whoever started last."""
    for old in folder.glob(_NOTES):
        if _is_gone(old):
            old.unlink(missing_ok=True)
    own = folder / f"server-{secrets.token_hex(4)}.json"
    for path in (own, folder / SERVER_FILE):
        _write_note(path, data)


def _write_note(path: Path, data: dict[str, Any]) -> None:
    """Write a note whole, readable by its owner only: it holds the local token."""
    swap = path.with_suffix(f".{os.getpid()}")
    descriptor = os.open(swap, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(data, file)
    swap.replace(path)


def _remove_notes(folder: Path) -> None:
    """Remove what this server left; another one that still serves the folder takes its place in `server.json`."""
    left = []
    for path in (folder / SERVER_FILE, *folder.glob(_NOTES)):
        found = _read_note(path)
        if found.get("pid") == os.getpid():
            path.unlink(missing_ok=True)
        elif path.name != SERVER_FILE and found:
            left.append(found)
    if left and not (folder / SERVER_FILE).exists():
        _write_note(folder / SERVER_FILE, max(left, key=lambda note: float(note["at"])))


def _is_gone(path: Path) -> bool:
    pid = _read_note(path).get("pid")
    if not isinstance(pid, int) or pid <= 0:
        return True
    try:
        os.kill(pid, 0)
    except PermissionError:
        return False
    except OSError:
        return True
    return False


def _read_note(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
