"""`headgate.testing`: what people need in their own tests works like the real thing."""

from __future__ import annotations

from sqlalchemy import insert, select

from headgate.kernel import Clock, RequestRecord
from headgate.store import tables
from headgate.testing import FakeClock, ScriptedModel, in_memory_store


def test_time_moves_only_when_told_to() -> None:
    clock: Clock = FakeClock(100.0)
    assert (clock.now(), clock.monotonic()) == (100.0, 0.0)
    assert isinstance(clock, FakeClock)
    clock.advance(2.5)
    assert (clock.now(), clock.monotonic()) == (102.5, 2.5)


def test_a_store_in_memory_keeps_what_it_is_given_and_shares_nothing() -> None:
    first, second = in_memory_store(), in_memory_store()
    with first.records.begin() as tx:
        tx.execute(insert(tables.project).values(id="acme", created_at=1.0))
    digest = first.blobs.put(b"page")
    record = RequestRecord("1" * 32, "acme", 1.0, "a", "", "", "", "", "", "", "answered", "")
    first.spans.record(record)
    first.spans.flush()
    assert first.spans.get("acme", "1" * 32) == record
    assert second.spans.get("acme", "1" * 32) is None
    assert not second.blobs.has(digest)
    with second.records.read() as tx:
        assert tx.all(select(tables.project)) == []
    for store in (first, second):
        store.close()


def test_a_scripted_model_stands_in_for_any_provider() -> None:
    model = ScriptedModel({"refund": "Ten days.", "*": "I do not know."})
    found, target = model.providers("openai").resolve("openai/gpt-5-mini")
    assert (found, target) == (model, "gpt-5-mini")
