"""Assertion: a regular expression matches somewhere in the answer, in time linear in its length.

The expression is run by the Rust engine that validates JSON Schemas, which has no backtracking; look-around and
back-references, which need it, are refused when the suite is read.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from headgate.kernel import InvalidInput
from headgate.measure.options import PlainText
from headgate.measure.score import Look, Score, Scorer, ScorerPlugin, Subject, judged


class Options(BaseModel):
    """A pattern."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    value: PlainText = Field(max_length=1000, description="the pattern, without look-around and back-references")


def _compiled(pattern: str) -> Any:
    import jsonschema_rs

    try:
        return jsonschema_rs.validator_for(
            {"type": "string", "pattern": pattern},
            pattern_options=jsonschema_rs.RegexOptions(size_limit=4_000_000),
        )
    except (ValueError, jsonschema_rs.ValidationError):
        hint = "a bracket is open, or it uses look-around or back-references, which are not available"
        raise InvalidInput(f"the pattern {pattern!r} cannot be used", hint) from None


def _make(options: Options) -> Scorer:
    validator = _compiled(options.value)

    def look(subject: Subject) -> Score:
        passed = bool(validator.is_valid(subject.text.encode("utf-8", "replace").decode()))
        return judged("regex", passed, f"the answer {'matches' if passed else 'does not match'} {options.value!r}")

    return Look("regex", look)


plugin = ScorerPlugin(behaviour=1, options=Options, make=_make, example="\\d+ days")
