"""The meters say what prometheus_client's own would say of the same."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from headgate.http.counts import Count, Labelled, Shown, Times
from headgate.http.meters import Meters
from headgate.kernel import Answer, Stage, Usage

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30)
PLACES = st.sampled_from([("support", "prod"), ("support", "dev"), ('de"sk\n', "prod")])


def lines(text: bytes) -> list[str]:
    """Return what is said, but for the moments at which series began."""
    return [line for line in text.decode().splitlines() if "_created{" not in line]


def shown(counts: Iterable[Labelled[Count]], times: Iterable[Labelled[Times]]) -> bytes:
    registry = CollectorRegistry()
    registry.register(Shown(counts, times))
    return generate_latest(registry)


@given(st.lists(st.tuples(PLACES, st.integers(0, 40_000_000) | st.sampled_from([5_000, 30_000_000]))))
def test_times_and_counts_are_shown_as_prometheus_shows_them(given: list[tuple[tuple[str, str], int]]) -> None:
    registry = CollectorRegistry()
    count = Counter("some_requests", "How many", ("app", "environment"), registry=registry)
    length = Histogram("some_seconds", "How long", ("app", "environment"), registry=registry, buckets=BUCKETS)
    counts = Labelled("some_requests", "How many", ("app", "environment"), Count)
    times = Labelled("some_seconds", "How long", ("app", "environment"), Times)
    for place, micros in given:
        count.labels(*place).inc()
        counts.of(*place).value += 1
        length.labels(*place).observe(micros / 1e6)
        times.of(*place).add(micros)
    ours, theirs = lines(shown([counts], [times])), lines(generate_latest(registry))
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        if one.startswith("some_seconds_sum"):  # theirs adds rounded numbers
            assert one.rpartition(" ")[0] == other.rpartition(" ")[0]
            assert float(one.rpartition(" ")[2]) == pytest.approx(float(other.rpartition(" ")[2]))
        else:
            assert one == other


def test_every_series_says_since_when_it_counts() -> None:
    counts = Labelled("some_requests", "How many", ("app",), Count)
    times = Labelled("some_seconds", "How long", ("app",), Times)
    counts.of("a").since = times.of("a").since = 12.5
    text = shown([counts], [times]).decode()
    assert 'some_requests_created{app="a"} 12.5' in text
    assert 'some_seconds_created{app="a"} 12.5' in text


def test_an_answer_counts_everywhere() -> None:
    meters = Meters(lambda: 7)
    attempts = [{"error": "provider_timeout"}, {"hedge": "lost"}, {"target": "lab/stand-in"}]
    answer = Answer(
        "yes", "answered", "sha256:1", "1" * 32, usage=Usage(10, 3), cost_nano=250_000_000, latency_us=2_000_000,
        first_token_us=5_000, overhead_us=300, stages=(Stage("generate", 0, 1, {"attempts": attempts}),),
    )  # fmt: skip
    meters.in_flight += 1
    meters.answered("support", "prod", answer)
    meters.answered("support", "prod", answer)
    meters.embedded("support", "prod", answer)
    meters.scored("support", "prod", 4, 0.02)
    meters.checked("support", "prod", True)
    meters.failed("/v1/chat/completions", 503)
    meters.received(5, 1)
    found, place = lines(meters.render()), 'app="support",environment="prod"'
    for line in (
        f'headgate_requests_total{{{place},status="answered"}} 3.0',
        f'headgate_tokens_total{{{place},side="input"}} 30.0',
        f'headgate_tokens_total{{{place},side="output"}} 6.0',
        f"headgate_cost_usd_total{{{place}}} 0.75",
        f'headgate_model_troubles_total{{{place},why="provider_timeout"}} 2.0',
        f'headgate_model_troubles_total{{{place},why="hedge_lost"}} 2.0',
        'headgate_http_errors_total{route="/v1/chat/completions",status="503"} 1.0',
        f'headgate_guard_checks_total{{{place},status="blocked"}} 1.0',
        f'headgate_embeddings_total{{{place},status="answered"}} 1.0',
        f"headgate_predictions_total{{{place}}} 4.0",
        f'headgate_request_seconds_bucket{{{place},le="0.025"}} 1.0',
        f'headgate_request_seconds_bucket{{{place},le="1.0"}} 1.0',
        f'headgate_request_seconds_bucket{{{place},le="2.0"}} 3.0',
        f"headgate_request_seconds_sum{{{place}}} 4.02",
        f"headgate_first_token_seconds_count{{{place}}} 2.0",
        f'headgate_overhead_seconds_bucket{{{place},le="0.005"}} 2.0',
        "headgate_in_flight 1.0",
        "headgate_spans_dropped 7.0",
        'headgate_spans_received_total{outcome="stored"} 5.0',
        'headgate_spans_received_total{outcome="refused"} 1.0',
    ):
        assert line in found, line
