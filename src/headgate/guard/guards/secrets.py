"""Guard: keys, tokens and passwords by their named formats, disguised and encoded ones too. A promise, not a guess."""

from dataclasses import dataclass

from pydantic import Field

from headgate.guard.guard import NOTHING, Action, Finding, GuardOptions, GuardPlugin
from headgate.measure import find_secrets


class Options(GuardOptions):
    """Options of the guard `secrets`."""

    action: Action = Field(default="mask", description="block the text, mask what was found, or only flag it")
    detect_secrets: bool = Field(default=False, description="also ask the library detect-secrets (extra `secrets`)")


@dataclass(frozen=True, slots=True)
class Secrets:
    """Finds secrets."""

    library: bool

    def check(self, text: str) -> Finding:
        found = find_secrets(text, self.library)
        if not found:
            return NOTHING
        names = ", ".join(sorted({part.type for part in found}))
        return Finding(True, float(len(found)), names, f"found {names}", spans=tuple(found))


def _make(options: Options) -> Secrets:
    checker = Secrets(options.detect_secrets)
    checker.check("warm")
    return checker


plugin = GuardPlugin(behaviour=1, options=Options, make=_make, unit=128, example={"action": "mask"})
