"""What the HTTP edge asks for a chat: who calls, which release is meant, and its events. Called by `http` only.

It pins (generation, release) for the request's life, hands `serve.execute` what it needs, and queues held requests.
Everything is in memory before a request arrives; nothing here formats, logs or touches a database on the loop.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct
from sqlalchemy import select

from headgate.improve import Held, open_held
from headgate.kernel import (
    Answer,
    HeadgateError,
    InvalidInput,
    NotFound,
    Principal,
    Request,
    Say,
    Scoped,
    Standing,
    plugins,
)
from headgate.models import Edge, Providers
from headgate.platform.identity import Caller, Identity, Known, unauthenticated
from headgate.platform.roles import authorise, permits
from headgate.platform.telemetry import Exporter, Tee, exporter_of
from headgate.platform.wiring import Embedded
from headgate.serve import (
    Checked,
    Embedding,
    Lease,
    Looks,
    Purse,
    Releases,
    Runtime,
    Snapshot,
    Targets,
    check_messages,
    direct,
    embed_texts,
    execute,
)
from headgate.store import tables

from .afterwards import Afterwards
from .environments import Environments, Pin, Rows
from .integrity import teller
from .peers import Peers

_BEAT_S = 0.2
"""How often the environments are looked at. A look costs about 1 ms, so that following others' promotions is cheap."""
_KEYS_S = 0.5
_LOAD_S = 0.5
_MISS_S = 0.2
_FRESH_S = 10.0
_LOOK_S = 1.0
_MOST_RUNTIMES = 4_096
"""How many of them are kept: one for each environment and whatever is limited on its own, a key or a team."""
_HEX = frozenset("0123456789abcdef")
_CHANGES = ("release.", "environment.", "key.", "budget.")
_Sent = tuple[Mapping[str, Any], str, str, int]
"""A body, its trace id, its session and its bytes."""


class Turn(Struct, frozen=True):
    """One request, ready to run: its pin, its release in memory, and what surrounds it."""

    pin: Pin
    snapshot: Snapshot
    request: Request
    runtime: Runtime
    leases: list[Lease] = []

    async def answer(self, say: Say | None = None) -> Answer:
        """Run it; `say` hears what leaves while it leaves. Raises InvalidInput or Exhausted before anything is said."""
        return await execute(self.snapshot, self.request, self.runtime, say, self.leases)

    async def check(self) -> Checked:
        """Let the app's guards look at the messages, and ask no model. Raises InvalidInput or Exhausted."""
        if not self.pin.release:
            raise InvalidInput("a provider's model has no guards", "name an app", code="no_guards")
        return await check_messages(self.snapshot, self.request, self.runtime, self.leases)

    async def embed(self) -> Embedding:
        """Turn the texts of `input` into vectors, as the release embeds them. Raises InvalidInput or Exhausted."""
        return await embed_texts(self.snapshot, self.request, self.runtime, self.leases)

    def standings(self) -> list[Standing]:
        """Return where the limits stand that this request has drawn on so far."""
        return [standing for lease in self.leases for standing in lease.standings()] if self.leases else []


