"""Field types that scorers' options share: text as people write it, and models with nothing or one bound in them.

Used by the files in `scorers/` only.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from headgate.kernel import Share


def _as_text(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str | int | float) else value


PlainText = Annotated[str, BeforeValidator(_as_text)]
"""Text; a number or a truth value written without quotes is taken as its text."""
Texts = Annotated[tuple[PlainText, ...], BeforeValidator(_as_list), Field(min_length=1)]
"""One text or a list of them."""


class Nothing(BaseModel):
    """No options."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class OneText(BaseModel):
    """One text."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    value: PlainText = Field(description="the text")


class ManyTexts(BaseModel):
    """A list of texts."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    value: Texts = Field(description="one text or a list of texts")


class AtLeast(BaseModel):
    """A measured share, judged when a bound is given."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    at_least: Share | None = Field(default=None, description="the expectation holds from this value on")


class ClassMetric(BaseModel):
    """A metric of one class."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    at_least: Share | None = Field(default=None, description="the expectation holds from this value on")
    of: str | None = Field(
        default=None,
        description="the class; unless given, of two classes the one that sorts last, of more the mean over all",
    )
