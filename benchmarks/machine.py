"""What benchmarks that run servers need of the machine: a free port, and a core of one's own."""

from __future__ import annotations

import os
import socket


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def pin(core: int) -> None:
    """Stay on one core, where there are several."""
    if (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {core})
