"""What a policy demands of the targets that an app may call, and whom it excepts. Called by the policy kind and, when a
release is built or registered, by `release`. Nothing here runs while a request is answered.

targets:
  region: [eu]
  retention: none
  except:
    lab/llama: {region: "runs in our own cellar, agreed by the data protection officer"}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from headgate.models import STRICT, FactName, Strictness, TargetName, told


def _reason(value: str) -> str:
    if not value.strip():
        raise ValueError("expected the reason, in words that a reviewer can judge")
    return value


Reason = Annotated[str, Field(max_length=500), AfterValidator(_reason)]


class TargetRules(Strictness):
    """What every target must be, fact by fact; where it says nothing, the app's first target sets the standard."""

    excepted: dict[TargetName, dict[FactName, Reason]] = Field(
        default={}, alias="except", description="by target and fact, why it may be less strict"
    )

    def excepts(self, target: str, name: FactName) -> bool:
        return name in self.excepted.get(target, {})


def explain_targets(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Tell how two policies differ in what they demand of targets."""
    before, after = (TargetRules.model_validate(document.get("targets", {})) for document in (old, new))
    said = []
    for name in STRICT:
        if getattr(before, name) != getattr(after, name):
            said.append(f"targets: {name} {_shown(before, name)} → {_shown(after, name)}")
    for target in sorted(before.excepted.keys() | after.excepted.keys()):
        was, now = before.excepted.get(target, {}), after.excepted.get(target, {})
        for name in STRICT:
            if name in now and now[name] != was.get(name):
                said.append(f"targets: {target} may be less strict in {name}: {now[name]}")
            elif name in was and name not in now:
                said.append(f"targets: {target} may no longer be less strict in {name}")
    return said


def _shown(rules: TargetRules, name: FactName) -> str:
    return f"every target {told(name, rules)}" if rules.says(name) else "as the first target"
