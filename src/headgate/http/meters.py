"""What `/metrics` shows: Prometheus counters and histograms of the gateway. Called by the app and the chat route.

Labels are few: apps, environments, statuses. Nothing here holds text of a request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from headgate.kernel import Answer, units
from headgate.platform import Exporter

from .counts import Count, Labelled, Shown, Times

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"


class Seen(Protocol):
    """One target as the process sees it now: its breaker's state, calls that run, requests that wait for a place."""

    @property
    def target(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def in_flight(self) -> int: ...
    @property
    def waiting(self) -> int: ...


class Meters:
    """The meters of one server; count on its loop. `dropped` tells how many traces were dropped; `exporter` hands on.

    in_flight: requests being answered.
    """

    def __init__(self, dropped: Callable[[], int], exporter: Exporter | None = None) -> None:
        self.registry, self.in_flight = CollectorRegistry(), 0
        place = ("app", "environment")
        labels = (*place, "status")
        self._requests = _count("headgate_requests", "Answers by how they ended", labels)
        self._tokens = _count("headgate_tokens", "Tokens of model calls", (*place, "side"))
        self._cost = _count("headgate_cost_usd", "Cost of model calls in USD", place, units.NANO)
        self._troubles = _count(
            "headgate_model_troubles", "Model calls that failed or were not made, by why", (*place, "why")
        )
        self._errors = _count("headgate_http_errors", "Requests answered with an error", ("route", "status"))
        self._checks = _count("headgate_guard_checks", "Checks by guards alone, by how they ended", labels)
        self._embeddings = _count("headgate_embeddings", "Requests for vectors, by how they ended", labels)
        self._predictions = _count("headgate_predictions", "Rows that models have answered", place)
        self._received = _count("headgate_spans_received", "Foreign spans by what became of them", ("outcome",))
        self._latency = _times("headgate_request_seconds", "From request to whole answer", place)
        self._first = _times("headgate_first_token_seconds", "From request to the first released text", place)
        self._overhead = _times("headgate_overhead_seconds", "Time that was not spent in providers", place)
        models = (self._requests, self._tokens, self._cost, self._troubles)
        others = (self._errors, self._checks, self._embeddings, self._predictions, self._received)
        self.registry.register(Shown((*models, *others), (self._latency, self._first, self._overhead)))
        self._told("headgate_in_flight", "Requests being answered", lambda: self.in_flight)
        self._told("headgate_spans_dropped", "Traces that could not be stored", dropped)
        if exporter is not None:
            self._told("headgate_export_sent", "Requests handed on to the collector", lambda: exporter.sent)
            self._told("headgate_export_dropped", "Requests that it did not get", lambda: exporter.dropped)
        self._rows: dict[tuple[str, str, str], _Row] = {}

    def answered(self, app: str, environment: str, answer: Answer) -> None:
        """Count one answer."""
        row = self._row(app, environment, answer.status)
        row.requests.value += 1
        self._spent(row, answer)
        row.got.value += answer.usage.output_tokens
        row.latency.add(answer.latency_us)
        row.overhead.add(answer.overhead_us)
        if answer.first_token_us:
            row.first.add(answer.first_token_us)
        for stage in answer.stages:
            if stage.name == "generate":
                self._asked(app, environment, stage.facts["attempts"])

    def _asked(self, app: str, environment: str, attempts: Iterable[Mapping[str, Any]]) -> None:
        """Count what went wrong with models; `why` is one of our codes, or that a second target was asked."""
        for attempt in attempts:
            if "error" in attempt:
                self._troubles.of(app, environment, attempt["error"]).value += 1
            if attempt.get("hedge") == "lost":
                self._troubles.of(app, environment, "hedge_lost").value += 1

    def scored(self, app: str, environment: str, rows: int, seconds: float) -> None:
        """Count one inference of a model: a request like others, and its rows."""
        row = self._row(app, environment, "answered")
        row.requests.value += 1
        row.latency.add(int(seconds * 1e6))
        self._predictions.of(app, environment).value += rows

    def checked(self, app: str, environment: str, blocked: bool) -> None:
        """Count one check by guards alone: it is no answer, so it counts among none."""
        self._checks.of(app, environment, "blocked" if blocked else "passed").value += 1

    def embedded(self, app: str, environment: str, answer: Answer) -> None:
        """Count one request for vectors: it is no answer, so it counts among none; its cost and tokens count."""
        self._embeddings.of(app, environment, answer.status).value += 1
        self._spent(self._row(app, environment, answer.status), answer)

    def failed(self, route: str, status: int) -> None:
        """Count one request that was answered with an error; `route` is one of ours, never a path as sent."""
        self._errors.of(route, str(status)).value += 1

    def received(self, stored: int, refused: int) -> None:
        """Count the spans of one export."""
        self._received.of("stored").value += stored
        self._received.of("refused").value += refused

    def watch(self, targets: Callable[[], Iterable[Seen]]) -> None:
        """Show what is known of targets whenever the meters are read."""
        self.registry.register(_Targets(targets))

    def render(self) -> bytes:
        return generate_latest(self.registry)

    def _row(self, app: str, environment: str, status: str) -> _Row:
        found = self._rows.get((app, environment, status))
        if found is None:
            found = self._rows[app, environment, status] = _Row(
                self._requests.of(app, environment, status),
                self._tokens.of(app, environment, "input"),
                self._tokens.of(app, environment, "output"),
                self._cost.of(app, environment),
                self._latency.of(app, environment),
                self._first.of(app, environment),
                self._overhead.of(app, environment),
            )
        return found

    @staticmethod
    def _spent(row: _Row, answer: Answer) -> None:
        row.given.value += answer.usage.input_tokens
        row.cost_nano.value += answer.cost_nano

    def _told(self, name: str, text: str, count: Callable[[], int]) -> None:
        Gauge(name, text, registry=self.registry).set_function(count)


@dataclass(frozen=True, slots=True)
class _Row:
    """Where answers of one app, environment and status count."""

    requests: Count
    given: Count
    got: Count
    cost_nano: Count
    latency: Times
    first: Times
    overhead: Times


def _count(name: str, text: str, labels: tuple[str, ...], unit: int = 1) -> Labelled[Count]:
    return Labelled(name, text, labels, Count, unit)


def _times(name: str, text: str, labels: tuple[str, ...]) -> Labelled[Times]:
    return Labelled(name, text, labels, Times)


class _Targets(Collector):
    """Gauges that are made when they are read; a target appears with its first call."""

    def __init__(self, targets: Callable[[], Iterable[Seen]]) -> None:
        self._targets = targets

    def collect(self) -> Iterable[Metric]:
        opened = GaugeMetricFamily("headgate_breaker_open", "1 for a target that is passed over", labels=["target"])
        running = GaugeMetricFamily("headgate_calls_in_flight", "Model calls that run", labels=["target"])
        waiting = GaugeMetricFamily("headgate_calls_waiting", "Requests that wait for a place", labels=["target"])
        for seen in self._targets():
            opened.add_metric([seen.target], seen.state != "closed")
            running.add_metric([seen.target], seen.in_flight)
            waiting.add_metric([seen.target], seen.waiting)
        return opened, running, waiting
