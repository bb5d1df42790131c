"""What gates read, read once: evidence by release, cases by evidence, suites by digest.

Made by whoever judges (the gate, a promotion, the list of releases) and thrown away with its transaction: judging many
releases for many environments reads each thing once. It decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from headgate import artifacts
from headgate.evaluate import CaseRow, Evidence, Suite, evidence_of, verdicts_of
from headgate.store import Transaction


@dataclass(slots=True)
class Shelf:
    """Papers of one transaction. Evidence and suites never change once they are done, so what was read stays true."""

    tx: Transaction
    project: str
    _evidence: dict[str, list[Evidence]] = field(default_factory=dict)
    _cases: dict[str, list[CaseRow]] = field(default_factory=dict)
    _suites: dict[str, Suite] = field(default_factory=dict)

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
        if digest not in self._suites:
            self._suites[digest] = Suite.model_validate(artifacts.get(self.tx, self.project, digest).document)
        return self._suites[digest]
