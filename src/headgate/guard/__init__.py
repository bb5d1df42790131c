"""Floor 4: guards on what comes in and what goes out, on whole texts and on streams."""

from .guard import Action, Check, Finding, Guard, GuardOptions, GuardPlugin, Mode, Unit
from .inspection import Outcome, inspect
from .policy import Policy, compile_policy
from .stream import OutputStream

__all__ = [
    "Action",
    "Check",
    "Finding",
    "Guard",
    "GuardOptions",
    "GuardPlugin",
    "Mode",
    "Outcome",
    "OutputStream",
    "Policy",
    "Unit",
    "compile_policy",
    "inspect",
]
