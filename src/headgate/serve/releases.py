"""Releases in memory, ready before a request needs them. A service: built once by `platform`, asked by edges.

Loading runs in a thread, once per release however many ask at the same time; the oldest used one goes when it is full.
"""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future

from headgate.kernel import Corrupt
from headgate.store import Blobs, Records

from .snapshot import Snapshot, compile_release, read_pins


class Releases:
    """A bounded cache of snapshots by (project, digest), safe to share between threads and event loops.

    keep: how many at most; raise it above what is served, or every request loads. distrusted: called in the loading
    thread, after those who wait were told, when bytes are not what their digest says (P16).
    """

    def __init__(self, records: Records, blobs: Blobs, keep: int = 8) -> None:
        self._records, self._blobs, self.keep = records, blobs, keep
        self.distrusted: Callable[[str, str, Corrupt], None] = lambda project, digest, problem: None
        self._lock = threading.Lock()
        self._held: OrderedDict[tuple[str, str], Snapshot | Future[Snapshot]] = OrderedDict()
        """What is ready, the least used first, and what is being loaded."""

    async def get(self, project: str, digest: str) -> Snapshot:
        """Return a release ready to serve; waits, off the event loop, only when it must be loaded.

        Raises what `load` raises; a failed load is forgotten, the next call tries again.
        """
        held = self._held.get((project, digest))
        if isinstance(held, Snapshot):
            return self.take(project, digest)
        if held is not None and not held.done():  # whoever waits takes no thread from others
            return await asyncio.shield(asyncio.wrap_future(held))
        return await asyncio.to_thread(self.take, project, digest)

    def take(self, project: str, digest: str) -> Snapshot:
        """The same for callers outside an event loop."""
        key = (project, digest)
        with self._lock:
            held = self._held.get(key)
            mine = held is None
            if held is None:
                held = self._held[key] = Future()
            self._held.move_to_end(key)
        if isinstance(held, Snapshot):
            return held
        if mine:
            self._load(key, held)
        return held.result()

    def _load(self, key: tuple[str, str], into: Future[Snapshot]) -> None:
        try:
            with self._records.read() as tx:
                pins = read_pins(tx, *key)
            ready = compile_release(pins, self._blobs)
        except BaseException as problem:  # noqa: BLE001  handed on to everyone who waits for this load
            with self._lock:
                self._held.pop(key, None)
            into.set_exception(problem)
            if isinstance(problem, Corrupt):
                self.distrusted(*key, problem)
            return
        with self._lock:
            self._held[key] = ready
            done = [name for name, held in self._held.items() if isinstance(held, Snapshot)]
            for name in done[: max(len(self._held) - self.keep, 0)]:
                del self._held[name]
        into.set_result(ready)
