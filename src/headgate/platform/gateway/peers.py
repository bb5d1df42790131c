"""The gateways that share one database: how many live, and which targets the others leave alone (see `Targets`).

Run by the gateway beside its requests, in a thread of its own; only on PostgreSQL, for SQLite has one serving process.
Nothing here is needed to answer: while the database is away, everybody goes on with what they know.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from headgate.kernel import HeadgateError, new_id
from headgate.serve import Hint, Purse, Targets
from headgate.store import Records, peers

BEAT_S = 0.2
"""How often others are listened to; what is news to them is told as quickly."""
TELL_S = 2.0
ALIVE_S = 3 * TELL_S
_NEWS_S = 0.5


class _Told(BaseModel):
    """One target as another process sees it; it may be of a newer version and say more."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    target: str
    state: str = "closed"
    open_s: float = Field(0.0, ge=0)
    resting_s: float = Field(0.0, ge=0)


_TOLD = TypeAdapter(list[_Told])
_Seen = dict[str, tuple[str, float, float]]
"""By target: its state, until when it is left alone, until when it rests; on the clock of this process."""


@dataclass(slots=True)
class Peers:
    """This gateway among the others. least: how many processes there are at least, before any was heard of.

    It sets `purse.workers`, so that slices of limits shrink as gateways come, and grow as they go.
    """

    records: Records
    project: str
    targets: Targets
    purse: Purse
    monotonic: Callable[[], float]
    least: int = 1
    id: str = field(default_factory=lambda: new_id("gw"))
    _told: _Seen = field(default_factory=dict)
    _told_at: float = float("-inf")
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "headgate-peers"))
    _beating: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Tell and listen from now on; call on the loop that serves."""
        self.purse.workers = max(self.purse.workers, self.least)
        self._beating = asyncio.create_task(self._beat())

    async def close(self) -> None:
        """Take leave of the others, if the database answers."""
        if self._beating is not None:
            self._beating.cancel()
        with contextlib.suppress(HeadgateError):
            await asyncio.get_running_loop().run_in_executor(self._thread, self._leave)
        self._thread.shutdown(wait=False)

    async def exchange(self) -> None:
        """Tell what is news, and take in what the others say. Raises Unavailable."""
        hints = self.targets.evidence()
        heard = await asyncio.get_running_loop().run_in_executor(self._thread, self._exchange, hints)
        self.targets.take([hint for found in heard for hint in _hints(found)])
        self.purse.workers = max(self.least, 1 + len(heard))

    async def _beat(self) -> None:
        while True:
            with contextlib.suppress(HeadgateError):  # the database does not answer: go on with what is known
                await self.exchange()
            await asyncio.sleep(BEAT_S)

    def _exchange(self, hints: Sequence[Hint]) -> list[peers.Heard]:
        now = self.monotonic()
        told: _Seen = {hint.target: (hint.state, now + hint.open_s, now + hint.resting_s) for hint in hints}
        if now - self._told_at >= TELL_S or _is_news(told, self._told, now):
            rows = [
                {"target": hint.target, "state": hint.state, "open_s": hint.open_s, "resting_s": hint.resting_s}
                for hint in hints
            ]
            with self.records.begin() as tx:
                peers.tell(tx, self.project, self.id, rows)
            self._told, self._told_at = told, now
        with self.records.read(whole=False) as tx:
            return peers.others(tx, self.project, self.id, ALIVE_S)

    def _leave(self) -> None:
        with self.records.begin() as tx:
            peers.leave(tx, self.project, self.id)


def _is_news(now: _Seen, before: _Seen, at: float) -> bool:
    """Whether others would act differently: a target came or went, changed its state, or waits for another time."""
    if now.keys() != before.keys():
        return True
    return any(
        state != before[name][0]
        or abs(open_until - max(before[name][1], at)) > _NEWS_S
        or abs(rest_until - max(before[name][2], at)) > _NEWS_S
        for name, (state, open_until, rest_until) in now.items()
    )


def _hints(heard: peers.Heard) -> list[Hint]:
    """Read what was told, as of now; nothing when it cannot be read."""
    try:
        told = _TOLD.validate_python(heard.hints)
    except ValidationError:
        return []
    return [
        Hint(
            one.target,
            "closed" if one.state == "closed" else "open",
            max(one.open_s - heard.age_s, 0.0),
            max(one.resting_s - heard.age_s, 0.0),
            0,
            0,
        )
        for one in told
    ]
