"""Drift over what was recorded: found with its features, words and examples; an alert and an incident like others."""

from __future__ import annotations

import random
from typing import Any

import pytest
from sqlalchemy import insert, select

from headgate import artifacts
from headgate.kernel import Draft, InvalidInput
from headgate.observe import (
    AlertQuery,
    DriftQuery,
    DriftShown,
    MonitorQuery,
    MonitorRun,
    catch_up,
    compile_watch,
    get_incident,
    list_alerts,
    run_monitors,
    show_drift,
)
from headgate.store import Store, tables
from headgate.testing import FakeClock

from .drifting import PROJECT, RELEASE, WATCHES, Traffic, context, questions, register

CHAT = {"text": "text"}
TABLE = {"temp": "number", "wind": "number", "season": "category"}


@pytest.fixture
def traffic(store: Store, clock: FakeClock) -> Traffic:
    """Traffic to a router trained on 800 questions, 200 of them held out."""
    return Traffic(store, clock, register(store, questions(800, 2), CHAT, "models/router", held=200))


def usual(count: int, seed: int = 3) -> list[str]:
    return [row["text"] for row in questions(count, seed)]


def weather(count: int, seed: int, warmer: float = 0.0) -> list[dict[str, Any]]:
    draw = random.Random(seed)
    return [
        {"temp": draw.gauss(15 + warmer, 5), "wind": draw.expovariate(0.2), "season": draw.choice(["dry", "wet"])}
        for _ in range(count)
    ]


def show(traffic: Traffic, **query: Any) -> DriftShown:
    traffic.store.spans.flush()
    with traffic.store.records.read() as tx:
        return show_drift(context(traffic.store, tx, traffic.clock), DriftQuery(**query))


def states(shown: DriftShown) -> dict[tuple[str, str], str]:
    return {(item.feature, item.method): item.state for item in shown.signals}


def moved(shown: DriftShown) -> set[str]:
    return {item.feature for item in shown.signals if item.state == "breach"}


def serve(traffic: Traffic, watch: list[Any], name: str = "prod", release: str = RELEASE) -> None:
    row = {
        "project_id": PROJECT, "app": "support", "name": name, "generation": 2, "stable": release, "previous": None,
        "started_at": 1.0, "rules": {"watch": watch}, "rules_digest": "d", "rules_by": "person_a",
    }  # fmt: skip
    with traffic.store.records.begin() as tx:
        tx.execute(insert(tables.environment).values(**row))


def run(traffic: Traffic) -> MonitorRun:
    traffic.store.spans.flush()
    with traffic.store.records.begin() as tx:
        return run_monitors(context(traffic.store, tx, traffic.clock), MonitorQuery())


def test_questions_like_those_trained_for_are_quiet(traffic: Traffic) -> None:
    traffic.ask(usual(300))
    shown = show(traffic)
    assert moved(shown) == set()
    assert {item.kind for item in shown.signals} == {"input", "prediction", "confidence", "topic"}
    assert {(item.app, item.environment, item.model, item.digest) for item in shown.signals} == {
        ("support", "prod", "models/router", traffic.model)
    }
    assert shown.notes == []


def test_a_product_nobody_trained_for_is_found_with_its_words_and_requests(traffic: Traffic) -> None:
    traffic.ask(usual(100))
    asked = traffic.ask(WATCHES * 15)
    shown = show(traffic)
    said = next(item for item in shown.signals if item.feature == "text.said")
    assert (said.state, said.kind) == ("breach", "topic")
    assert {"smartwatch", "pair"} <= {item.name for item in said.moved}
    assert set(said.examples) & set(asked)
    assert len(said.examples) <= 5
    unknown = next(item for item in shown.signals if item.feature == "text.unknown")
    assert unknown.state == "breach"
    assert "smartwatch" in unknown.words
    assert set(unknown.examples) <= set(asked)
    assert shown.signals[0].value / shown.signals[0].threshold == max(
        item.value / item.threshold for item in shown.signals
    )


def test_a_shift_of_intents_is_found_in_the_predictions(traffic: Traffic) -> None:
    traffic.ask([row["text"] for row in questions(600, 5) if row["intent"] == "outage"])
    shown = show(traffic)
    prediction = next(item for item in shown.signals if (item.feature, item.method) == ("prediction", "psi"))
    assert (prediction.state, prediction.kind) == ("breach", "prediction")
    outage = next(item for item in prediction.moved if item.name == "outage")
    assert outage.before == pytest.approx(1 / 3, abs=0.1)
    assert outage.now > 0.95
    assert prediction.examples


