"""The local operation `data.diff`: which rows came, went and changed, and how labels and numbers moved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict, Field

from headgate.artifacts import Lock
from headgate.kernel import InvalidInput, Workspace, canonical, short

from .add import path_of
from .ingest import Row, read_batch
from .profile import ColumnProfile
from .versions import Version, from_batch, registered

_TOLD = 6


class DataDiff(BaseModel):
    """Which versions to compare; each is a digest or its beginning."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    dataset: str = Field(description="the dataset, as in data/utterances")
    a: str | None = Field(None, description="the older version; the locked one when left out")
    b: str | None = Field(None, description="the newer version; the file as it is now when left out")


class DataDiffResult(BaseModel):
    """What differs. `changed` counts by column the rows that are in both, told apart by the column `key`."""

    model_config = ConfigDict(frozen=True)
    dataset: str
    a: str
    b: str
    same: bool
    key: str | None
    added: int
    removed: int
    changed: dict[str, int]
    sentences: list[str]


def diff(workspace: Workspace, request: DataDiff) -> DataDiffResult:
    """Compare two versions of a dataset. Raises InvalidInput when it was never added, NotFound for unknown digests."""
    path = path_of(request.dataset)
    batch = read_batch(workspace.root, path)
    name = request.a or _locked(workspace, path)
    old = registered(workspace, name)
    new = registered(workspace, request.b) if request.b else from_batch(batch)
    key = batch.expectations.key if batch.expectations.key in old.types.keys() & new.types.keys() else None
    added, removed, changed = _rows(old, new, key)
    sentences = [*_columns(old, new), *_counts(added, removed, changed), *_shifts(old, new)]
    if not request.b and batch.report.outcome == "fail":
        sentences.append(
            f"{batch.file} breaks its expectations: {batch.report.found} problems (headgate data validate)"
        )
    return DataDiffResult(
        dataset=path,
        a=old.name,
        b=new.name,
        same=not (added or removed or changed) and old.types == new.types,
        key=key,
        added=added,
        removed=removed,
        changed=changed,
        sentences=sentences or [f"nothing differs from {short(old.name)}"],
    )


def _locked(workspace: Workspace, path: str) -> str:
    entry = Lock.read(workspace.root).dataset(path)
    if entry is None:
        raise InvalidInput(f"the dataset {path} was never added", f"run `headgate data add {path}`")
    return entry.digest


def _rows(old: Version, new: Version, key: str | None) -> tuple[int, int, dict[str, int]]:
    if key is None:
        before, after = (Counter(canonical(row) for row in side.rows) for side in (old, new))
        return (after - before).total(), (before - after).total(), {}
    first, second = _by_key(old.rows, key), _by_key(new.rows, key)
    changed = Counter(
        name
        for found, row in second.items()
        if found in first
        for name in old.types.keys() & new.types.keys()
        if row.get(name) != first[found].get(name)
    )
    return len(second.keys() - first.keys()), len(first.keys() - second.keys()), dict(sorted(changed.items()))


def _by_key(rows: list[Row], key: str) -> dict[tuple[str, int], Row]:
    """Index rows by their key; rows that share one (in a bad batch) are told apart by their order."""
    seen: Counter[str] = Counter()
    found = {}
    for row in rows:
        value = str(row.get(key))
        found[value, seen[value]] = row
        seen[value] += 1
    return found


def _columns(old: Version, new: Version) -> Iterator[str]:
    for name in new.types:
        if name not in old.types:
            yield f"the column {name} is new"
        elif new.types[name] != old.types[name]:
            yield f"the column {name} was of type {old.types[name]}, is {new.types[name]}"
    for name in old.types:
        if name not in new.types:
            yield f"the column {name} is gone"


def _counts(added: int, removed: int, changed: dict[str, int]) -> Iterator[str]:
    for count, word in ((added, "added"), (removed, "removed")):
        if count:
            yield f"{_rows_told(count)} {word}"
    for name, count in changed.items():
        yield f"{name} changed in {_rows_told(count)}"


def _shifts(old: Version, new: Version) -> Iterator[str]:
    """Tell how the columns that both versions have are spread differently."""
    if not old.rows or not new.rows:
        return
    for name in new.types:
        if name in old.types:
            before, after = old.profile(name), new.profile(name)
            yield from _labels(before, after, len(old.rows), len(new.rows))
            yield from _numbers(before, after)
            missing = before.missing / len(old.rows), after.missing / len(new.rows)
            if abs(missing[1] - missing[0]) >= 0.01:
                yield f"{name}: missing values {missing[0]:.1%} → {missing[1]:.1%}"


def _labels(before: ColumnProfile, after: ColumnProfile, old: int, new: int) -> Iterator[str]:
    if not before.values or not after.values:
        return
    told: list[tuple[float, str]] = []
    for label in before.values.keys() | after.values.keys():
        first, second = before.values.get(label, 0), after.values.get(label, 0)
        shift = second / new - first / old
        if not first:
            told.append((abs(shift), f"{after.name}: {label!r} is new ({_rows_told(second)})"))
        elif not second:
            told.append((abs(shift), f"{after.name}: {label!r} is gone (it had {_rows_told(first)})"))
        elif abs(shift) >= 0.01:
            points = f"{shift * 100:+.1f} points"
            told.append((abs(shift), f"{after.name}: {label!r} {first / old:.1%} → {second / new:.1%} ({points})"))
    for _, sentence in sorted(told, key=lambda item: (-item[0], item[1]))[:_TOLD]:
        yield sentence


def _numbers(before: ColumnProfile, after: ColumnProfile) -> Iterator[str]:
    if before.mean is None or after.mean is None:
        return
    spread = abs(float(before.greatest or 0) - float(before.least or 0)) or abs(before.mean) or 1.0
    if abs(after.mean - before.mean) / spread >= 0.01:
        yield f"{after.name}: mean {before.mean:.4g} → {after.mean:.4g}"
    if (before.least, before.greatest) != (after.least, after.greatest):
        yield f"{after.name}: from {before.least}–{before.greatest} to {after.least}–{after.greatest}"


def _rows_told(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"
