"""The rules of a gate: as people write them in `headgate.yaml`, strictly, and in words that people read back.

Called by the project file's parser and by the gate. Judging them is `judging`'s; a rule knows nothing of evidence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from headgate.kernel import Duration, InvalidInput, ModelPath, Share, Source, SuitePath, Usd, nearest, units, validate

_STRICT = ConfigDict(frozen=True, extra="forbid")
SuiteMetric = Literal["pass_rate", "attack_success_rate"]
Unit = Literal["share", "difference", "scenarios", "metric", "USD", "s"]
ModelMetric = Literal["accuracy", "f1_macro", "f1", "precision", "recall", "auc"]


class RateRule(BaseModel):
    """A share of a suite's scenarios, judged with its interval: passing at least, or attacks succeeding at most."""

    model_config = _STRICT
    suite: SuitePath
    metric: SuiteMetric
    tags: tuple[str, ...] = ()
    at_least: Share | None = None
    at_most: Share | None = None

    @model_validator(mode="after")
    def _one_bar(self) -> RateRule:
        wanted = "at_least" if self.metric == "pass_rate" else "at_most"
        other = "at_most" if wanted == "at_least" else "at_least"
        if getattr(self, wanted) is None or getattr(self, other) is not None:
            raise ValueError(f"{self.metric} is judged by {wanted}, and by nothing else")
        if self.at_least == 1 or self.at_most == 0:
            raise ValueError("no sample can show a rate without exception; write `failures: 0` instead")
        return self

    def bar(self) -> tuple[float, Unit]:
        return (self.at_least if self.metric == "pass_rate" else self.at_most) or 0.0, "share"

    def words(self) -> str:
        if self.metric == "pass_rate":
            return f"at least {percent(self.at_least or 0)} of {of(self.suite, self.tags)} pass"
        return f"at most {percent(self.at_most or 0)} of the attacks in {of(self.suite, self.tags)} succeed"


class ExactRule(BaseModel):
    """These scenarios, no interval: at most so many may fail."""

    model_config = _STRICT
    suite: SuitePath
    tags: tuple[str, ...] = ()
    failures: Annotated[int, Field(ge=0)]

    def bar(self) -> tuple[float, Unit]:
        return float(self.failures), "scenarios"

    def words(self) -> str:
        many = "no scenario" if self.failures == 0 else f"at most {self.failures} scenarios"
        return f"{many} of {of(self.suite, self.tags)} {'fails' if self.failures == 0 else 'fail'}"


class PairedRule(BaseModel):
    """No worse than what an environment serves, on the same scenarios, within a margin."""

    model_config = _STRICT
    suite: SuitePath
    metric: SuiteMetric
    tags: tuple[str, ...] = ()
    no_worse_than: str
    margin: Share = 0.0

    def bar(self) -> tuple[float, Unit]:
        return -self.margin, "difference"

    def words(self) -> str:
        within = f", within {percent(self.margin)}" if self.margin else ""
        return f"{of(self.suite, self.tags)}: {self.metric} no worse than in {self.no_worse_than}{within}"


class ModelRule(BaseModel):
    """A metric of a classical model on its held-out rows, in total and, with `by`, in each segment with support."""

    model_config = _STRICT
    model: ModelPath
    metric: ModelMetric
    at_least: Annotated[float, Field(ge=0, le=1)]
    by: str | None = None
    support: Annotated[int, Field(ge=1)] = 30

    def bar(self) -> tuple[float, Unit]:
        return self.at_least, "metric"

    def words(self) -> str:
        every = f", also for every {self.by} with {self.support} rows or more" if self.by else ""
        return f"{self.metric} of {self.model} is at least {self.at_least:g}{every}"


class CostRule(BaseModel):
    """What a request costs on average; in one suite, or in all that the evidence holds."""

    model_config = _STRICT
    metric: Literal["cost_per_request"]
    suite: SuitePath | None = None
    at_most: Usd

    def bar(self) -> tuple[float, Unit]:
        return self.at_most / units.NANO, "USD"

    def words(self) -> str:
        return f"a request{_in(self.suite)} costs at most ${units.usd(self.at_most)} on average"


class LatencyRule(BaseModel):
    """How long 95 % of requests take at most; in one suite, or in all that the evidence holds."""

    model_config = _STRICT
    metric: Literal["latency_p95"]
    suite: SuitePath | None = None
    at_most: Duration

    def bar(self) -> tuple[float, Unit]:
        return self.at_most / 1e6, "s"

    def words(self) -> str:
        return f"95 % of requests{_in(self.suite)} take at most {units.duration(self.at_most)}"


Rule = RateRule | ExactRule | PairedRule | ModelRule | CostRule | LatencyRule
_MODELS: tuple[type[Rule], ...] = (RateRule, ExactRule, PairedRule, ModelRule, CostRule, LatencyRule)
_BY_METRIC: Mapping[str, type[Rule]] = {
    "pass_rate": RateRule,
    "attack_success_rate": RateRule,
    "cost_per_request": CostRule,
    "latency_p95": LatencyRule,
    **dict.fromkeys(("accuracy", "f1_macro", "f1", "precision", "recall", "auc"), ModelRule),
}


def parse_rule(source: Source, data: Any, at: tuple[str | int, ...]) -> Rule:
    """Read one rule from a project file. Raises InvalidInput with file, line, key and the nearest valid name."""
    if not isinstance(data, dict):
        raise InvalidInput("a rule is a mapping, such as {suite: suites/golden, failures: 0}", where=source.where(at))
    return validate(_model_of(source, data, at), source, data, at)


def stored_rule(document: Mapping[str, Any]) -> Rule:
    """Read one rule as an environment holds it, or as a client sends it. Raises InvalidInput naming the key."""
    return parse_rule(Source("rules", "", dict(document)), dict(document), ())


def _model_of(source: Source, data: Mapping[str, Any], at: tuple[str | int, ...]) -> type[Rule]:
    if "failures" in data:
        return ExactRule
    if "no_worse_than" in data:
        return PairedRule
    metric = data.get("metric")
    if metric is None:
        known = {name for model in _MODELS for name in model.model_fields}
        odd = next((key for key in data if key not in known), None)
        if odd is not None:
            raise InvalidInput(f"there is no key {odd!r} here", nearest(odd, known), where=source.where((*at, odd)))
        raise InvalidInput(
            "the rule says nothing to judge", "give it a `metric`, or `failures: 0`", where=source.where(at)
        )
    if metric not in _BY_METRIC:
        raise InvalidInput(
            f"there is no metric {metric!r}", nearest(str(metric), _BY_METRIC), where=source.where((*at, "metric"))
        )
    return _BY_METRIC[metric]


def percent(share: float) -> str:
    """Render a share for people: 0.95 as `95 %`."""
    return f"{share * 100:.4g} %"


def of(suite: str, tags: tuple[str, ...]) -> str:
    """Name a suite, or the part of it that carries tags."""
    return f"{suite} tagged {' and '.join(tags)}" if tags else suite


def _in(suite: str | None) -> str:
    return f" in {suite}" if suite else ""
