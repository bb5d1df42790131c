"""Monitor: mean grounding of the answers that cite sources, 0 … 1."""

from headgate.kernel import units
from headgate.observe.signals import mean
from headgate.observe.watch import Monitor, Signal, Window


def _measure(window: Window) -> Signal:
    grounded = [record for record in window.requests if record.grounding is not None]
    return mean(grounded, lambda record: record.grounding or 0.0, smallest=True)


plugin = Monitor(
    behaviour=1,
    summary="mean support of the answers' sentences by their sources",
    unit="share",
    bad="low",
    threshold=0.7,
    measure=_measure,
    read=units.parse_share,
    playbook="Open the weakest answers: did retrieval miss the page, or did the model add what no source says?",
)
