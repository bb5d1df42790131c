"""Assertion: the answer holds a text, capitals aside."""

from headgate.measure.options import OneText
from headgate.measure.score import ScorerPlugin
from headgate.measure.wording import Wording

plugin = ScorerPlugin(
    behaviour=1,
    options=OneText,
    make=lambda options: Wording("icontains", (options.value,), every=True, capitals=False),
    example="30 days",
)
