"""The limits that a contract sets, compiled: for the app as a whole, for each user, for each session, for loops.

Called by `snapshot` (compiling) and `draw`. It reads documents and knows no clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headgate.kernel import Rate, Rates, parse_rate, tightest, units

LOOPS = 10
"""The same call of a tool, or the same question, this often in a row is a loop that runs away."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What an app may use: in all, by each user, in each session. loops: 0 never stops one."""

    app: Rates = ()
    user: Rates = ()
    session: Rates = ()
    loops: int = LOOPS


def compile_limits(document: Mapping[str, Any]) -> Limits:
    """Compile the limits of a contract's document; `cost.per_day` is one of the app's."""
    written = document.get("limits", {})
    per_day = document.get("cost", {}).get("per_day")
    daily = [] if per_day is None else [Rate("cost", "day", units.parse_usd(per_day))]
    return Limits(
        app=tightest([*daily, *map(parse_rate, written.get("app", []))]),
        user=tightest(map(parse_rate, written.get("user", []))),
        session=tightest(map(parse_rate, written.get("session", []))),
        loops=written.get("loops", LOOPS),
    )
