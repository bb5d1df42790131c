"""What the HTTP edges ask for a model of a release: which release is meant, and a thread for large batches.

It pins as the gateway does: whoever asks for `router` gets the model of the release that `prod` serves at that moment,
whole. Called by `http` only; nothing here reads a database on the loop, except to load what was never loaded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from headgate.kernel import HeadgateError, InvalidInput, NotFound, Principal, Unavailable, nearest
from headgate.models import Prediction
from headgate.platform.identity import Known
from headgate.platform.roles import authorise, permits
from headgate.serve import Model, ModelRequest, Runtime, Snapshot, infer

from .environments import DEFAULT, Pin, Rows
from .gateway import Gateway, is_digits

INLINE_BYTES = 2048
"""Requests of at most so many bytes are answered on the event loop, which they keep for 1 ms at most (measured: 35 µs a
short text, 10 µs a row of four numbers); larger ones by a thread, which costs them 0.1 to 0.2 ms."""
_THREADS = 2
_MOST_WAITING = 64
_FOLDER = "models/"
Done = TypeVar("Done")


@dataclass(frozen=True, slots=True)
class Served:
    """One model of one release, pinned for the life of a request. `version` is what a client would name it by."""

    pin: Pin
    snapshot: Snapshot
    model: Model
    runtime: Runtime
    version: str

    def infer(self, trace_id: str, rows: Sequence[Mapping[str, Any]], key_id: str, session: str) -> list[Prediction]:
        """Answer and record rows. Raises InvalidInput and Unavailable."""
        return infer(self.snapshot, ModelRequest(trace_id, self.model.path, rows, key_id, session), self.runtime)


@dataclass(slots=True)
class _Index:
    """What the environments of one project serve, by the path of the model; `problem` is what could not be loaded."""

    models: dict[str, list[Served]] = field(default_factory=dict)
    problem: HeadgateError | None = None


class Inference:
    """The models of one gateway; belongs to its event loop. What it found is forgotten when an environment changes."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self._rows: Rows = {}
        self._indices: dict[str, _Index] = {}
        self._found: dict[tuple[str, str, str], Served] = {}
        self._pool = ThreadPoolExecutor(_THREADS, "headgate-models")
        self._waiting = 0

    async def find(self, known: Known, name: str, version: str = "") -> Served:
        """Return the model that is meant by `router` or `models/router`, in a version when one is named.

        version: an environment (`prod`), one of an app (`support@prod`), or digits of a release's digest; the name may
        carry it too, as `router@prod`. Raises Denied, NotFound with the nearest name, InvalidInput when several apps
        serve different models under the name.
        """
        principal = known.principal
        _allowed(principal)
        rows = self._fresh()
        key = (principal.project, name, version)
        found = self._found.get(key)
        if found is None:
            found = await self._find(principal, name, version)
            if found.pin.environment and self._rows is rows:
                self._found[key] = found
        return found

    async def listed(self, known: Known) -> list[Served]:
        """Return every model that is served to this caller, in each of its versions."""
        _allowed(known.principal)
        index = await self._index(known.principal.project)
        return [served for path in sorted(index.models) for served in index.models[path]]

    async def only(self, known: Known) -> str:
        """Return the one model's path. Raises NotFound when none is served, InvalidInput when there are several."""
        _allowed(known.principal)
        index = await self._index(known.principal.project)
        if len(index.models) == 1:
            return next(iter(index.models))
        if not index.models:
            raise index.problem or _none("no model is served", "", ())
        names = ", ".join(sorted(path.removeprefix(_FOLDER) for path in index.models))
        raise InvalidInput("several models are served", f"name one of {names}", code="model_missing")

    async def run(self, work: Callable[[], Done], size: int) -> Done:
        """Do the work of a request of `size` bytes: here when it is small, else in one of a few threads.

        Raises what the work raises, Unavailable when too many wait.
        """
        if size <= INLINE_BYTES:
            return work()
        if self._waiting >= _MOST_WAITING:
            error = Unavailable("too many large batches are waiting", "try again in a second", code="overloaded")
            error.retry_after = 1  # type: ignore[attr-defined]
            raise error
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """End the threads; what they are doing is finished first."""
        self._pool.shutdown()

    def _fresh(self) -> Rows:
        rows = self.gateway.environments.rows
        if rows is not self._rows:
            self._rows, self._indices, self._found = rows, {}, {}
        return rows

    async def _index(self, project: str) -> _Index:
        """Return what a project serves now; loads, off the loop, what is not in memory yet."""
        rows = self._fresh()
        found = self._indices.get(project)
        if found is None:
            found = await self._read(project, rows)
            if self._rows is rows and found.problem is None:  # what could not be loaded is tried again
                self._indices[project] = found
        return found

    async def _read(self, project: str, rows: Rows) -> _Index:
        index = _Index()
        pins = [pin for (owner, _), served in sorted(rows.items()) if owner == project for pin in served.values()]
        for pin in pins:
            try:
                snapshot = await self.gateway.releases.get(project, pin.release)
            except HeadgateError as problem:
                index.problem = problem
                continue
            for path, model in snapshot.models.items():
                runtime = self.gateway.runtime(project, pin)
                served = Served(pin, snapshot, model, runtime, f"{pin.app}@{pin.environment}")
                index.models.setdefault(path, []).append(served)
        for path, choices in index.models.items():
            index.models[path] = list(_shortened(choices))
        return index

    async def _find(self, principal: Principal, name: str, version: str) -> Served:
        name, _, carried = name.partition("@")
        path = name if name.startswith(_FOLDER) else _FOLDER + name
        app, _, wanted = (version or carried).rpartition("@")
        index = await self._index(principal.project)
        choices = [served for served in index.models.get(path, ()) if app in ("", served.pin.app)]
        meant = [served for served in choices if self._means(principal.project, served.pin, wanted)]
        if not meant and is_digits(wanted):
            return await self._of_release(principal, path, wanted, app)
        if len({served.model.digest for served in meant}) > 1:
            names = ", ".join(f"{served.pin.app}@{served.pin.environment}" for served in meant)
            told = f"apps serve different models called {name!r}"
            raise InvalidInput(told, f"name a version: {names}", code="model_ambiguous")
        if meant:
            return meant[0]
        raise self._missing(index, path, version or carried)

    def _means(self, project: str, pin: Pin, wanted: str) -> bool:
        """Whether this environment is the one asked for: by its name, else the app's `prod` or its only one."""
        if wanted:
            return pin.environment == wanted
        return pin.environment == DEFAULT or len(self._rows.get((project, pin.app), ())) == 1

    async def _of_release(self, principal: Principal, path: str, wanted: str, app: str) -> Served:
        pin = await asyncio.to_thread(self.gateway.release, principal, wanted, app)
        snapshot = await self.gateway.releases.get(principal.project, pin.release)
        model = snapshot.models.get(path)
        if model is None:
            raise _none("that release pins no model {!r}", path, snapshot.models)
        return Served(pin, snapshot, model, self.gateway.runtime(principal.project, pin), pin.release)

    def _missing(self, index: _Index, path: str, version: str) -> HeadgateError:
        name, choices = path.removeprefix(_FOLDER), index.models.get(path, [])
        if choices:
            hint = "its versions are " + ", ".join(served.version for served in choices)
            told = f"the model {name!r} has no version {version!r}" if version else f"{name!r} is not served by default"
            return NotFound(told, hint, code="model_not_found")
        return index.problem or _none("no environment serves a model called {!r}", path, index.models)


def _shortened(choices: Sequence[Served]) -> Iterator[Served]:
    """Name versions by their environment alone where that says enough: one app serves the model."""
    several = len({served.pin.app for served in choices}) > 1
    for served in choices:
        version = f"{served.pin.app}@{served.pin.environment}" if several else served.pin.environment
        yield Served(served.pin, served.snapshot, served.model, served.runtime, version)


def _none(told: str, path: str, paths: Iterable[str]) -> NotFound:
    name, names = path.removeprefix(_FOLDER), [path.removeprefix(_FOLDER) for path in paths]
    hint = nearest(name, names) or "promote a release of an app that routes by a model"
    return NotFound(told.format(name), hint, code="model_not_found")


def _allowed(principal: Principal) -> None:
    if not permits(principal.roles, "chat"):
        authorise(principal, "chat", "ask models")
