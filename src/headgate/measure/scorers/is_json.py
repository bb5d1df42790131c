"""Assertion: the whole answer is JSON, and fits a JSON Schema when one is given."""

import json
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from headgate.kernel import InvalidInput
from headgate.measure.score import Look, Score, Scorer, ScorerPlugin, Subject, judged


class Options(BaseModel):
    """A JSON Schema, or nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    json_schema: dict[str, Any] | None = Field(default=None, description="the JSON Schema that the answer must fit")


def _validator(schema: dict[str, Any] | None) -> Any:
    if schema is None:
        return None
    import jsonschema_rs

    try:
        return jsonschema_rs.validator_for(schema, pattern_options=jsonschema_rs.RegexOptions())
    except (ValueError, jsonschema_rs.ValidationError) as problem:
        raise InvalidInput(f"is-json: this is not a JSON Schema: {str(problem).splitlines()[0]}") from None


def _make(options: Options) -> Scorer:
    validator = _validator(options.json_schema)

    def look(subject: Subject) -> Score:
        try:
            document = json.loads(subject.text, parse_constant=_no_constant)
        except (ValueError, RecursionError) as problem:
            return judged("is-json", False, f"the answer is not JSON: {problem}"[:200])
        try:
            wrong = None if validator is None else next(iter(validator.iter_errors(document)), None)
        except (ValueError, RecursionError) as problem:
            return judged("is-json", False, f"the answer is JSON that no schema can judge: {problem}"[:200])
        told = "the answer is JSON" if wrong is None else f"the answer does not fit the schema: {wrong.message}"[:200]
        return judged("is-json", wrong is None, told)

    return Look("is-json", look)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


plugin = ScorerPlugin(behaviour=1, options=Options, make=_make, example={"type": "object"}, whole=True)
