"""Putting the parts together for one project: its folder, its store, its services. Called by `entry` and the server.

Every object is made here and passed down; nothing is global.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from headgate.improve import CodeFolder
from headgate.kernel import Clock, InvalidInput, NotFound, Principal, SystemClock, units
from headgate.kernel import local as local_principal
from headgate.kernel import server as server_principal
from headgate.models import Providers, private_hosts
from headgate.observe import catch_up
from headgate.release import Project, Suites, read_project
from headgate.store import Blobs, Bucket, Records, Secret, Spans, Store, audit, tables

from .identity import Identity
from .jobs import Clerk, Worker
from .perform import Performer
from .settings import BucketSettings, Settings, StorageSettings, resolve_providers
from .workspace import FOLDER, InProcess, Report, find_root


@dataclass(frozen=True, slots=True)
class Embedded:
    """An opened project. `project` is its file as checked; `unset` names variables that its providers lack."""

    root: Path
    project: Project
    settings: Settings
    store: Store
    clock: Clock
    providers: Mapping[str, Mapping[str, Any]]
    unset: tuple[str, ...]
    performer: Performer

    @property
    def name(self) -> str:
        return self.project.name

    def reached(self) -> Providers:
        """Build the project's providers, as they may be reached from here."""
        return _reached(self.providers, self.settings)

    def services(self) -> dict[type, Any]:
        """Build what jobs ask for, anew: a provider's connections belong to one event loop."""
        return {Providers: self.reached(), CodeFolder: code_folder(self.root, self.settings)}

    def worker(self, *, recording: bool) -> Worker:
        """Return a worker of this project's jobs. recording: whether it must take the span writer's lock itself."""
        return Worker(self.store, self.clock, self.services, self._recording if recording else _same)

    def identity(self, *, local_token: str = "", near_allowed: bool = True) -> Identity:
        found = Identity(self.store.records, self.store.secret, self.name, self.clock, local_token, near_allowed)
        found.refresh()
        return found

    def principal(self) -> Principal:
        """Return who acts in this process: the person of HEADGATE_KEY, else the unverified local administrator."""
        key = self.settings.client.key
        if not key:
            return local_principal(self.name)
        found = self.identity().person(key).principal
        if found.project != self.name:
            raise NotFound(f"the key belongs to another project than {self.name}")
        return found

    def in_process(self, report: Report) -> InProcess:
        """Return the connection that runs operations here; closing it closes the project."""
        changes: list[str] = []
        self.performer.changed.append(changes.append)

        def close() -> None:
            if changes:
                self.seal()
            self.close()

        return InProcess(self.performer, self.principal(), self.worker(recording=True), report, close)

    def clerk(self) -> Clerk:
        """Return what a server does beside answering. Monitors run in the name of the server itself."""
        server = server_principal(self.name)

        def minutely() -> None:
            catch_up(self.store, self.name, self.clock)
            watched = self.performer.perform(server, "monitor.list", {})["monitors"]
            if any(monitor["state"] == "breach" for monitor in watched):
                self.performer.perform(server, "monitor.run", {})
            self.retrain(server)
            self.seal()

        return Clerk(self.worker(recording=False), minutely)

    def retrain(self, server: Principal) -> None:
        """Start the retrainings that are due; a job that is there already is not doubled."""
        for trigger in self.performer.perform(server, "retraining.triggers", {})["triggers"]:
            if trigger["ready"]:
                self.performer.perform(server, "retrain", {name: trigger[name] for name in _RETRAINED})

    def seal(self) -> None:
        """Sign the head of the audit log, if it has grown."""
        with self.store.records.begin() as tx:
            audit.seal(tx, self.name, self.store.secret.signing_key())

    def close(self) -> None:
        self.store.spans.close()
        self.store.records.close()

    def _recording(self, store: Store) -> Store:
        return replace(store, spans=Spans(store.spans.url, writer=True))


_RETRAINED = ("model", "environment", "app")


def code_folder(root: Path, settings: Settings) -> CodeFolder:
    """Return where the project's own code is: what HEADGATE_CODE names, else the project's folder."""
    return CodeFolder(Path(settings.server.code).resolve() if settings.server.code else root)


def _same(store: Store) -> Store:
    return store


def open_project(start: Path, settings: Settings, *, writer: bool = False) -> Embedded:
    """Open the project at or above `start`: check its file, make `.headgate/`, migrate the records.

    writer: whether this process records traces (a server does). Raises NotFound, InvalidInput with file and line,
    Unavailable for a database that does not answer, Conflict when another process records traces.
    """
    root = find_root(start)
    project = read_project(root)
    return open_store(root, project, settings, SystemClock(), writer)


def open_store(root: Path, project: Project, settings: Settings, clock: Clock, writer: bool) -> Embedded:
    """Open the store of a project whose file has been read."""
    folder = root / FOLDER
    _make_private(folder)
    urls = storage_urls(folder, settings.storage)
    records = Records(urls.database)
    records.migrate()
    _note_project(records, project.name, clock)
    blobs, spans = Blobs(urls.blobs, _bucket(settings.bucket)), Spans(urls.spans, writer=writer)
    store = Store(records, blobs, spans, Secret.load(Path(urls.secret)))
    providers, unset = resolve_providers(project.providers)
    changed: list[Callable[[str], None]] = []
    services = {Providers: _reached(providers, settings), CodeFolder: code_folder(root, settings), Suites: Suites()}
    performer = Performer(store, clock, services, changed)
    return Embedded(root, project, settings, store, clock, providers, tuple(unset), performer)


def storage_urls(folder: Path, storage: StorageSettings) -> StorageSettings:
    """Fill in where data rests: what the settings say, else files in the project's own folder."""
    return StorageSettings(
        database=storage.database or f"sqlite:///{folder / 'records.db'}",
        spans=storage.spans or f"sqlite:///{folder / 'spans.db'}",
        blobs=storage.blobs or f"file://{folder / 'blobs'}",
        secret=storage.secret or str(folder / "secret"),
    )


def _reached(providers: Mapping[str, Mapping[str, Any]], settings: Settings) -> Providers:
    return Providers(providers, private=private_hosts(settings.outbound.private_hosts))


def _bucket(settings: BucketSettings) -> Bucket:
    try:
        wait_s = units.parse_duration(settings.timeout) / 1e6
    except ValueError as problem:
        raise InvalidInput(f"HEADGATE_BLOBS_TIMEOUT: {problem}", "write 10s, or 1m for a slow line") from None
    if wait_s <= 0:
        raise InvalidInput("HEADGATE_BLOBS_TIMEOUT leaves no time at all", "write 10s, or 1m for a slow line")
    return Bucket(
        endpoint=settings.endpoint,
        region=settings.region,
        access_key_id=settings.access_key_id,
        secret_access_key=settings.secret_access_key,
        session_token=settings.session_token,
        timeout_s=wait_s,
    )


def _make_private(folder: Path) -> None:
    """Make `.headgate/`, for its owner only, with a file that keeps it out of git."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        ignore = folder / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="ascii")
    except OSError as problem:
        raise InvalidInput(f"{folder} cannot be made: {problem.strerror}", "check who may write there") from None


def _note_project(records: Records, name: str, clock: Clock) -> None:
    table = tables.project
    with records.read() as tx:
        if tx.one(select(table.c.id).where(table.c.id == name)) is not None:
            return
    try:
        with records.begin() as tx:
            tx.execute(insert(table).values(id=name, created_at=clock.now()))
    except IntegrityError:
        pass  # another process was first
