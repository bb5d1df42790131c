"""The audit log as people read it: listed in pages, proven whole, and caught when it is not."""

from __future__ import annotations

from sqlalchemy import update

from headgate.kernel import Principal
from headgate.platform import Performer
from headgate.store import Store, audit, tables
from headgate.testing import FakeClock

ADMIN = Principal("person_a", "acme", frozenset({"admin"}))


def performer(store: Store, clock: FakeClock, keys: int) -> Performer:
    made = Performer(store, clock, {})
    for number in range(keys):
        made.perform(ADMIN, "key.create", {"person": f"p{number}", "role": ["app"]})
    return made


def test_entries_come_newest_first_and_in_pages(store: Store, clock: FakeClock) -> None:
    found = performer(store, clock, 5).perform(ADMIN, "audit.list", {"limit": 2, "before": 5})
    assert [entry["seq"] for entry in found["entries"]] == [4, 3]
    assert found["entries"][0]["action"] == "key.create"


def test_an_untouched_log_passes(store: Store, clock: FakeClock) -> None:
    found = performer(store, clock, 3).perform(ADMIN, "audit.verify", {})
    assert (found["outcome"], found["entries"], found["problem"]) == ("pass", 3, None)


def test_a_changed_entry_is_named(store: Store, clock: FakeClock) -> None:
    runs = performer(store, clock, 3)
    with store.records.begin() as tx:
        tx.execute(update(tables.audit).where(tables.audit.c.seq == 2).values(actor="intruder"))
    found = runs.perform(ADMIN, "audit.verify", {})
    assert (found["outcome"], found["at_seq"]) == ("fail", 2)


def test_a_cut_tail_shows_once_it_was_sealed(store: Store, clock: FakeClock) -> None:
    runs = performer(store, clock, 3)
    with store.records.begin() as tx:
        audit.seal(tx, "acme", store.secret.signing_key())
        tx.execute(tables.audit.delete().where(tables.audit.c.seq == 3))
    assert runs.perform(ADMIN, "audit.verify", {})["outcome"] == "fail"


def test_a_checkpoint_signed_by_another_key_shows(store: Store, clock: FakeClock) -> None:
    runs = performer(store, clock, 3)
    from headgate.store import Secret

    with store.records.begin() as tx:
        audit.seal(tx, "acme", Secret(b"x" * 32).signing_key())
    assert runs.perform(ADMIN, "audit.verify", {})["outcome"] == "fail"
