"""Monitor: mean cost of a request, in USD."""

from headgate.kernel import units
from headgate.observe.signals import dollars, mean
from headgate.observe.watch import Monitor

plugin = Monitor(
    behaviour=1,
    summary="mean cost of a request",
    unit="USD",
    bad="high",
    threshold=0.01,
    measure=lambda window: mean(window.requests, lambda record: record.cost_nano / units.NANO),
    read=dollars,
    playbook="Look at the dearest traces: longer context, more attempts, or another model? Lower the key's budget.",
)
