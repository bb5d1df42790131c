"""Personal data: e-mail addresses, phone numbers, payment cards, IBANs and more, by pattern and checksum."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from headgate.guard.guard import Action, Check, Finding, GuardOptions, GuardPlugin
from headgate.measure import PII_TYPES, find_pii, mask


class Options(GuardOptions):
    """Which types to look for; all unless told otherwise."""

    action: Action = "mask"
    types: tuple[str, ...] = Field(tuple(PII_TYPES), description="EMAIL, PHONE, CARD, IBAN …")


def look(text: str, types: Sequence[str] = PII_TYPES) -> Finding:
    """Find personal data in a text and mask it as `<EMAIL>`."""
    found = find_pii(text, types)
    if not found:
        return Finding(False)
    kinds = sorted({part.type for part in found})
    return Finding(
        True, float(len(found)), ", ".join(kinds), f"{len(found)} found: {', '.join(kinds)}", mask(text, found)
    )


plugin = GuardPlugin(
    behaviour=1,
    options=Options,
    make=lambda options: Check(lambda text: look(text, options.types)),
    masks=True,
    example={"action": "mask"},
)
