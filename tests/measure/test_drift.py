"""Drift: quiet over samples of one population, loud over another, whatever the order, the size and the batches."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.measure import (
    CategorySketch,
    Column,
    NumberSketch,
    Sketch,
    Verdict,
    edges,
    judge,
    learn_topics,
    load_topics,
    shares_moved,
)
from headgate.measure.drift import _chi_square

DATA = Path(__file__).parents[3] / "shared/data"
data = pytest.mark.skipif(not (DATA / "tabular").is_dir(), reason="the public data of shared/data is absent")


def numbers(values: Any, reference: Sketch | None = None) -> NumberSketch:
    made = NumberSketch()
    made.add(values)
    return made


def categories(values: Sequence[Any], reference: Sketch | None = None) -> CategorySketch:
    if reference is None:
        return CategorySketch.reference(values)
    assert isinstance(reference, CategorySketch)
    made = reference.empty()
    made.add(values)
    return made


def column(before: Any, now: Any, make: Callable[..., Sketch] = numbers, **options: Any) -> Column:
    reference = make(before)
    return Column("x", reference, make(now, reference), **options)


def one(verdicts: list[Verdict], method: str) -> Verdict:
    [found] = [verdict for verdict in verdicts if verdict.method == method]
    return found


def states(verdicts: list[Verdict]) -> dict[str, str]:
    return {verdict.method: verdict.state for verdict in verdicts}


def normal(count: int, mean: float = 0.0, seed: int = 0) -> Any:
    return numpy.random.default_rng([seed, count]).normal(mean, size=count)


def test_numbers_that_moved_are_found_by_both_methods_and_told() -> None:
    found = judge([column(normal(2000), normal(500, 1.0))])
    assert states(found) == {"psi": "breach", "ks": "breach", "missing": "ok"}
    assert one(found, "ks").value == pytest.approx(0.38, abs=0.06)
    assert one(found, "psi").value == pytest.approx(1.0, abs=0.3)
    median = next(item for item in one(found, "ks").moved if item.name == "median")
    assert (median.before, median.now) == pytest.approx((0, 1), abs=0.15)


def test_categories_that_moved_are_found_and_the_most_moved_comes_first() -> None:
    before, now = ["a"] * 600 + ["b"] * 300 + ["c"] * 100, ["a"] * 100 + ["b"] * 310 + ["c"] * 90
    verdict = one(judge([column(before, now, categories)]), "psi")
    assert verdict.state == "breach"
    assert verdict.moved[0].name == "a"
    assert (verdict.moved[0].before, verdict.moved[0].now) == pytest.approx((0.6, 0.2))
    assert verdict.words.startswith("a 60% → 20%")


def test_categories_never_seen_before_are_found_and_named() -> None:
    before = [str(number % 5) for number in range(1000)]
    found = judge([column(before, before[:190] + ["martian"] * 10, categories)])
    verdict = one(found, "new")
    assert verdict.state == "breach"
    assert verdict.value == pytest.approx(0.05)
    assert "martian" in verdict.words


def test_a_reference_full_of_rarities_expects_more_of_them() -> None:
    before = [*(["a"] * 700), *(f"once {number}" for number in range(200))]
    now = [*(["a"] * 350), *(f"other {number}" for number in range(100))]
    verdict = one(judge([column(before, now, categories)]), "new")
    assert verdict.value > 0.2
    assert verdict.state == "ok"


def test_categories_beyond_counting_are_not_called_new() -> None:
    before = [f"id {number}" for number in range(2000)]
    found = judge([column(before, [f"id {number}" for number in range(2000, 2300)], categories)])
    assert "new" not in states(found)
    assert states(found)["psi"] == "ok", "identifiers are all one bin"


def test_values_that_go_missing_are_found_and_ones_that_come_back_are_not() -> None:
    full, holed = normal(1000).tolist(), [*normal(700).tolist(), *([None] * 300)]
    assert states(judge([column(full, holed)]))["missing"] == "breach"
    assert one(judge([column(full, holed)]), "missing").value == pytest.approx(0.3)
    assert states(judge([column(holed, full)]))["missing"] == "ok"


def test_a_column_that_is_all_missing_now_is_found() -> None:
    assert states(judge([column(normal(300), [None] * 100)])) == {"missing": "breach"}
    assert judge([column([], normal(100))]) == []


def test_a_rising_column_is_judged_only_for_more_of_it() -> None:
    more = judge([column(normal(1000), normal(300, 1.0), rising=True)])
    less = judge([column(normal(1000), normal(300, -1.0), rising=True)])
    assert states(more) == {"ks": "breach"}
    assert states(less) == {"ks": "ok"}


def test_a_word_that_everybody_uses_now_is_found() -> None:
    before, now = CategorySketch.reference(["plan", "bill"] * 200, 100, 400), CategorySketch(["bill", "plan"])
    now.add(["plan", "bill"] * 60 + ["watch"] * 20, 120)
    [verdict] = judge([Column("said", before, now, many=True)])
    assert (verdict.state, verdict.method) == ("breach", "new")
    assert verdict.value == pytest.approx(20 / 120)
    assert verdict.moved[0].name == "watch"
    now.add(["plan", "bill"] * 1000, 2000)
    assert judge([Column("said", before, now, many=True)])[0].state == "ok"


def test_too_few_rows_are_quiet_whatever_they_hold() -> None:
    assert set(states(judge([column(normal(1000), normal(49, 5.0))])).values()) == {"quiet"}
    assert "breach" in states(judge([column(normal(1000), normal(50, 5.0))])).values()
    assert set(states(judge([column(normal(1000), normal(50, 5.0))], support=51)).values()) == {"quiet"}


def test_a_trifle_raises_nothing_in_however_large_a_window() -> None:
    found = judge([column(normal(300_000), normal(300_000, 0.05, 1))])
    assert one(found, "ks").value > 0.012, "it is there, and twice as large as chance explains"
    assert set(states(found).values()) == {"ok"}


def test_more_columns_make_each_of_them_harder_to_alarm() -> None:
    alone = judge([column(normal(300), normal(100))])
    many = judge([column(normal(300), normal(100)) for _ in range(50)])
    assert one(alone, "ks").threshold < many[1].threshold


@pytest.mark.slow
@pytest.mark.parametrize("sizes", [(50, 100), (200, 1000), (1000, 1000)])
def test_samples_of_one_population_rarely_alarm_before_any_floor(
    sizes: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One look in a hundred may, so that 150 looks at 5 columns alarm once or twice, not eight times."""
    monkeypatch.setattr("headgate.measure.drift.FLOORS", dict.fromkeys(("psi", "ks", "missing", "new"), 0.0))
    draw, looks = numpy.random.default_rng(sizes), 150

    def drawn(n: int) -> list[tuple[Callable[..., Sketch], Any]]:
        return [
            (numbers, draw.normal(size=n)),
            (numbers, draw.lognormal(size=n)),
            (numbers, numpy.where(draw.random(n) < 0.02, numpy.nan, draw.integers(0, 6, n))),
            (categories, [f"c{number}" for number in draw.integers(0, 12, n).tolist()]),
            (categories, [f"c{number % 40}" for number in draw.zipf(1.7, n).tolist()]),
        ]

    def columns() -> list[Column]:
        pairs = zip(drawn(sizes[1]), drawn(sizes[0]), strict=True)
        return [column(before, now, make) for (make, before), (_, now) in pairs]

    alarms = sum(any(verdict.state == "breach" for verdict in judge(columns(), alarm=0.01)) for _ in range(looks))
    assert alarms <= 7


