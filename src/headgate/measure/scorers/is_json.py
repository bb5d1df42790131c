"""The answer is JSON; with a schema, JSON that fits it."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from headgate.measure.score import Look, Score, ScorerPlugin, Subject, judged


class Options(BaseModel):
    """A JSON Schema, or nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    json_schema: dict[str, Any] | None = Field(default=None, description="the schema (draft 2020-12 unless it says)")

    @field_validator("json_schema")
    @classmethod
    def _valid(cls, schema: dict[str, Any] | None) -> dict[str, Any] | None:
        if schema is not None:
            import jsonschema_rs

            try:
                jsonschema_rs.validator_for(schema)
            except ValueError as problem:
                raise ValueError(f"this is no JSON Schema: {str(problem).splitlines()[0]}") from None
        return schema


def _make(options: Options) -> Look:
    def look(subject: Subject) -> Score:
        try:
            value = json.loads(subject.text)
        except (ValueError, RecursionError) as problem:
            return judged("is-json", False, f"it is not JSON: {problem}"[:200])
        if options.json_schema is None:
            return judged("is-json", True, "")
        import jsonschema_rs

        problems = list(jsonschema_rs.validator_for(options.json_schema).iter_errors(value))
        return judged("is-json", not problems, problems[0].message[:200] if problems else "")

    return Look("is-json", look)


plugin = ScorerPlugin(behaviour=1, options=Options, make=_make, example={"type": "object"}, whole=True)
