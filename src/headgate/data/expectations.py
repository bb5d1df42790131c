"""What a good batch looks like: the file `data/<name>.yaml` beside the data, as people write it.

Called by everything that checks or ingests data. It holds rules and applies none.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from headgate.kernel import InvalidInput, Share, Source, Where, canonical, digest, document_of, read_yaml, validate

from .values import read_value

Type = Literal["string", "integer", "number", "boolean", "date"]
_STRICT = ConfigDict(frozen=True, extra="forbid")


class Range(BaseModel):
    """The least and the greatest value allowed, both included: numbers, or dates as text."""

    model_config = _STRICT
    min: int | float | str | None = None
    max: int | float | str | None = None


class Bounds(BaseModel):
    """The least and the greatest count allowed: characters of a text, rows of a file."""

    model_config = _STRICT
    min: int = Field(0, ge=0)
    max: int | None = Field(None, ge=0)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.max is not None and self.max < self.min:
            raise ValueError(f"max ({self.max}) is less than min ({self.min})")
        return self


class Column(BaseModel):
    """What values of one column may be. `missing` is the largest share of empty values; `pattern` fits a whole text."""

    model_config = _STRICT
    type: Type = "string"
    required: bool = False
    unique: bool = False
    in_: tuple[Any, ...] | None = Field(None, alias="in", min_length=1)
    range: Range | None = None
    length: Bounds | None = None
    pattern: str | None = None
    missing: Share | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.range and self.type not in ("integer", "number", "date"):
            raise ValueError(f"range is for numbers and dates, this column is of type {self.type}")
        if self.type != "string" and (self.length or self.pattern is not None):
            raise ValueError(f"length and pattern are for texts, this column is of type {self.type}")
        if self.required and self.missing:
            raise ValueError("a required column has no missing values: keep either required or missing")
        for name, values in (("in", self.in_ or ()), ("range", _ends(self.range))):
            for value in values:
                _check_value(name, self.type, value)
        low, high = (self.range.min, self.range.max) if self.range else (None, None)
        if low is not None and high is not None and low > high:  # type: ignore[operator]  # checked to be of one type
            raise ValueError(f"the range's min ({low}) is greater than its max ({high})")
        self._check_pattern()
        return self

    def _check_pattern(self) -> None:
        try:
            re.compile(self.pattern or "")
        except re.error as problem:
            raise ValueError(f"the pattern is no regular expression: {problem}") from None


class Expectations(BaseModel):
    """The whole file. `source` is the data file, from the project's root."""

    model_config = _STRICT
    source: str
    columns: dict[str, Column] = Field(min_length=1)
    rows: Bounds = Bounds()

    @property
    def digest(self) -> str:
        return digest("expectations", 1, canonical(document_of(self)))

    @property
    def key(self) -> str | None:
        """The column that tells rows apart: the first unique one."""
        return next((name for name, column in self.columns.items() if column.unique), None)


def read_expectations(root: Path, path: str) -> Expectations:
    """Read `<path>.yaml`. Raises NotFound, or InvalidInput with file, line and key."""
    source: Source = read_yaml(root, f"{path}.yaml")
    found = validate(Expectations, source)
    parts = found.source.split("/")
    if found.source.startswith("/") or "\\" in found.source or any(part in ("", ".", "..") for part in parts):
        hint = "write it from the project's root, as in data/utterances.csv"
        raise InvalidInput(f"{found.source!r} is not a path inside the project", hint, where=source.where(("source",)))
    if not (root / found.source).resolve().is_relative_to(root.resolve()):
        where: Where = source.where(("source",))
        raise InvalidInput(f"{found.source!r} leads out of the project", "copy the file into data/", where=where)
    return found


def _ends(found: Range | None) -> tuple[Any, ...]:
    return tuple(end for end in (found.min, found.max) if end is not None) if found else ()


def _check_value(name: str, kind: Type, value: Any) -> None:
    try:
        read = read_value(kind, value)
    except ValueError as problem:
        raise ValueError(f"{name} holds {value!r}: {problem}; the column is of type {kind}") from None
    if read != value or (isinstance(value, float) and not math.isfinite(value)):
        raise ValueError(f"{name} holds {value!r}, written {read!r} in a column of type {kind}")
