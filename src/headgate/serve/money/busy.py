"""A ledger that does not answer: how long is waited for it, and what whoever asked is told. Called by the purse.

Nothing is ever spent that is not reserved: when the ledger cannot be asked, the answer is an error that says when to
try again.
"""

from __future__ import annotations

from headgate.kernel import Unavailable

ASK_S = 5.0
"""How long a request waits for the ledger: whoever asked can try elsewhere, or again, sooner than a lock is let go."""
TURN_S = 3.0
"""How long one transaction waits for another program's lock; shorter than a request does, so that it learns why."""
_AGAIN_S = 2
_TRIES = 4
_BUSY_TRIES = 10
"""As many tries to settle as take half a minute: a lock that somebody holds is let go again."""


class NoLedger(Unavailable):
    """The ledger did not answer in time, so that nothing is reserved; `retry_after` is in seconds."""

    code = "ledger_busy"
    retry_after = _AGAIN_S


def no_ledger(problem: Unavailable | None = None) -> NoLedger:
    """Say it without what only its owner may know, such as where the database is."""
    if problem is None or problem.code == "busy":
        return NoLedger("the ledger of budgets is busy, so nothing could be reserved", "try again in a moment")
    return NoLedger("the ledger of budgets does not answer", "try again in a moment", code="ledger_unavailable")


def pause_s(tried: int) -> float:
    """Return for how many seconds to leave the ledger alone after so many failures: 0.1 at first, at most 0.8."""
    return 0.1 * 2.0 ** min(3, tried - 1)


def tries(problem: object) -> int:
    """Return how often settling is tried before what was used stays reserved until its lease ends."""
    return _BUSY_TRIES if getattr(problem, "code", "") == "busy" else _TRIES
