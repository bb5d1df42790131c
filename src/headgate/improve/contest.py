"""Two models on the same held-out rows, which neither was trained on: is the candidate worth a release?

Called by the retraining job. Paired throughout: what counts are the rows on which exactly one of the two is right
(McNemar's discordant pairs), judged by the interval of their difference (Bonett and Price, as everywhere else).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from headgate import artifacts
from headgate.data import decode_rows
from headgate.measure import paired_difference
from headgate.models import load_model
from headgate.store import Blobs, Transaction

from .labels import Row, Target


@dataclass(frozen=True, slots=True)
class Pairing:
    """Both models on some rows. gained: only the candidate is right; lost: only the served model is."""

    rows: int
    served: int
    candidate: int
    gained: int
    lost: int

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of (candidate's accuracy - served model's)."""
        found = paired_difference(self.gained, self.lost, self.rows)
        return found.low, found.high

    def facts(self) -> dict[str, Any]:
        low, high = self.interval
        counts = {name: getattr(self, name) for name in ("rows", "served", "candidate", "gained", "lost")}
        return {**counts, "low": round(low, 4), "high": round(high, 4)}

    def words(self) -> str:
        low, high = self.interval
        points = f"{low * 100:+.1f} … {high * 100:+.1f} points"
        pairs = f"{self.gained} better, {self.lost} worse"
        return f"{self.candidate} of {self.rows} right, was {self.served} ({pairs}; {points})"


@dataclass(frozen=True, slots=True)
class Contest:
    """`new` are those of all rows that the served model's data did not hold: what the retraining is about."""

    all: Pairing
    new: Pairing

    def verdict(self, margin: float) -> tuple[bool, str]:
        """Return whether the candidate wins, and why in one sentence.

        It must not be worse overall (by more than `margin`, at the interval's lower end), and be better overall or on
        the new rows (interval above zero).
        """
        if self.all.rows == 0:
            return False, "there are no held-out rows to compare both models on"
        if self.all.lost and self.all.interval[0] < -margin:
            bar = f"at most {margin * 100:g} points may be lost"
            return False, f"the candidate may be worse than what is served: {self.all.words()}; {bar}"
        if self.new.interval[0] > 0 or self.all.interval[0] > 0:
            return True, f"better: {self._told()}"
        more = ": label more requests, so that a difference can show" if self.new.rows < 20 else ""
        return False, f"the candidate is not shown to be better than what is served: {self._told()}{more}"

    def _told(self) -> str:
        return f"new held-out rows {self.new.words()}; all held-out rows {self.all.words()}"


def hold(tx: Transaction, project: str, blobs: Blobs, served: str, candidate: str, target: Target) -> Contest:
    """Let two registered models predict the candidate's held-out rows, less those that the served one learned from."""
    old, new = (artifacts.get(tx, project, digest) for digest in (served, candidate))
    known = rows_of_dataset(tx, project, blobs, old.about["dataset"])
    held_before = {target.key(row) for row in _holdout(old, blobs)}
    stood = {target.key(row) for row in known}
    learned = stood - held_before
    rows = [row for row in _holdout(new, blobs) if target.key(row) not in learned]
    both = [_right(stored, blobs, rows, target.label) for stored in (old, new)]
    fresh = [target.key(row) not in stood for row in rows]
    everything = [True] * len(rows)
    return Contest(_pairing(both[0], both[1], everything), _pairing(both[0], both[1], fresh))


def rows_of_dataset(tx: Transaction, project: str, blobs: Blobs, digest: str) -> list[dict[str, Any]]:
    """Return the rows of a registered dataset. Raises NotFound, Corrupt."""
    return decode_rows(blobs.get(artifacts.get(tx, project, digest).document["file"]))


def _holdout(stored: artifacts.Stored, blobs: Blobs) -> list[dict[str, Any]]:
    return decode_rows(blobs.get(stored.about["holdout"]["file"]))


def _right(stored: artifacts.Stored, blobs: Blobs, rows: Sequence[Row], label: str) -> list[bool]:
    if not rows:
        return []
    said = load_model(stored.document, blobs.get(stored.document["file"])).predict(rows)
    return [one.label == str(row[label]) for one, row in zip(said, rows, strict=True)]


def _pairing(served: Sequence[bool], candidate: Sequence[bool], wanted: Sequence[bool]) -> Pairing:
    pairs = [(a, b) for a, b, take in zip(served, candidate, wanted, strict=True) if take]
    return Pairing(
        rows=len(pairs),
        served=sum(a for a, _ in pairs),
        candidate=sum(b for _, b in pairs),
        gained=sum(b and not a for a, b in pairs),
        lost=sum(a and not b for a, b in pairs),
    )
