"""Looking for texts in an answer: what the `contains` family shares. Used by the files in `scorers/` only."""

from __future__ import annotations

from dataclasses import dataclass

from .score import Score, Subject, judged


@dataclass(frozen=True, slots=True)
class Wording:
    """Looks for `texts` in the answer: every one of them or any; `capitals` says whether they matter."""

    name: str
    texts: tuple[str, ...]
    every: bool
    capitals: bool

    def look(self, subject: Subject) -> Score:
        given = subject.text if self.capitals else subject.text.casefold()
        absent = [text for text in self.texts if (text if self.capitals else text.casefold()) not in given]
        passed = not absent if self.every else len(absent) < len(self.texts)
        said = ", ".join(repr(text) for text in (absent if not passed else self.texts))
        return judged(self.name, passed, f"the answer {'holds' if passed else 'does not hold'} {said}")
