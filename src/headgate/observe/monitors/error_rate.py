"""Monitor: share of requests that ended without an answer of the app's own (status error, or the fallback template)."""

from headgate.kernel import units
from headgate.observe.signals import rate
from headgate.observe.watch import Monitor

plugin = Monitor(
    behaviour=1,
    summary="requests that ended in an error or the fallback template",
    unit="share",
    bad="high",
    threshold=0.05,
    measure=lambda window: rate("error-rate", window.requests, lambda record: record.status in ("error", "safe")),
    read=units.parse_share,
    playbook="Open the traces: is one provider failing, or retrieval? If it began with a release, roll back.",
)
