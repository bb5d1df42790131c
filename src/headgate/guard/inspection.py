"""Guards at work on one text: what each said, what became of the text, and whether it may go on. Called by `serve`.

A guard that raises, hangs or answers nonsense is `error_blocked` when it enforces and `error_allowed` when it only
observes; it is never recorded as `pass` (P10).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from headgate.kernel import Verdict

from .guard import Finding, Guard

Side = Literal["input", "output"]
LOCAL_S = 0.25
"""How long a guard that is not ours may take."""
_CHUNK, _OVERLAP = 32_768, 2_048


@dataclass(frozen=True, slots=True)
class Outcome:
    """The text as it may go on, what every guard said, and the verdict that stopped it, if one did."""

    text: str
    verdicts: tuple[Verdict, ...] = ()
    blocked: Verdict | None = None
    reply: str | None = None


def inspect(guards: Sequence[Guard], text: str, side: Side) -> Outcome:
    """Let guards look in order; masks change what the next one sees, the first block ends it."""
    verdicts: list[Verdict] = []
    for guard in guards:
        verdict, text = look(guard, text, side)
        verdicts.append(verdict)
        if verdict.verdict in ("block", "error_blocked") and not verdict.observed:
            skipped = [Verdict(later.name, side, "skipped") for later in guards[len(verdicts) :]]
            return Outcome(text, (*verdicts, *skipped), verdict, guard.reply)
    return Outcome(text, tuple(verdicts))


def look(guard: Guard, text: str, side: Side) -> tuple[Verdict, str]:
    """Let one guard look; returns its verdict and the text as it may go on."""
    observed = guard.mode == "observe"
    try:
        finding = _checked(guard, text)
    except Exception as problem:  # noqa: BLE001  plugin call: whatever a guard raises must not become a pass
        said = f"{type(problem).__name__}: {problem}"[:200]
        return Verdict(
            guard.name, side, "error_allowed" if observed else "error_blocked", 0.0, "", said, observed
        ), text
    verdict = Verdict(guard.name, side, "pass", finding.value, finding.label, finding.explanation, observed)
    if not finding.hit or guard.action == "flag":
        return verdict, text
    if guard.action == "mask" and finding.text is not None:
        return replace(verdict, verdict="mask"), text if observed else finding.text
    return replace(verdict, verdict="block"), text


def _checked(guard: Guard, text: str) -> Finding:
    if not guard.trusted:
        finding = _limited(guard, text)
    elif len(text) > _CHUNK and guard.action != "mask":
        finding = _in_chunks(guard, text)
    else:
        finding = guard.check(text)
    if not isinstance(finding, Finding) or not isinstance(finding.hit, bool):
        raise TypeError(f"it returned {type(finding).__name__}, not a Finding")
    return finding


def _in_chunks(guard: Guard, text: str) -> Finding:
    """Look at long text piece by piece, with overlap, so that one request cannot hold the loop for long."""
    worst = Finding(False)
    for start in range(0, len(text), _CHUNK - _OVERLAP):
        found = guard.check(text[start : start + _CHUNK])
        if found.hit:
            return replace(found, text=None)
        worst = found if found.value > worst.value else worst
    return replace(worst, text=None)


def _limited(guard: Guard, text: str) -> Finding:
    """Run a stranger's guard on a thread and wait 250 ms at most. Raises TimeoutError."""
    box: list[Finding] = []
    problems: list[BaseException] = []

    def run() -> None:
        try:
            box.append(guard.check(text))
        except BaseException as problem:  # noqa: BLE001  carried over to the caller's thread
            problems.append(problem)

    thread = threading.Thread(target=run, name=f"guard-{guard.name}", daemon=True)
    thread.start()
    thread.join(LOCAL_S)
    if problems:
        raise problems[0]
    if not box:
        raise TimeoutError(f"it took longer than {LOCAL_S * 1000:.0f} ms")
    return box[0]