@given(st.integers(0, 10**6), st.integers(1, 6))
def test_neither_order_nor_batches_matter_for_a_verdict(seed: int, parts: int) -> None:
    draw = numpy.random.default_rng(seed)
    before, now = draw.normal(size=900), draw.normal(draw.choice([0, 1.5]), size=400)
    reference, whole = numbers(before), numbers(now)
    merged = NumberSketch()
    for part in numpy.array_split(draw.permutation(now), parts):
        merged.merge(numbers(part))
    first, second = (judge([Column("x", reference, window)]) for window in (whole, merged))
    assert [(item.value, item.state) for item in first] == [(item.value, item.state) for item in second]


@pytest.mark.parametrize("shift", [0.0, 0.05, 0.4, 1.0])
def test_neither_order_nor_batches_matter_for_large_windows(shift: float) -> None:
    before, now = normal(50_000), normal(40_000, shift, 1)
    verdicts = []
    for order in range(3):
        window = NumberSketch()
        for part in numpy.array_split(numpy.random.default_rng(order).permutation(now), 3 + 40 * order):
            window.merge(numbers(part))
        verdicts.append(states(judge([Column("x", numbers(before), window)])))
    assert verdicts[0] == verdicts[1] == verdicts[2]
    assert ("breach" in verdicts[0].values()) == (shift >= 0.4)


def test_edges_split_a_reference_evenly_and_repeats_leave_fewer() -> None:
    assert edges(numbers(list(range(1, 101)))) == [10, 20, 30, 40, 50, 60, 70, 80, 90]
    assert edges(numbers([0] * 80 + [1] * 20)) == [0, 1]
    assert edges(numbers([7] * 50)) == [7]


@pytest.mark.parametrize(
    ("freedom", "level", "exact"), [(9, 0.05, 16.919), (9, 1e-3, 27.877), (1, 1e-4, 15.137), (30, 1e-5, 75.02)]
)
def test_the_chi_square_is_right_or_a_little_large(freedom: int, level: float, exact: float) -> None:
    assert exact * 0.995 <= _chi_square(freedom, level) <= exact * 1.12


# Public data: what is known to have moved moves, what is one population stays.

BIKE = {"season": categories, "mnth": categories, "hr": categories, "weekday": categories, "weathersit": categories}
RIDES = ("temp", "atemp", "hum", "windspeed", "casual", "registered", "cnt")


def bikes(year: str) -> list[dict[str, str]]:
    with (DATA / "tabular/bike_hour.csv").open(encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["yr"] == year]


