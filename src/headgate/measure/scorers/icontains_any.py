"""Assertion: the answer holds at least one of several texts, capitals aside."""

from headgate.measure.options import ManyTexts
from headgate.measure.score import ScorerPlugin
from headgate.measure.wording import Wording

plugin = ScorerPlugin(
    behaviour=1,
    options=ManyTexts,
    make=lambda options: Wording("icontains-any", options.value, every=False, capitals=False),
    example=["30 days", "a month"],
)
