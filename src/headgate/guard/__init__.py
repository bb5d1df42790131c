"""Floor 4: guards: scorers with an action, compiled from a policy, over whole texts and over streams."""

from .guard import Action, Checker, Finding, Guard, GuardOptions, GuardPlugin, Mode
from .inspect import Outcome, inspect
from .nested import Nested, gravest
from .policy import Policy, compile_policy
from .stream import OutputStream
from .targets import TargetRules

__all__ = [
    "Action", "Checker", "Finding", "Guard", "GuardOptions", "GuardPlugin", "Mode", "Nested", "Outcome", "OutputStream",
    "Policy", "TargetRules", "compile_policy", "gravest", "inspect",
]  # fmt: skip
