"""Floor 4: guards: scorers with an action, compiled from a policy, over whole texts and over streams."""

from .guard import Action, Checker, Finding, Guard, GuardOptions, GuardPlugin, Mode
from .inspect import Outcome, inspect
from .policy import Policy, compile_policy
from .stream import OutputStream
from .targets import TargetRules

__all__ = [
    "Action", "Checker", "Finding", "Guard", "GuardOptions", "GuardPlugin", "Mode", "Outcome", "OutputStream", "Policy",
    "TargetRules", "compile_policy", "inspect",
]  # fmt: skip
