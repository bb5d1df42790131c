"""Guard: personal data by pattern and checksum (e-mail, phone, card, IBAN, social security number, IP address)."""

from dataclasses import dataclass

from pydantic import Field, field_validator

from headgate.guard.guard import NOTHING, Action, Finding, GuardOptions, GuardPlugin
from headgate.kernel import nearest
from headgate.measure import PII_TYPES, find_pii, warm


class Options(GuardOptions):
    """Options of the guard `pii`."""

    action: Action = Field(default="mask", description="block the text, mask what was found, or only flag it")
    types: tuple[str, ...] = Field(
        default=PII_TYPES, min_length=1, description="which of EMAIL, PHONE, CARD, IBAN, SSN, IP"
    )
    national: tuple[str, ...] = Field(
        default=(), description="national numbers checked by python-stdnum, as de.idnr or es.nif"
    )

    @field_validator("types")
    @classmethod
    def _known(cls, types: tuple[str, ...]) -> tuple[str, ...]:
        for name in types:
            if name not in PII_TYPES:
                raise ValueError(f"{name!r} is not a kind of personal data that is known: {nearest(name, PII_TYPES)}")
        return types

    @field_validator("national")
    @classmethod
    def _exists(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        from stdnum import get_cc_module

        for name in names:
            country, _, number = name.partition(".")
            if not (country.isalpha() and number.isidentifier() and get_cc_module(country, number)):
                raise ValueError(f"python-stdnum knows no number {name!r}; write country.number, as de.idnr")
        return names


@dataclass(frozen=True, slots=True)
class PersonalData:
    """Finds personal data."""

    types: tuple[str, ...]
    national: tuple[str, ...]

    def check(self, text: str) -> Finding:
        found = find_pii(text, self.types, self.national)
        if not found:
            return NOTHING
        names = ", ".join(sorted({part.type for part in found}))
        return Finding(True, float(len(found)), names, f"found {names}", spans=tuple(found))


def _make(options: Options) -> PersonalData:
    warm(options.types)
    return PersonalData(options.types, options.national)


plugin = GuardPlugin(
    behaviour=1, options=Options, make=_make, unit=64, example={"action": "mask", "types": ["EMAIL", "CARD"]}
)