def ridden(before: list[dict[str, str]], now: list[dict[str, str]]) -> list[Verdict]:
    makes: Mapping[str, Callable[..., Sketch]] = {**BIKE, **dict.fromkeys(RIDES, numbers)}
    columns = []
    for name, make in makes.items():
        reference = make([row[name] for row in before])
        columns.append(Column(name, reference, make([row[name] for row in now], reference)))
    return judge(columns)


@data
@pytest.mark.data
def test_bikes_two_years_drift_in_how_often_they_are_ridden() -> None:
    moved = {verdict.column for verdict in ridden(bikes("0"), bikes("1")) if verdict.state == "breach"}
    assert {"casual", "registered", "cnt"} <= moved
    assert not moved & {"hr", "weekday", "season", "mnth"}, "a year has the same hours and months"


@data
@pytest.mark.data
@pytest.mark.slow
def test_bikes_one_year_shuffled_twenty_times_is_quiet() -> None:
    rows, alarms = bikes("0"), 0
    for seed in range(20):
        random.Random(seed).shuffle(rows)
        half = len(rows) // 2
        alarms += sum(verdict.state == "breach" for verdict in ridden(rows[:half], rows[half:]))
    assert alarms <= 1


@data
@pytest.mark.data
@pytest.mark.slow
def test_bikes_small_windows_of_one_year_shuffled_are_quiet_too() -> None:
    rows, alarms = bikes("0"), 0
    for seed in range(20):
        random.Random(seed).shuffle(rows)
        alarms += sum(verdict.state == "breach" for verdict in ridden(rows[:4000], rows[4000:4300]))
    assert alarms <= 1


def intents(name: str) -> list[tuple[str, str]]:
    lines = (DATA / f"intent/{name}.jsonl").read_text(encoding="utf-8").split("\n")
    return [(row["text"], row["label"]) for row in map(json.loads, filter(None, lines))]


class Prompts:
    """Prompts watched by their topics: a reference of some intents, and streams of these and of the others."""

    def __init__(self, name: str, held_out: int) -> None:
        train, self.test = intents(f"{name}_train"), intents(f"{name}_test")
        labels = sorted({label for _, label in train})
        self.held = set(random.Random(3).sample(labels, held_out))
        learned = learn_topics([text for text, label in train if label not in self.held])
        assert learned is not None
        self.topics, kept = learned
        self.reference = self.sketches(kept, None)

    def sketches(self, texts: list[str], reference: Mapping[str, Sketch] | None) -> dict[str, Sketch]:
        looked = self.topics.look(texts)
        words = [word for said in looked.said for word in said]
        topics = categories(looked.topic, reference["topic"] if reference else None)
        if reference is None:
            spoken = CategorySketch.reference(words, 1000, len(texts))
        else:
            assert isinstance(reference["said"], CategorySketch)
            spoken = reference["said"].empty()
            spoken.add(words, len(texts))
        unfamiliar, unknown = numbers(looked.unfamiliar), numbers(looked.unknown)
        return {"topic": topics, "unfamiliar": unfamiliar, "unknown": unknown, "said": spoken}

    def judged(self, texts: list[str]) -> set[str]:
        window = self.sketches(texts, self.reference)
        columns = [
            Column(name, self.reference[name], window[name], name.startswith("un"), name == "said") for name in window
        ]
        return {verdict.column for verdict in judge(columns) if verdict.state == "breach"}

    def stream(self, count: int, share: float, seed: int) -> list[str]:
        draw = random.Random(seed)
        known = [text for text, label in self.test if label not in self.held]
        strange = [text for text, label in self.test if label in self.held]
        few = round(count * share)
        return [*draw.sample(known, count - few), *draw.choices(strange, k=few)]


@pytest.fixture(scope="module", params=["banking77", "hwu64"])
def prompts(request: pytest.FixtureRequest) -> Prompts:
    return Prompts(request.param, 8)


@data
@pytest.mark.data
@pytest.mark.slow
def test_prompts_of_intents_that_nobody_trained_for_are_found(prompts: Prompts) -> None:
    assert prompts.judged(prompts.stream(200, 1.0, 0)) >= {"topic"}
    assert prompts.judged(prompts.stream(600, 0.5, 1))


@data
@pytest.mark.data
@pytest.mark.slow
def test_prompts_of_the_same_intents_are_quiet(prompts: Prompts) -> None:
    alarms = [prompts.judged(prompts.stream(count, 0.0, seed)) for count in (100, 300, 700) for seed in range(10)]
    assert sum(map(bool, alarms)) <= 1


@data
@pytest.mark.data
@pytest.mark.slow
def test_prompts_about_one_new_product_are_found_early_and_its_words_told(prompts: Prompts) -> None:
    asked = [f"how do i pair my new smartwatch {number}" for number in range(15)]
    stream = [*prompts.stream(135, 0.0, 5), *asked]
    assert "said" in prompts.judged(stream)
    before, now = prompts.reference["said"], prompts.sketches(stream, prompts.reference)["said"]
    assert isinstance(before, CategorySketch)
    assert isinstance(now, CategorySketch)
    assert "smartwatch" in {item.name for item in shares_moved(before, now)}
    assert load_topics(prompts.topics.dumps()).look(stream) == prompts.topics.look(stream)
