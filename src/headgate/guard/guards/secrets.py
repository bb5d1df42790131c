"""Secrets: keys, tokens and passwords in the formats that their makers publish."""

from __future__ import annotations

from headgate.guard.guard import Action, Check, Finding, GuardOptions, GuardPlugin
from headgate.measure import find_secrets, mask


class Options(GuardOptions):
    """Nothing of its own."""

    action: Action = "block"


def look(text: str) -> Finding:
    """Find secrets in a text and mask them as `<AWS_KEY>`."""
    found = find_secrets(text)
    if not found:
        return Finding(False)
    kinds = sorted({part.type for part in found})
    return Finding(
        True, float(len(found)), ", ".join(kinds), f"{len(found)} found: {', '.join(kinds)}", mask(text, found)
    )


plugin = GuardPlugin(behaviour=1, options=Options, make=lambda _: Check(look), masks=True, example={"action": "block"})
