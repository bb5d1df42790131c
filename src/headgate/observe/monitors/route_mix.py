"""Monitor: how far the mix of routes moved from the time before: total variation distance, 0 (same) … 1."""

from collections import Counter
from math import sqrt

from headgate.kernel import units
from headgate.observe.watch import Monitor, Signal, Window


def _measure(looked: Window) -> Signal:
    window, before = looked.requests, looked.before
    if not window or not before:
        return Signal(0.0, 0.0, 1.0, 0, explanation="nothing to compare with yet")
    now, then = Counter(r.route for r in window), Counter(r.route for r in before)
    moved = {route: now[route] / len(window) - then[route] / len(before) for route in now | then}
    distance = sum(abs(share) for share in moved.values()) / 2
    # What sampling alone would give between two windows of these sizes (expected absolute difference, per route).
    pooled = {route: (now[route] + then[route]) / (len(window) + len(before)) for route in moved}
    noise = sum(sqrt(p * (1 - p) * (1 / len(window) + 1 / len(before))) for p in pooled.values()) / 2
    route, share = max(moved.items(), key=lambda item: abs(item[1]))
    worst = tuple(record.trace_id for record in reversed(window) if record.route == route)[:5]
    said = f"{route or 'no route'} moved by {share:+.0%}"
    return Signal(distance, max(0.0, distance - 2 * noise), distance + 2 * noise, len(window), worst, said)


plugin = Monitor(
    behaviour=1,
    summary="how far the mix of routes moved against the time before",
    unit="distance",
    bad="high",
    threshold=0.2,
    measure=_measure,
    read=units.parse_share,
    playbook="Read the questions of the route that grew: a new topic, an outage, or a router that lost its way?",
)
