"""One guard, one text: built-in guards in place and in parts, others on a thread of their own with a time limit.

Called by `inspect` and `stream`. Whatever goes wrong is raised as `Fault`, so that no fault can look like a pass.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache

from msgspec import structs

from headgate.kernel import Verdict
from headgate.measure import Found, merged

from .guard import NOTHING, Checker, Finding, Guard, Side

LIMIT_S = 0.25
"""How long a guard that is not built in may take (P10)."""
_PART = 32_768
_OVERLAP = 8_192
_STUCK = 4
between_parts: ContextVar[Callable[[], None] | None] = ContextVar("between_parts", default=None)
"""What is called before each part of a long text, and before each text; what it raises ends the looking."""


class Fault(Exception):
    """A guard raised, took too long, or returned what is not a finding."""


def check(guard: Guard, text: str) -> Finding:
    """Return what a guard finds in a text. Raises Fault for everything that goes wrong inside it."""
    try:
        found = guard.checker.check(text) if len(text) <= _PART or not guard.trusted else _in_parts(guard.checker, text)
        if found is not NOTHING:
            _validate(found, text)
    except Fault:
        raise
    except Exception as problem:  # noqa: BLE001  one of the four boundaries: a plugin call
        raise Fault(f"raised {type(problem).__name__}") from None
    return found


def verdict(guard: Guard, side: Side, finding: Finding | Fault) -> Verdict:
    """Say what one guard's finding means; an observing guard's verdict is marked, and changes nothing.

    A guard that only flags stops nothing when it finds something, so it stops nothing when it fails: it is recorded as
    `error_allowed`, over whole texts as over streams, which it sees only when they have left.
    """
    observed = guard.mode == "observe"
    if finding is NOTHING:
        return _passed(guard.name, side, observed)
    where = {"guard": guard.name, "side": side, "observed": observed}
    if isinstance(finding, Fault):
        name = "error_allowed" if observed or guard.action == "flag" else "error_blocked"
        return Verdict(verdict=name, explanation=f"the guard {finding}", **where)  # type: ignore[arg-type]
    name = {"block": "block", "mask": "mask", "flag": "pass"}[guard.action] if finding.hit else "pass"
    told = f"flagged: {finding.explanation}" if finding.hit and guard.action == "flag" else finding.explanation
    return Verdict(
        verdict=name,  # type: ignore[arg-type]
        value=float(finding.value),
        label=finding.label,
        explanation=told,
        **where,  # type: ignore[arg-type]
    )


@lru_cache(1024)
def _passed(name: str, side: Side, observed: bool) -> Verdict:
    return Verdict(name, side, "pass", observed=observed)


def stops(said: Verdict) -> bool:
    """Whether a verdict stops the text."""
    return said.verdict in ("block", "error_blocked") and not said.observed


@dataclass(slots=True)
class OnThread:
    """A checker of a stranger, called on a thread of its own; when calls hang, further ones fail at once."""

    checker: Checker
    limit_s: float = LIMIT_S
    stuck: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def check(self, text: str) -> Finding:
        """Return the finding. Raises Fault after the limit; the thread is left behind and counted until it ends."""
        if self.stuck >= _STUCK:
            raise Fault(f"is stuck: {self.stuck} calls have not returned")
        answers: queue.SimpleQueue[Finding | BaseException] = queue.SimpleQueue()
        with self.lock:
            self.stuck += 1
        threading.Thread(target=self._call, args=(str(text), answers), daemon=True, name="guard").start()
        try:
            answer = answers.get(timeout=self.limit_s)
        except queue.Empty:
            raise Fault(f"took longer than {self.limit_s * 1000:.0f} ms") from None
        if isinstance(answer, BaseException):
            raise Fault(f"raised {type(answer).__name__}") from None
        return answer

    def _call(self, text: str, answers: queue.SimpleQueue[Finding | BaseException]) -> None:
        try:
            answers.put(self.checker.check(text))
        except BaseException as problem:  # noqa: BLE001  a plugin call; also SystemExit must not look like a hang
            answers.put(problem)
        finally:
            with self.lock:
                self.stuck -= 1


def _in_parts(checker: Checker, text: str) -> Finding:
    """Check a long text in parts that overlap, so that no single call is long."""
    worst, spans, pause = NOTHING, list[Found](), between_parts.get()
    for start in range(0, len(text) - _OVERLAP, _PART - _OVERLAP):
        if pause is not None:
            pause()
        found = checker.check(text[start : start + _PART])
        spans += [Found(part.start + start, part.end + start, part.type) for part in found.spans]
        if (found.hit, found.value) > (worst.hit, worst.value):
            worst = found
    if worst is NOTHING:
        return worst
    return structs.replace(worst, spans=tuple(merged(spans)), text=None)


def _validate(found: object, text: str) -> None:
    if not isinstance(found, Finding) or not isinstance(found.hit, bool):
        raise Fault(f"returned {type(found).__name__}, not a finding")
    if not isinstance(found.value, int | float) or not isinstance(found.text, str | None):
        raise Fault("returned a finding of wrong types")
    if not isinstance(found.label, str) or not isinstance(found.explanation, str):
        raise Fault("returned a finding of wrong types")
    at = 0
    for part in found.spans:
        if not isinstance(part, Found) or not at <= part.start <= part.end <= len(text):
            raise Fault("returned spans outside the text, or out of order")
        at = part.end
