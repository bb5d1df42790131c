"""Monitor: 95th percentile of a request's whole time, in seconds."""

from headgate.observe.signals import quantile, seconds
from headgate.observe.watch import Monitor

plugin = Monitor(
    behaviour=1,
    summary="95th percentile of the time to a whole answer",
    unit="s",
    bad="high",
    threshold=2.0,
    measure=lambda window: quantile(window.requests, lambda record: record.latency_us / 1e6, 0.95),
    read=seconds,
    playbook="Look at the slowest traces' stages: provider, retrieval or retries? Move the slow target down its chain.",
)
