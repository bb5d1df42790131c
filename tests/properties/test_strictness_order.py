"""Being as strict as another is an order: everything is as strict as itself, and what holds in two steps holds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from headgate.models import STRICT, FactName, Facts, weaker

REGIONS = st.sampled_from(["eu", "eu-west", "eu-west-1", "eu-west-2", "eur", "us", "us-east-1"])
FACTS = st.builds(
    Facts,
    region=st.lists(REGIONS, min_size=1, max_size=3),
    retention=st.sampled_from([None, "none", "0s", "1h", "60m", "30d", "90d"]),
    trains=st.sampled_from([None, True, False]),
    filter=st.sampled_from([None, True, False]),
) | st.just(Facts())
NAMES = st.sampled_from(STRICT)


@given(NAMES, FACTS)
def test_everything_is_as_strict_as_itself(name: FactName, one: Facts) -> None:
    assert not weaker(name, one, one)


@given(NAMES, FACTS, FACTS, FACTS)
def test_what_holds_by_two_steps_holds_by_one(name: FactName, one: Facts, two: Facts, three: Facts) -> None:
    if not weaker(name, one, two) and not weaker(name, two, three):
        assert not weaker(name, one, three)


@given(NAMES, FACTS, FACTS)
def test_saying_less_is_never_stricter(name: FactName, one: Facts, standard: Facts) -> None:
    silent = Facts()
    assert not weaker(name, one, silent)
    if not weaker(name, silent, standard):
        assert not weaker(name, one, standard)


@given(FACTS)
def test_a_document_reads_back_as_what_it_says(one: Facts) -> None:
    assert Facts.model_validate(one.model_dump(mode="json", exclude_defaults=True)) == one
