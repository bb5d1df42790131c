"""OpenTelemetry and its neighbours: foreign spans in our words, and our requests in theirs. Called by `platform`."""

from .names import CONVENTIONS, VERSION
from .outgoing import spans_of
from .sent import Sent
from .translate import translate

__all__ = ["CONVENTIONS", "VERSION", "Sent", "spans_of", "translate"]