@dataclass(slots=True)
class Gateway:
    """The gateway of one server process; belongs to one event loop. `start` before the first request."""

    embedded: Embedded
    identity: Identity
    purse: Purse
    releases: Releases
    environments: Environments
    providers: Providers
    targets: Targets
    exporter: Exporter | None = None
    edges: Mapping[str, Edge] = field(default_factory=lambda: _edges())
    """The wires of conversations, by the path at which each is served."""
    _runtimes: dict[tuple[str, str, Scoped], Runtime] = field(default_factory=dict)
    _stale: asyncio.Event = field(default_factory=asyncio.Event)
    afterwards: Afterwards = field(default_factory=Afterwards)
    _loop: asyncio.AbstractEventLoop | None = None
    _beating: asyncio.Task[None] | None = None
    _loading: set[asyncio.Task[None]] = field(default_factory=set)
    _watcher: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "headgate-watch"))
    """A thread of its own, which requests that wait for a release cannot keep busy."""
    _read_at: float = float("-inf")
    looks: Looks = field(default_factory=Looks)
    peers: Peers | None = None
    """The other gateways of the same records; None on SQLite."""

    @property
    def fresh(self) -> bool:
        """Whether the database answered lately."""
        return self.embedded.clock.monotonic() - self._read_at < _FRESH_S

    async def start(self) -> None:
        """Load what is served now, and keep watching the rows."""
        self._loop = asyncio.get_running_loop()
        self.embedded.performer.changed.append(self._changed)
        await self.refresh(None)
        self._beating = asyncio.create_task(self._watch())
        if self.peers is not None:
            self.peers.start()

    async def close(self) -> None:
        """Stop watching, settle what is reserved, close the connections to providers."""
        if self._beating is not None:
            self._beating.cancel()
        for task in self._loading:
            task.cancel()
        if self.peers is not None:
            await self.peers.close()
        self.afterwards.catch_up()
        await asyncio.to_thread(self.looks.close)
        await self.purse.close()
        await self.providers.close()
        self._watcher.shutdown(wait=False)
        if self.exporter is not None:
            await asyncio.to_thread(self.exporter.close)

    async def catch_up(self) -> None:
        """Record what was answered; call before somebody looks. A long conversation is waited for a second at most."""
        self.afterwards.catch_up()
        await self.looks.settled(_LOOK_S)

    async def refresh(self, patience_s: float | None = _LOAD_S) -> None:
        """Read environments and keys again, and swap in what is served now.

        New releases are loaded before requests meet them, for as long as `patience_s`: a rollback does not wait for a
        release that cannot be had. Then what a rollback would serve is loaded too, for the day the blobs are down.
        """
        rows = await asyncio.get_running_loop().run_in_executor(self._watcher, self._read)
        if rows is not self.environments.rows:
            wanted = {(project, pin.release) for (project, _), served in rows.items() for pin in served.values()}
            self.releases.keep = max(self.releases.keep, 2 * len(wanted | self.environments.before))
            if wanted:
                await asyncio.wait([self._loaded(*one) for one in wanted], timeout=patience_s)
            self.environments.rows = rows
            for one in self.environments.before:
                self._loaded(*one)
        self._read_at = self.embedded.clock.monotonic()

    def _loaded(self, project: str, digest: str) -> asyncio.Task[None]:
        """Load a release; the request that asks for one that cannot be loaded will say what is wrong."""

        async def load() -> None:
            with contextlib.suppress(HeadgateError):
                await self.releases.get(project, digest)

        task = asyncio.create_task(load())
        self._loading.add(task)
        task.add_done_callback(self._loading.discard)
        return task

    def _read(self) -> Rows:
        self.identity.refresh(_KEYS_S)
        return self.environments.read()

    async def identify(self, caller: Caller) -> Known:
        """Return who calls. Raises Denied (status 401)."""
        found = self.identity.identify(caller)
        if found is None and await asyncio.to_thread(self.identity.refresh, _MISS_S):
            found = self.identity.identify(caller)
        if found is None:
            raise unauthenticated("this key is not valid", "it may be mistyped, revoked, or of another server")
        return found

    async def open(
        self, known: Known, body: Mapping[str, Any], trace_id: str, session: str = "", size: int = 0
    ) -> Turn:
        """Find the release that `body["model"]` means and pin it. size: bytes of the body as it was sent.

        Raises Denied, InvalidInput for a body without model or with one that is ambiguous, NotFound with the nearest.
        """
        principal = known.principal
        if not permits(principal.roles, "chat"):
            authorise(principal, "chat", "chat with apps")
        name = body.get("model")
        if not isinstance(name, str) or not name:
            hint = "name an app: " + (", ".join(self.environments.names(principal.project)) or "none is served yet")
            raise InvalidInput("`model` is missing", hint, code="model_missing")
        if "/" in name:
            return self._direct(known, name, (body, trace_id, session, size))
        pin = self.environments.pin(principal.project, name)
        if pin is None:
            pin = await asyncio.to_thread(self._by_digest, principal, name)
        snapshot = await self.releases.get(principal.project, pin.release)
        return self._turn(known, pin, snapshot, (body, trace_id, session, size))

    def _direct(self, known: Known, target: str, asked: _Sent) -> Turn:
        """Address a provider's model by its own name: past every release, for those who may, within their limits."""
        authorise(known.principal, "chat.model", "call a provider's model past the releases")
        self.providers.resolve(target)
        return self._turn(known, Pin(target, "", 0, ""), direct(target), asked)

    def _turn(self, known: Known, pin: Pin, snapshot: Snapshot, asked: _Sent) -> Turn:
        (body, trace_id, session, size), principal = asked, known.principal
        user = body.get("user")
        subject = self.embedded.store.secret.subject(principal.project, user) if isinstance(user, str) else ""
        request = Request(trace_id, body, principal.key_id, session, subject, size)
        return Turn(pin, snapshot, request, self.runtime(principal.project, pin, known.limits))

    def models(self, known: Known) -> list[str]:
        """Return the names that this caller may put into `model`."""
        authorise(known.principal, "chat", "chat with apps")
        return self.environments.names(known.principal.project)

    def runtime(self, project: str, pin: Pin, limits: Scoped = ()) -> Runtime:
        """Return what surrounds a request of this environment under these limits; built once, then only read."""
        key = (project, pin.environment, limits)
        found = self._runtimes.get(key)
        if found is None:
            embedded = self.embedded
            spans = embedded.store.spans
            if len(self._runtimes) >= _MOST_RUNTIMES:
                self._runtimes.clear()
            found = self._runtimes[key] = Runtime(
                providers=self.providers,
                recorder=spans if self.exporter is None else Tee(spans, self.exporter),
                clock=embedded.clock,
                purse=self.purse,
                targets=self.targets,
                hold=_Hold(embedded, project, pin.environment),
                environment=pin.environment,
                project=project,
                key_limits=limits,
                later=self.afterwards,
                looks=self.looks,
            )
        return found

    def _by_digest(self, principal: Principal, name: str) -> Pin:
        """Resolve `support@sha256:…` or a beginning of 8 digits or more: past the gates, for those who may."""
        app, _, wanted = name.partition("@")
        if not is_digits(wanted):
            if wanted.startswith("sha256:"):
                hint = "write 8 or more of its hexadecimal digits, as `headgate release list` shows them"
                raise InvalidInput(f"{wanted[:80]!r} is too little of a digest, or none", hint, code="model_not_found")
            served = self.environments.rows.get((principal.project, app))
            if not served:
                raise self.environments.unserved(principal.project, app)
            hint = "it is served as " + ", ".join(f"{app}@{name}" for name in sorted(served))
            raise NotFound(f"{app!r} has no environment {wanted!r} that serves anything", hint, code="model_not_found")
        return self.release(principal, wanted, app)

    def release(self, principal: Principal, wanted: str, app: str = "") -> Pin:
        """Pin a release by digits of its digest; it reads the records. Raises Denied, NotFound."""
        authorise(principal, "chat.release", "address a release by its digest")
        table, plain = tables.release, wanted.removeprefix("sha256:")
        query = select(table.c.digest, table.c.app).where(
            table.c.project_id == principal.project, table.c.digest.startswith(f"sha256:{plain}", autoescape=True)
        )
        if app:
            query = query.where(table.c.app == app)
        with self.embedded.store.records.read() as tx:
            found = tx.all(query.limit(2))
        if len(found) != 1:
            what = "several releases begin" if found else "no release begins"
            raise NotFound(f"{what} with {wanted!r}", "see `headgate release list`", code="model_not_found")
        return Pin(str(found[0]["app"]), "", 0, str(found[0]["digest"]))

    def _changed(self, operation: str) -> None:
        """Called in the thread of a change, after its commit."""
        if operation.startswith(_CHANGES):
            if operation.startswith(("key.", "budget.")):
                self.identity.refresh()
            if self._loop is not None and not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._stale.set)

    async def _watch(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stale.wait(), _BEAT_S)
            self._stale.clear()
            try:
                await self.refresh()
            except HeadgateError:  # the database does not answer: go on serving what is in memory
                continue


