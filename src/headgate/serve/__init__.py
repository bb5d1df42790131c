"""Floor 5: the one execution path from a release and a request to an answer. No web framework."""

from .budget import Purse
from .execute import answer, execute
from .kinds.app import app_targets, cross_check, warnings
from .kinds.contract import behavioural, targets
from .releases import Releases
from .runtime import Hold, Runtime
from .snapshot import Snapshot, load

__all__ = [
    "Hold", "Purse", "Releases", "Runtime", "Snapshot", "answer", "app_targets", "behavioural", "cross_check",
    "execute", "load", "targets", "warnings",
]  # fmt: skip