def test_a_router_that_is_no_longer_sure_is_found(traffic: Traffic) -> None:
    sure = traffic.ask(usual(100))
    assert sure
    for number in range(200):
        about = {"model_path": "models/router", "model_digest": traffic.model, "confidence": 0.34 + number / 1e4}
        traffic.ask(usual(1, number), attributes=about)
    assert "confidence" in moved(show(traffic))


def test_rows_of_inferences_are_watched_column_by_column(store: Store, clock: FakeClock) -> None:
    traffic = Traffic(store, clock, register(store, weather(1000, 1), TABLE, "models/bikes"))
    for number in range(4):
        traffic.infer(weather(100, 10 + number))
    calm = show(traffic)
    assert moved(calm) == set()
    assert {"temp", "wind", "season"} == {item.feature for item in calm.signals}
    clock.advance(7200)
    traces = [traffic.infer(weather(100, 20 + number, warmer=6)) for number in range(4)]
    warm = show(traffic)
    assert moved(warm) == {"temp"}
    temp = next(item for item in warm.signals if (item.feature, item.method) == ("temp", "ks"))
    assert temp.count == 400
    median = next(item for item in temp.moved if item.name == "median")
    assert (median.before, median.now) == pytest.approx((15, 21), abs=1)
    assert set(temp.examples) <= set(traces)


def test_missing_values_and_new_categories_of_rows_are_found(store: Store, clock: FakeClock) -> None:
    traffic = Traffic(store, clock, register(store, weather(1000, 1), TABLE, "models/bikes"))
    holes = [{**row, "temp": None if number % 3 else row["temp"]} for number, row in enumerate(weather(150, 4))]
    traffic.infer([{**row, "season": "monsoon"} if number % 9 == 0 else row for number, row in enumerate(holes)])
    found = states(show(traffic))
    assert (found["temp", "missing"], found["season", "new"], found["wind", "missing"]) == ("breach", "breach", "ok")


def test_too_few_requests_are_quiet(traffic: Traffic) -> None:
    traffic.ask(WATCHES * 12)
    assert set(states(show(traffic)).values()) == {"quiet"}
    traffic.ask(WATCHES)
    assert "text.said" in moved(show(traffic))


def test_the_window_is_what_was_asked_for(traffic: Traffic) -> None:
    traffic.ask(WATCHES * 20)
    traffic.clock.advance(5000)
    traffic.ask(usual(200))
    assert moved(show(traffic)) == set()
    assert "text.said" in moved(show(traffic, last="2h"))


def test_a_query_names_app_environment_and_model(traffic: Traffic) -> None:
    traffic.ask(usual(60))
    traffic.ask(usual(60), environment="dev")
    traffic.ask(usual(60), app="desk")
    assert {(item.app, item.environment) for item in show(traffic).signals} == {
        ("support", "prod"), ("support", "dev"), ("desk", "prod"),
    }  # fmt: skip
    assert {item.environment for item in show(traffic, environment="dev").signals} == {"dev"}
    assert {item.app for item in show(traffic, app="desk").signals} == {"desk"}
    assert show(traffic, model="models/router").signals
    assert show(traffic, model=traffic.model[7:19]).signals
    assert show(traffic, model="models/other").signals == []


@pytest.mark.parametrize(
    "changes", [{"source": "evaluation"}, {"source": "replay"}, {"source": "otlp"}, {"project": "other"}]
)
def test_only_live_requests_of_the_project_count(traffic: Traffic, changes: dict[str, str]) -> None:
    traffic.ask(usual(60), **changes)
    assert show(traffic).signals == []


def test_requests_that_no_model_routed_are_left_out(traffic: Traffic) -> None:
    traffic.ask(usual(60), attributes={"finish_reason": "stop"}, label="")
    assert show(traffic).signals == []


def test_a_model_whose_training_data_is_not_here_is_noted(store: Store, clock: FakeClock) -> None:
    stray = Draft("model", 1, "models/stray", {"inputs": [], "file": "x", "format": "onnx", "labels": []})
    with store.records.begin() as tx:
        artifacts.put(tx, store.blobs, PROJECT, stray, "person_a", 1.0)
    traffic = Traffic(store, clock, stray.digest)
    traffic.ask(usual(60))
    shown = show(traffic)
    assert shown.signals == []
    assert len(shown.notes) == 1
    assert "models/stray" in shown.notes[0]
    assert catch_up(store, PROJECT, clock) == 60


def test_masked_personal_data_is_no_drift(traffic: Traffic) -> None:
    traffic.ask([f"{text} <EMAIL> <PHONE>" for text in usual(200)])
    assert not {"text.said", "text.unknown"} & moved(show(traffic))


