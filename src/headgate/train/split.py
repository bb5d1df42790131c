"""Which rows train and which measure: the same for the same rows and seed, and stable when rows are added.

Each label keeps its share. Within a label, rows are ordered by a hash of their features, so that a new row moves at
most a few others, and rows with equal features lie side by side.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from headgate.kernel import canonical

from .pipeline import Row


def split(
    rows: Sequence[Row], target: str, features: Sequence[str], seed: int, share: float
) -> tuple[list[Row], list[Row]]:
    """Return (rows to train on, rows held out), each in the order of the file.

    `share` (0 to 1) of each label is held out, at least one row where it has two; a label's only row trains.
    """
    by_label: dict[str, list[tuple[str, int]]] = {}
    for index, row in enumerate(rows):
        content = canonical([str(seed), *[row.get(name) for name in features]])
        by_label.setdefault(str(row[target]), []).append((hashlib.sha256(content).hexdigest(), index))
    held: set[int] = set()
    for found in by_label.values():
        count = 0 if len(found) < 2 else min(max(1, round(len(found) * share)), len(found) - 1)
        held.update(index for _, index in sorted(found)[:count])
    train = [row for index, row in enumerate(rows) if index not in held]
    return train, [row for index, row in enumerate(rows) if index in held]
