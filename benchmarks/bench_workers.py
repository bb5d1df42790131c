"""How connections spread over workers: a socket for each on one address (as served) beside one socket inherited by all.

Four processes on uvloop answer with their number; clients open connections at once, or one each millisecond, and keep
them. Printed: connections by worker, and the share of the busiest (0.25 would be even).
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvloop

WORKERS = 4
LOADS = ((8, 0.0), (64, 0.0), (64, 0.001), (256, 0.001), (1000, 0.001))


def bound(port: int, *, shared: bool) -> socket.socket:
    found = socket.socket()
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    found.bind(("127.0.0.1", port))
    found.listen(2048)
    found.setblocking(False)
    return found


class Answer(asyncio.Protocol):
    """Says which process took the connection."""

    def connection_made(self, transport: Any) -> None:
        transport.write(b"%d\n" % os.getpid())


async def serve(listener: socket.socket) -> None:
    server = await asyncio.get_running_loop().create_server(Answer, sock=listener)
    await server.serve_forever()


@contextmanager
def workers(*, own: bool) -> Iterator[int]:
    """Fork workers, each with a socket of its own or all with the same; gives the port."""
    listeners = [bound(0, shared=own)]
    port = listeners[0].getsockname()[1]
    listeners += [bound(port, shared=True) for _ in range(WORKERS - 1)] if own else listeners * (WORKERS - 1)
    pids = []
    for listener in listeners:
        pid = os.fork()
        if not pid:
            for other in set(listeners) - {listener}:
                other.close()
            uvloop.run(serve(listener))
        pids.append(pid)
    for listener in listeners:
        listener.close()
    try:
        yield port
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


async def connect(port: int, number: int, gap_s: float) -> list[int]:
    """Open connections and keep them; returns how many each worker got, most first."""
    seen: Counter[bytes] = Counter()
    writers = []

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writers.append(writer)
        seen[await reader.readline()] += 1

    tasks = []
    for _ in range(number):
        tasks.append(asyncio.create_task(one()))
        await asyncio.sleep(gap_s)
    await asyncio.gather(*tasks)
    for writer in writers:
        writer.close()
    return sorted([*seen.values(), *[0] * (WORKERS - len(seen))], reverse=True)


def main() -> None:
    heads = [f"{what:<24} {'busiest':>7}" for what in ("a socket for each", "one for all")]
    print(f"{'connections':>12} {'opened':>12}  {'  '.join(heads)}")
    for number, gap_s in LOADS:
        shown = []
        for own in (True, False):
            with workers(own=own) as port:
                found = asyncio.run(connect(port, number, gap_s))
            shown.append(f"{' '.join(map(str, found)):<24} {found[0] / number:>7.2f}")
        print(f"{number:>12} {'1 each ms' if gap_s else 'at once':>12}  {'  '.join(shown)}")


if __name__ == "__main__":
    main()