def test_a_follow_up_is_read_as_the_router_read_it(traffic: Traffic) -> None:
    for text in usual(150):
        turns = [{"role": "user", "content": text}, {"role": "assistant", "content": "Paid."}]
        turns.append({"role": "user", "content": "And zebras?"})
        traffic.ask([text], payload={"messages": turns, "answer": "so"})
    length = next(item for item in show(traffic).signals if item.feature == "text.words")
    median = next(item for item in length.moved if item.name == "median")
    assert median.now > 5, "both questions, not the two words of the last one"


def test_a_breach_is_an_alert_and_an_incident_that_says_what_moved(traffic: Traffic) -> None:
    serve(traffic, ["drift"])
    traffic.ask(usual(150))
    asked = traffic.ask(WATCHES * 10)
    found = run(traffic)
    [state] = found.monitors
    assert (state.monitor, state.state, state.requests, state.threshold) == ("drift", "breach", 190, 1.0)
    assert "smartwatch" in state.explanation
    [opened] = found.opened
    with traffic.store.records.read() as tx:
        incident = get_incident(tx, PROJECT, opened)
        [alert] = list_alerts(context(traffic.store, tx, traffic.clock), AlertQuery()).alerts
    assert incident.title == "models/router drifted"
    assert incident.detail["monitor"] == alert.monitor == "drift"
    assert (incident.detail["model"], incident.detail["model_digest"]) == ("models/router", traffic.model)
    assert "text.said" in incident.detail["features"]
    assert any(part["name"] == "smartwatch" for part in incident.detail["moved"])
    assert incident.detail["playbook"]
    assert len(incident.trace_ids) == 5
    assert set(incident.trace_ids[:3]) <= set(asked), "what moved most comes first"
    assert alert.detail["features"] == incident.detail["features"]
    traffic.clock.advance(60)
    assert run(traffic).opened == [opened], "one incident, however often it is seen"


def test_calm_traffic_raises_nothing(traffic: Traffic) -> None:
    serve(traffic, ["drift"])
    traffic.ask(usual(200))
    [state] = run(traffic).monitors
    assert (state.state, state.incident_id) == ("ok", None)
    assert state.value < 1


def test_an_environment_sets_window_support_and_sensitivity(traffic: Traffic) -> None:
    serve(traffic, [{"drift": {"over": "2h", "support": 300}}, {"drift": {"at_most": 50}}, {"drift": {"over": "5m"}}])
    traffic.ask([*usual(150), *(WATCHES * 10)])
    traffic.clock.advance(1000)
    assert [state.state for state in run(traffic).monitors] == ["quiet", "ok", "quiet"]


def test_only_models_of_the_served_release_are_watched(traffic: Traffic) -> None:
    pins = {"models/router": {"kind": "model", "digest": "sha256:" + "b" * 64}}
    release = Draft("release", 1, "apps/support", {"app": "apps/support", "pins": pins})
    with traffic.store.records.begin() as tx:
        artifacts.put(tx, traffic.store.blobs, PROJECT, release, "person_a", 1.0)
    serve(traffic, ["drift"], release=release.digest)
    traffic.ask(WATCHES * 30)
    assert run(traffic).monitors[0].state == "quiet", "the release serves another model by now"


@pytest.mark.parametrize("written", [{"at_least": 1}, {"at_most": 0}, {"at_most": "much"}, {"over": "soon"}])
def test_nonsense_in_a_watch_is_refused(written: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        compile_watch([{"drift": written}])


def test_looking_writes_nothing(traffic: Traffic) -> None:
    traffic.ask(usual(100))
    show(traffic)
    with traffic.store.records.read() as tx:
        for table in (tables.drift_bucket, tables.drift_reference, tables.drift_progress):
            assert tx.all(select(table)) == []


def test_what_is_stored_and_what_is_not_yet_are_seen_together(traffic: Traffic) -> None:
    traffic.ask(usual(100))
    before = show(traffic)
    assert catch_up(traffic.store, PROJECT, traffic.clock) == 100
    assert _values(show(traffic)) == pytest.approx(_values(before), abs=0.05)
    traffic.ask(WATCHES * 10)
    shown = show(traffic)
    assert {item.count for item in shown.signals} == {140}
    catch_up(traffic.store, PROJECT, traffic.clock)
    assert _values(show(traffic)) == pytest.approx(_values(shown), abs=1e-9)


def _values(shown: DriftShown) -> dict[tuple[str, str], float]:
    return {(item.feature, item.method): item.value for item in shown.signals}
