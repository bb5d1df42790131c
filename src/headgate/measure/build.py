"""The one way to make a scorer from what people write: `name`, `name: value`, `name: {key: value}`, `not-name`.

Called by suites, gates, monitors and the request path. It looks at nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from headgate.kernel import InvalidInput, nearest, plugins

from .score import Score, Scorer, ScorerPlugin, Subject

_ASKS_A_MODEL = "it asks a model to judge, which this version does not do", "nearest: grounded, cites, contains"
_RUNS_CODE = "it would run code from the suite, and suites are data", "nearest: regex, is-json, contains"
_COMPARES = "it needs an embedding or a reference metric", "nearest: contains, grounded, equals"
_TOOLS = "apps have no tools yet", "nearest: is-json with a schema"
_REFUSED: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys(("javascript", "python", "ruby", "webhook"), _RUNS_CODE),
    **dict.fromkeys(
        (
            "llm-rubric", "model-graded-closedqa", "model-graded-factuality", "factuality", "g-eval", "select-best",
            "max-score", "answer-relevance", "context-relevance", "context-recall", "pi", "search-rubric",
            "conversation-relevance", "trajectory:goal-success",
        ),
        _ASKS_A_MODEL,
    ),
    **dict.fromkeys(("similar", "rouge-n", "bleu", "gleu", "meteor", "levenshtein", "perplexity"), _COMPARES),
    **dict.fromkeys(("is-valid-openai-tools-call", "is-valid-function-call", "tool-call-f1", "calls-tool"), _TOOLS),
    "is-refusal": ("here it is called refuses", "write refuses"),
    "context-faithfulness": ("here it is called grounded", "write grounded: 0.7"),
    "contains-json": ("an answer is JSON or it is not", "write is-json"),
    "moderation": ("it asks an outside service", "nearest: blocked-by, pii, secrets"),
    "classifier": ("it asks an outside model", "nearest: routes-to"),
    "guardrails": ("here it is called blocked-by", "write blocked-by: injection"),
}  # fmt: skip
"""promptfoo's names that are not ours: why, and what to write instead."""


@dataclass(frozen=True, slots=True)
class _Inverted:
    name: str
    inner: Scorer

    def look(self, subject: Subject) -> Score:
        score = self.inner.look(subject)
        passed = None if score.passed is None else not score.passed
        return Score(self.name, score.value, score.label, score.explanation, score.cost_nano, passed)


def build(name: str, value: Any = None) -> Scorer:
    """Make a scorer. Raises InvalidInput for an unknown name (with the nearest) or a value that does not fit."""
    plain = name.removeprefix("not-")
    known = plugins.names("scorers")
    if plain in _REFUSED and plain not in known:
        why, instead = _REFUSED[plain]
        raise InvalidInput(f"the assertion {plain!r} is not available: {why}", instead)
    if plain not in known:
        raise InvalidInput(f"there is no assertion called {plain!r}", nearest(plain, known))
    plugin: ScorerPlugin = plugins.load("scorers", plain)
    scorer = plugin.make(_options(plain, plugin, value))
    return _Inverted(name, scorer) if name != plain else scorer


def _options(name: str, plugin: ScorerPlugin, value: Any) -> BaseModel:
    fields = plugin.options.model_fields
    if not fields:
        if value not in (None, True):
            raise InvalidInput(f"{name} takes no value, found {value!r}", f"write `- {name}` or `- not-{name}`")
        return plugin.options()
    first = next(iter(fields))
    try:
        if value is None:
            return plugin.options()
        if isinstance(value, Mapping) and not plugin.whole:
            return plugin.options.model_validate(dict(value))
        return plugin.options.model_validate({first: value})
    except ValidationError as problems:
        raise _explain(name, plugin, value, problems) from None


def _explain(name: str, plugin: ScorerPlugin, value: Any, problems: ValidationError) -> InvalidInput:
    found_wrong = problems.errors(include_url=False)
    problem = next((one for one in found_wrong if one["type"] == "extra_forbidden"), found_wrong[0])
    key = ".".join(str(part) for part in problem["loc"] if not str(part).startswith("function-"))
    example = f"write `{name}: {plugin.example!r}`" if plugin.example is not None else f"write `{name}`"
    if problem["type"] == "extra_forbidden":
        return InvalidInput(f"{name} has no option {key!r}", nearest(key, plugin.options.model_fields))
    if problem["type"] == "missing":
        return InvalidInput(f"{name} needs a value", example)
    message = str(problem["msg"]).removeprefix("Value error, ")
    message = f"{message[:1].lower()}{message[1:]}"
    found = "" if repr(value) in message else f", found {value!r}"[:120]
    return InvalidInput(f"{name}: {message}{found}", example)
