"""What a column's values are like: how many are missing, which there are, how they spread. Called by show and diff."""

from __future__ import annotations

from collections import Counter
from typing import Any

from pydantic import BaseModel, ConfigDict

_FEW = 50


class ColumnProfile(BaseModel):
    """One column in figures. `values` counts each value when there are few; the others describe numbers and dates."""

    model_config = ConfigDict(frozen=True)
    name: str
    type: str
    missing: int
    distinct: int
    values: dict[str, int] = {}
    least: int | float | str | None = None
    greatest: int | float | str | None = None
    mean: float | None = None


def profile(name: str, kind: str, values: list[Any]) -> ColumnProfile:
    """Describe a column. Few values means: at most 50, and each there twice on average."""
    present = [value for value in values if value is not None]
    counts = Counter(_shown(value) for value in present)
    numbers = [value for value in present if isinstance(value, int | float) and not isinstance(value, bool)]
    ordered = present if kind == "date" and present and not numbers else numbers
    few = len(counts) <= _FEW and len(counts) * 2 <= max(len(present), 2) and kind in ("string", "boolean")
    return ColumnProfile(
        name=name,
        type=kind,
        missing=len(values) - len(present),
        distinct=len(counts),
        values=dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))) if few else {},
        least=min(ordered, default=None),
        greatest=max(ordered, default=None),
        mean=sum(numbers) / len(numbers) if numbers else None,
    )


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
