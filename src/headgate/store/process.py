"""Processes as owners of work: naming this one, and telling whether another one of this host is gone. For `jobs`."""

from __future__ import annotations

import os
import socket
from pathlib import Path


def this_host() -> str:
    """Name this host as its processes see it; containers that share a host name differ by their process namespace."""
    try:
        space = os.readlink("/proc/self/ns/pid").strip("pid:[]")
    except OSError:
        space = "0"
    return f"{socket.gethostname().replace(':', '-')}.{space}"


def owner_name(pid: int | None = None) -> str:
    """Name a process of this host (this one without `pid`) so that others can tell if it lives: `host:pid:start`."""
    number = os.getpid() if pid is None else pid
    return f"{this_host()}:{number}:{_started(number)}"


def is_dead(owner: str | None) -> bool:
    """Whether an owner was a process of this host that is gone; an owner on another host is never called dead."""
    parts = (owner or "").split(":")
    if len(parts) != 3 or parts[0] != this_host() or not parts[1].isdigit():
        return False
    return _started(int(parts[1])) != parts[2]


def _started(pid: int) -> str:
    """Return when a process started, in clock ticks since boot; '' for one that is gone, `alive` without /proc."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return "" if Path("/proc/self/stat").exists() else _alive(pid)
    fields = text.rpartition(")")[2].split()
    return "" if fields[0] in "ZX" else fields[19]


def _alive(pid: int) -> str:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return "alive"
    except OSError:
        return ""
    return "alive"
