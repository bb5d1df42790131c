"""Monitor: share of requests that the app refused or a guard blocked."""

from headgate.kernel import units
from headgate.observe.signals import rate
from headgate.observe.watch import Monitor

plugin = Monitor(
    behaviour=1,
    summary="requests refused by the app or blocked by a guard",
    unit="share",
    bad="high",
    threshold=0.25,
    measure=lambda window: rate("refusals", window.requests, lambda record: record.status in ("refused", "blocked")),
    read=units.parse_share,
    playbook="Read the refused questions: an attack (see blocked_by), or a page that the corpus lacks?",
)
