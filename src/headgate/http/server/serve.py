"""`headgate serve`: one process that serves a project until it is told to stop, or several. Called by `__main__`.

It leaves a note in `.headgate/`, so that commands find it, and removes it. SIGTERM drains within 30 s: no new
connections, running answers end properly, a running job is left to whoever serves next.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from headgate.platform import FOLDER, Settings

from .listening import listen
from .notes import leave_note, remove_notes
from .workers import Workers, number_of_workers
from .working import MakePages, Place, Serving, work


def serve(start: Path, settings: Settings, announce: Callable[[str], None], pages: MakePages) -> None:
    """Serve the project at or above `start` until SIGTERM or SIGINT; `announce` is told the URL once it answers.

    Raises NotFound, InvalidInput and what opening a project raises, Conflict when another server runs here,
    Unavailable when the disk fails while it serves.
    """
    serving = Serving(start, settings, pages)
    count = number_of_workers(settings)
    if count > 1:
        Workers(serving, count, announce).run()
        return
    noted: list[Path] = []

    def started(root: Path, url: str, token: str) -> None:
        noted.append(root / FOLDER)
        leave_note(root / FOLDER, url, token)
        announce(url)

    with closing(listen(settings.server)) as listener:
        try:
            work(serving, listener, Place(os.getpid(), secrets.token_hex(32)), started)
        finally:
            for folder in noted:
                remove_notes(folder)
