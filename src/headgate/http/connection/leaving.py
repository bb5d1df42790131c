"""Clients that leave before they heard everything: what runs for them is cancelled (P9). Called by the routes.

Our server tells of it by a call, `headgate.client` in the scope; any other ASGI server is listened to by a task.
"""

from __future__ import annotations

import asyncio
from types import TracebackType

from headgate.http.exchange import Exchange, Gone


class WhileConnected:
    """Cancels what runs inside when the client leaves, and turns that into Gone: `with WhileConnected(exchange):`.

    Enter it after the body was read, once at a time.
    """

    __slots__ = ("_client", "_exchange", "_gone", "_task", "_watch")

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._client = exchange.client
        self._watch: asyncio.Task[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._gone = False

    def __enter__(self) -> None:
        self._task = asyncio.current_task()
        if self._client is None:
            self._watch = asyncio.create_task(self._exchange.left())
            self._watch.add_done_callback(self._heard)
        elif self._client.gone:
            raise Gone
        else:
            self._client.on_leave = self._leave

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        task, self._task = self._task, None
        if self._client is not None:
            self._client.on_leave = None
        elif self._watch is not None:
            self._watch.cancel()
        if self._gone:
            assert task is not None
            task.uncancel()
            if error is None or isinstance(error, asyncio.CancelledError):
                raise Gone from None

    def _heard(self, watch: asyncio.Task[None]) -> None:
        if not watch.cancelled():
            self._leave()

    def _leave(self) -> None:
        if self._task is not None:
            self._gone = True
            self._task.cancel()
