"""Assertion: the answer holds every one of several texts."""

from headgate.measure.options import ManyTexts
from headgate.measure.score import ScorerPlugin
from headgate.measure.wording import Wording

plugin = ScorerPlugin(
    behaviour=1,
    options=ManyTexts,
    make=lambda options: Wording("contains-all", options.value, every=True, capitals=True),
    example=["30 days", "a month"],
)
