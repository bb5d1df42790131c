"""Uvicorn's server with an end that breaks no answer (P26). Called by `serve`.

Told to stop, it says so first: not ready, `connection: close` on every answer, no further job. After the delay that a
load balancer needs it takes no connections; answers end within 27 s, those that do not are broken off with their
wire's own end, and after 30 s the process is gone.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType

import uvicorn

ANSWERS_S = 27.0
ENDS_S = 2.0
_SETTLE_S = 0.05
_STEP_S = 0.05


@dataclass(frozen=True, slots=True)
class Life:
    """What a server tells others of its life: `ready` when it answers, `leaving` when it was told to stop.

    broken: says why it must end by itself, '' while all is well. lead: the process that started it and without which
    it ends, 0 for none. delay_s: how long it goes on taking connections after it was told to stop.
    """

    ready: Callable[[], None]
    leaving: Callable[[], None]
    broken: Callable[[], str]
    lead: int = 0
    delay_s: float = 0.0


class DrainingServer(uvicorn.Server):
    """Ends with exit code 0 when it was told to stop; a second signal ends it without waiting.

    It also ends, as if told, once `broken` says why the disk cannot be trusted any more (P1): what a failed sync left
    behind only a new process sees. `serve` then raises.
    """

    def __init__(self, config: uvicorn.Config, life: Life) -> None:
        super().__init__(config)
        self._life = life

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._life.ready()

    async def on_tick(self, counter: int) -> bool:
        if self._life.lead and os.getppid() != self._life.lead:
            self.should_exit = True
        return bool(self._life.broken()) or await super().on_tick(counter)

    async def main_loop(self) -> None:
        await super().main_loop()
        self._life.leaving()
        self.config.encoded_headers.append((b"connection", b"close"))
        until = time.monotonic() + self._life.delay_s
        while True:
            await super().on_tick(0)  # writes the headers of answers anew
            left = until - time.monotonic()
            if left <= 0 or self.force_exit:
                return
            await asyncio.sleep(min(left, 0.5))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        await asyncio.sleep(_SETTLE_S)  # what has arrived on idle connections is still read, and answered
        for connection in list(self.server_state.connections):
            connection.shutdown()
        if not await self._ended(ANSWERS_S):
            for task in list(self.server_state.tasks):
                task.cancel("the server is stopping")
            await self._ended(ENDS_S)
        if not self.force_exit:
            await self.lifespan.shutdown()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._life.lead and sig == signal.SIGINT:
            return  # a terminal tells every process; the one that leads decides
        if self.should_exit:
            self.force_exit = True
        self.should_exit = True

    async def _ended(self, patience_s: float) -> bool:
        """Wait until every answer has ended and every connection is closed."""
        state, until = self.server_state, time.monotonic() + patience_s
        while (state.connections or not all(task.done() for task in state.tasks)) and not self.force_exit:
            if time.monotonic() >= until:
                return False
            await asyncio.sleep(_STEP_S)
        return True
