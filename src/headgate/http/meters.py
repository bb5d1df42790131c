"""What `/metrics` shows: Prometheus counters and histograms of the gateway. Called by the app and the chat route.

Children are kept by their labels, which are few: apps, environments, statuses. Nothing here holds text of a request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from headgate.kernel import Answer
from headgate.platform import Exporter

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30)


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
    """The meters of one server. `dropped` tells how many traces were dropped since it started; `exporter` hands on."""

    def __init__(self, dropped: Callable[[], int], exporter: Exporter | None = None) -> None:
        self.registry = CollectorRegistry()
        labels = ("app", "environment", "status")
        place = ("app", "environment")
        self._requests = self._counter("headgate_requests", "Answers by how they ended", labels)
        self._tokens = self._counter("headgate_tokens", "Tokens of model calls", (*place, "side"))
        self._cost = self._counter("headgate_cost_usd", "Cost of model calls in USD", place)
        self._troubles = self._counter(
            "headgate_model_troubles", "Model calls that failed or were not made, by why", (*place, "why")
        )
        self._errors = self._counter("headgate_http_errors", "Requests answered with an error", ("route", "status"))
        self._checks = self._counter("headgate_guard_checks", "Checks by guards alone, by how they ended", labels)
        self._embeddings = self._counter("headgate_embeddings", "Requests for vectors, by how they ended", labels)
        self._predictions = self._counter("headgate_predictions", "Rows that models have answered", place)
        self._latency = self._histogram("headgate_request_seconds", "From request to whole answer", place)
        self._first = self._histogram("headgate_first_token_seconds", "From request to the first released text", place)
        self._overhead = self._histogram("headgate_overhead_seconds", "Time that was not spent in providers", place)
        self.in_flight = Gauge("headgate_in_flight", "Requests being answered", registry=self.registry)
        lost = Gauge("headgate_spans_dropped", "Traces that could not be stored", registry=self.registry)
        lost.set_function(dropped)
        if exporter is not None:
            self._told("headgate_export_sent", "Requests handed on to the collector", lambda: exporter.sent)
            self._told("headgate_export_dropped", "Requests that it did not get", lambda: exporter.dropped)
        self._received = self._counter("headgate_spans_received", "Foreign spans by what became of them", ("outcome",))
        self._children = cache(self._make)
        self._predicted = cache(lambda app, environment: self._predictions.labels(app, environment))
        self._error = cache(lambda route, status: self._errors.labels(route, status))

    def answered(self, app: str, environment: str, answer: Answer) -> None:
        """Count one answer."""
        requests, given, got, cost, latency, first, overhead = self._children(app, environment, answer.status)
        requests.inc()
        given.inc(answer.usage.input_tokens)
        got.inc(answer.usage.output_tokens)
        if answer.cost_nano:
            cost.inc(answer.cost_nano / 1e9)
        latency.observe(answer.latency_us / 1e6)
        overhead.observe(answer.overhead_us / 1e6)
        if answer.first_token_us:
            first.observe(answer.first_token_us / 1e6)
        for stage in answer.stages:
            if stage.name == "generate":
                self._asked(app, environment, stage.facts["attempts"])

    def _asked(self, app: str, environment: str, attempts: Iterable[Mapping[str, Any]]) -> None:
        """Count what went wrong with models; `why` is one of our codes, or that a second target was asked."""
        for attempt in attempts:
            if "error" in attempt:
                self._troubles.labels(app, environment, attempt["error"]).inc()
            if attempt.get("hedge") == "lost":
                self._troubles.labels(app, environment, "hedge_lost").inc()

    def scored(self, app: str, environment: str, rows: int, seconds: float) -> None:
        """Count one inference of a model: a request like others, and its rows."""
        requests, *_, latency, _, _ = self._children(app, environment, "answered")
        requests.inc()
        latency.observe(seconds)
        self._predicted(app, environment).inc(rows)

    def checked(self, app: str, environment: str, blocked: bool) -> None:
        """Count one check by guards alone: it is no answer, so it counts among none."""
        self._checks.labels(app, environment, "blocked" if blocked else "passed").inc()

    def embedded(self, app: str, environment: str, answer: Answer) -> None:
        """Count one request for vectors: it is no answer, so it counts among none; its cost and tokens count."""
        self._embeddings.labels(app, environment, answer.status).inc()
        _, given, _, cost, *_ = self._children(app, environment, answer.status)
        given.inc(answer.usage.input_tokens)
        if answer.cost_nano:
            cost.inc(answer.cost_nano / 1e9)

    def failed(self, route: str, status: int) -> None:
        """Count one request that was answered with an error; `route` is one of ours, never a path as sent."""
        self._error(route, str(status)).inc()

    def received(self, stored: int, refused: int) -> None:
        """Count the spans of one export."""
        self._received.labels("stored").inc(stored)
        self._received.labels("refused").inc(refused)

    def watch(self, targets: Callable[[], Iterable[Seen]]) -> None:
        """Show what is known of targets whenever the meters are read."""
        self.registry.register(_Targets(targets))

    def render(self) -> bytes:
        return generate_latest(self.registry)

    def _make(
        self, app: str, environment: str, status: str
    ) -> tuple[Counter, Counter, Counter, Counter, Histogram, Histogram, Histogram]:
        return (
            self._requests.labels(app, environment, status),
            self._tokens.labels(app, environment, "input"),
            self._tokens.labels(app, environment, "output"),
            self._cost.labels(app, environment),
            self._latency.labels(app, environment),
            self._first.labels(app, environment),
            self._overhead.labels(app, environment),
        )

    def _told(self, name: str, text: str, count: Callable[[], int]) -> None:
        Gauge(name, text, registry=self.registry).set_function(count)

    def _counter(self, name: str, text: str, labels: tuple[str, ...]) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, labels: tuple[str, ...]) -> Histogram:
        return Histogram(name, text, labels, registry=self.registry, buckets=_BUCKETS)


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