@dataclass(frozen=True, slots=True)
class _Hold:
    """Queues a held request for a human, off the event loop."""

    embedded: Embedded
    project: str
    environment: str

    async def __call__(self, request: Request, answer: Answer) -> str:
        return await asyncio.to_thread(self._write, request, answer)

    def _write(self, request: Request, answer: Answer) -> str:
        question = {
            "messages": [dict(message) for message in request.messages],
            "reply": answer.text,
            "label": answer.label,
            "environment": self.environment,
            "release": answer.release,
        }
        with self.embedded.store.records.begin() as tx:
            app = str(request.body.get("model", "")).partition("@")[0]
            held = Held(app=app, trace_id=request.id, question=question, subject=request.subject)
            return open_held(tx, self.project, held, self.embedded.clock.now())


def _edges() -> dict[str, Edge]:
    found: list[Edge] = [plugins.load("edges", name) for name in plugins.names("edges")]
    return {edge.path: edge for edge in found}


def is_digits(wanted: str) -> bool:
    """Whether this names a release by its digest: `sha256:` or not, and 8 hexadecimal digits or more."""
    plain = wanted.removeprefix("sha256:")
    return len(plain) >= 8 and _HEX.issuperset(plain)


def build_gateway(embedded: Embedded, identity: Identity) -> Gateway:
    """Wire the gateway of a server process; call inside its event loop."""
    store = embedded.store
    releases = Releases(store.records, store.blobs)
    releases.distrusted = teller(embedded)
    purse, targets = Purse(store.records, embedded.clock), Targets(embedded.clock.monotonic)
    return Gateway(
        embedded=embedded,
        identity=identity,
        purse=purse,
        targets=targets,
        releases=releases,
        environments=Environments(store.records),
        providers=embedded.reached(),
        exporter=exporter_of(embedded.settings.telemetry),
        peers=_peers(embedded, purse, targets),
    )


def _peers(embedded: Embedded, purse: Purse, targets: Targets) -> Peers | None:
    """Return what knows the other gateways of these records; None on SQLite, where there is no other."""
    if embedded.store.records.dialect != "postgresql":
        return None
    least = int(embedded.settings.server.workers)
    return Peers(embedded.store.records, embedded.name, targets, purse, embedded.clock.monotonic, least)
