"""What gates read, read once: evidence by release, cases by evidence, suites by digest.

A shelf is made by whoever judges (the gate, a promotion, the list of releases) and thrown away with its transaction:
judging many releases for many environments reads each thing once. `Suites` is kept by a process, because proving a
suite's digest costs more than all the rest of a gate. Nothing here decides.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import TypeVar, cast

from headgate import artifacts
from headgate.evaluate import CaseRow, Evidence, Suite, evidence_of, verdicts_of
from headgate.store import Context, Transaction

Found = TypeVar("Found")
_KEPT = 64


class Suites:
    """The versions of suites that were read last, each proven by its digest once. A version never changes."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], Suite] = {}

    def get(self, tx: Transaction, project: str, digest: str) -> Suite:
        """Return a version of a suite. Raises NotFound, or Corrupt when it is not what its digest says."""
        found = self._kept.get((project, digest))
        if found is None:
            found = Suite.model_validate(artifacts.get(tx, project, digest).document)
            if len(self._kept) >= _KEPT:
                self._kept = dict(list(self._kept.items())[_KEPT // 2 :])
            self._kept[project, digest] = found
        return found


@dataclass(slots=True)
class Shelf:
    """Papers of one transaction. Evidence and suites never change once they are done, so what was read stays true."""

    tx: Transaction
    project: str
    suites: Suites = field(default_factory=Suites)
    _evidence: dict[str, list[Evidence]] = field(default_factory=dict)
    _cases: dict[str, list[CaseRow]] = field(default_factory=dict)
    _found: dict[Hashable, object] = field(default_factory=dict)

    def once(self, key: Hashable, make: Callable[[], Found]) -> Found:
        """Return what `make` found under this key, asked once: environments with the same rules are judged alike."""
        if key not in self._found:
            self._found[key] = make()
        return cast(Found, self._found[key])

    def evidence(self, release: str) -> list[Evidence]:
        """Return the finished evidence of a release, newest first."""
        if release not in self._evidence:
            self._evidence[release] = evidence_of(self.tx, self.project, release)
        return self._evidence[release]

    def cases(self, evidence: str) -> list[CaseRow]:
        """Return the verdicts of an evidence, without answers."""
        if evidence not in self._cases:
            self._cases[evidence] = verdicts_of(self.tx, self.project, evidence)
        return self._cases[evidence]

    def suite(self, digest: str) -> Suite:
        """Return a version of a suite, checked against its digest."""
        return self.suites.get(self.tx, self.project, digest)


def shelf_of(ctx: Context) -> Shelf:
    """Return a shelf for a transaction, with the suites that this process keeps, if it does."""
    return Shelf(ctx.tx, ctx.project, ctx.services.get(Suites) or Suites())
