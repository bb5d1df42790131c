"""Floor 4: guards: scorers with an action, compiled from a policy, over whole texts and over streams."""

from .checking import between_parts
from .guard import Action, Checker, Finding, Guard, GuardOptions, GuardPlugin, Mode
from .inspect import Outcome, inspect
from .memory import Memory, digest
from .nested import Nested, gravest
from .policy import Policy, compile_policy
from .stream import OutputStream
from .targets import TargetRules

__all__ = [
    "Action", "Checker", "Finding", "Guard", "GuardOptions", "GuardPlugin", "Memory", "Mode", "Nested", "Outcome",
    "OutputStream", "Policy", "TargetRules", "between_parts", "compile_policy", "digest", "gravest", "inspect",
]  # fmt: skip
