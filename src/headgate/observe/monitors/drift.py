"""Monitor: how far what models are asked and say has moved from their training data, in times of what luck explains."""

from headgate.observe.drift import served_models, signals
from headgate.observe.drift.show import OVER_S, SUPPORT, facts, told
from headgate.observe.signals import times
from headgate.observe.watch import Monitor, Signal, Window


def _measure(window: Window) -> Signal:
    look = window.look
    if look is None:
        return Signal(0.0, 0.0, 0.0, 0, explanation="there is nothing to look at")
    where = {"app": look.app, "environment": look.environment}
    found, _ = signals(look.ctx, look.since, look.until, **where, support=look.support)
    served = served_models(look.ctx.tx, look.ctx.project, look.release)
    found = [item for item in found if not served or item.digest in served]
    count = max((item.count for item in found), default=0)
    breaches = [item for item in found if item.state == "breach"]
    worst = max((item.value / item.threshold for item in breaches or found), default=0.0)
    traces = tuple(dict.fromkeys(trace for item in breaches for trace in item.examples))[:5]
    title = f"{breaches[0].model} drifted" if breaches else ""
    return Signal(worst, worst, worst, count, traces, told(breaches), title, facts(breaches))


plugin = Monitor(
    behaviour=1,
    summary="how far what models are asked and say moved from their training data",
    unit="times",
    bad="high",
    threshold=1.0,
    measure=_measure,
    read=times,
    playbook="Read the example requests: a new topic, another audience, or a field gone wrong? Label them and retrain.",
    over_s=OVER_S,
    support=SUPPORT,
)
