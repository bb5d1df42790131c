"""Assertion: the answer holds a text."""

from headgate.measure.options import OneText
from headgate.measure.score import ScorerPlugin
from headgate.measure.wording import Wording

plugin = ScorerPlugin(
    behaviour=1,
    options=OneText,
    make=lambda options: Wording("contains", (options.value,), every=True, capitals=True),
    example="30 days",
)
