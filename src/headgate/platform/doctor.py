"""What `headgate doctor` looks at: this installation and the project around it, finding by finding.

Called by the CLI. It leaves nothing changed, and it never raises for what it finds: a finding says what to do.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from headgate.kernel import HeadgateError, plugins

from .settings import Settings

if TYPE_CHECKING:
    from .wiring import Embedded

_FREE_BYTES = 512 * 2**20


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `ok` is None for what is only worth knowing."""

    name: str
    ok: bool | None
    found: str
    hint: str = ""


def examine(start: Path, settings: Settings) -> list[Finding]:
    """Look at python, extras, disk, project, database, blobs, keys and port, in this order."""
    findings = [_python(), *_extras(), _disk(start)]
    try:
        findings += _project(start, settings)
    except HeadgateError as problem:
        findings.append(Finding("project", False, str(problem.where or "") + problem.message, problem.hint))
    return [*findings, _port(settings)]


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    return Finding("python", (3, 11) <= sys.version_info < (3, 14), version, "use Python 3.11, 3.12 or 3.13")


def _extras() -> Iterator[Finding]:
    needed: dict[str, list[str]] = {}
    for library, extra in plugins.EXTRAS.items():
        needed.setdefault(extra, []).append(library)
    for extra, libraries in needed.items():
        missing = [library for library in libraries if importlib.util.find_spec(library) is None]
        found = "installed" if not missing else f"without {', '.join(missing)}"
        yield Finding(f"extra {extra}", None if missing else True, found, f"install headgate[{extra}] if you need it")


def _disk(start: Path) -> Finding:
    free = shutil.disk_usage(start).free
    return Finding("disk", free > _FREE_BYTES, f"{free / 2**30:.1f} GiB free", "free space: writes will fail")


def _project(start: Path, settings: Settings) -> Iterator[Finding]:
    from .connection import live_servers
    from .wiring import open_project
    from .workspace import FOLDER, SERVER_FILE

    embedded = open_project(start, settings)
    try:
        yield Finding("project", True, f"{embedded.name} in {embedded.root}")
        hint = "set it, or the providers that name it answer nothing"
        for name in embedded.unset:
            yield Finding("environment variable", None, f"{name} is not set", hint)
        yield Finding("database", True, f"{embedded.store.records.dialect}, newest schema")
        yield _blobs(embedded)
        mode = (embedded.root / FOLDER).stat().st_mode & 0o077
        yield Finding("privacy", not mode, "only you can read .headgate" if not mode else "others can read .headgate",
                      "chmod 700 .headgate")  # fmt: skip
        running = ", ".join(server.url for server in live_servers(embedded.root / FOLDER / SERVER_FILE))
        yield Finding("server", None, f"running at {running}" if running else "not running", "`headgate serve`")
        if settings.telemetry.endpoint:
            yield _collector(settings, running.split(", ") if running else [])
        identity = embedded.identity()
        yield Finding("keys", None, _keys(identity.count), "`headgate key create PERSON --role ROLE`")
        if settings.client.key:
            person = identity.person(settings.client.key).principal.person
            yield Finding("HEADGATE_KEY", True, f"you are {person}")
    finally:
        embedded.close()


def _blobs(embedded: Embedded) -> Finding:
    """Blobs are written and read: a bucket's rights are known only by using them."""
    blobs = embedded.store.blobs
    began = time.monotonic()
    try:
        blobs.probe()
    except HeadgateError as problem:
        return Finding("blobs", False, problem.message, problem.hint)
    if embedded.store.records.dialect == "postgresql" and not blobs.far:
        hint = "a server elsewhere does not find them: share the folder, or set HEADGATE_BLOBS to a bucket"
        return Finding("blobs", None, f"in a folder of this machine, {blobs.url}", hint)
    return Finding("blobs", True, f"written and read in {(time.monotonic() - began) * 1e3:.0f} ms, {blobs.url}")


def _collector(settings: Settings, servers: list[str]) -> Finding:
    """Whether the collector answers, and what the running servers could not hand on to it."""
    from .telemetry import exporter_of, metrics_of

    exporter = exporter_of(settings.telemetry)
    assert exporter is not None
    try:
        answers = exporter.reach()
    finally:
        exporter.close()
    told = [metrics_of(server) for server in servers]
    sent, lost = (int(sum(found.get(f"headgate_export_{word}", 0) for found in told)) for word in ("sent", "dropped"))
    found = f"{exporter.host} {'answers' if answers else 'does not answer'}; {sent} requests sent, {lost} dropped"
    return Finding("collector", answers and not lost, found, "check HEADGATE_OTLP_ENDPOINT and HEADGATE_OTLP_HEADERS")


def _keys(count: int) -> str:
    return f"{count}; every request over HTTP needs one" if count else "none; this machine needs none until the first"


def _port(settings: Settings) -> Finding:
    server = settings.server
    with socket.socket(socket.AF_INET6 if ":" in server.host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((server.host, int(server.port)))
        except (OSError, ValueError) as problem:
            reason = os.strerror(problem.errno) if isinstance(problem, OSError) and problem.errno else str(problem)
            return Finding("port", None, f"{server.host}:{server.port}: {reason}", "choose another with --port")
    return Finding("port", True, f"{server.host}:{server.port} is free")
