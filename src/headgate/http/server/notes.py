"""The notes in `.headgate/` that commands find servers by. Called by `serve` and `workers`; a group leaves one.

Each server leaves its own, `server-….json`; `server.json` names whoever started last.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from pathlib import Path
from typing import Any

from headgate.platform import SERVER_FILE

_NOTES = "server-*.json"


def leave_note(folder: Path, url: str, token: str) -> None:
    """Leave this server's own note, and make `server.json` name it too: commands go to whoever started last."""
    data = {
        "url": url,
        "port": int(url.rpartition(":")[2]),
        "pid": os.getpid(),
        "token": token,
        "at": time.time(),
    }
    for old in folder.glob(_NOTES):
        if _is_gone(old):
            old.unlink(missing_ok=True)
    own = folder / f"server-{secrets.token_hex(4)}.json"
    for path in (own, folder / SERVER_FILE):
        _write_note(path, data)


def remove_notes(folder: Path) -> None:
    """Remove what this server left; another one that still serves the folder takes its place in `server.json`."""
    left = []
    for path in (folder / SERVER_FILE, *folder.glob(_NOTES)):
        found = _read_note(path)
        if found.get("pid") == os.getpid():
            path.unlink(missing_ok=True)
        elif path.name != SERVER_FILE and found:
            left.append(found)
    if left and not (folder / SERVER_FILE).exists():
        _write_note(folder / SERVER_FILE, max(left, key=lambda note: float(note["at"])))


def _write_note(path: Path, data: dict[str, Any]) -> None:
    """Write a note whole, readable by its owner only: it holds the local token."""
    swap = path.with_suffix(f".{os.getpid()}")
    descriptor = os.open(swap, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(data, file)
    swap.replace(path)


def _is_gone(path: Path) -> bool:
    pid = _read_note(path).get("pid")
    if not isinstance(pid, int) or pid <= 0:
        return True
    try:
        os.kill(pid, 0)
    except PermissionError:
        return False
    except OSError:
        return True
    return False


def _read_note(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
