"""Peers: who was seen lately and what they told, by the database's clock, on both databases."""

from __future__ import annotations

import time

from headgate.store import Records, peers, tables

HINT = {"target": "east/large", "state": "open", "open_s": 5.0, "resting_s": 0.0}


def others(records: Records, id: str, project: str = "acme") -> dict[str, list[object]]:
    with records.read(whole=False) as tx:
        return {found.id: list(found.hints) for found in peers.others(tx, project, id, 6.0)}


def test_each_hears_what_the_others_told_last(records: Records) -> None:
    with records.begin() as tx:
        peers.tell(tx, "acme", "one", [HINT])
        peers.tell(tx, "acme", "two", [])
        peers.tell(tx, "other", "three", [HINT])
    assert others(records, "one") == {"two": []}
    assert others(records, "two") == {"one": [HINT]}
    with records.begin() as tx:
        peers.tell(tx, "acme", "one", [])
    assert others(records, "two") == {"one": []}


def test_whoever_leaves_or_falls_silent_is_no_longer_heard(records: Records) -> None:
    with records.begin() as tx:
        for name in ("one", "two", "three"):
            peers.tell(tx, "acme", name, [])
        peers.leave(tx, "acme", "one")
    assert set(others(records, "two")) == {"three"}
    long_ago = tables.peer.update().where(tables.peer.c.id == "three").values(seen_at=time.time() - 7)
    with records.begin() as tx:
        tx.execute(long_ago)
    assert others(records, "two") == {}


def test_an_age_is_told_and_those_long_gone_are_forgotten(records: Records) -> None:
    with records.begin() as tx:
        peers.tell(tx, "acme", "one", [])
        peers.tell(tx, "acme", "gone", [])
        for name, age_s in (("one", 3), ("gone", 3600)):
            tx.execute(tables.peer.update().where(tables.peer.c.id == name).values(seen_at=time.time() - age_s))
    with records.read(whole=False) as tx:
        [heard] = peers.others(tx, "acme", "two", 6.0)
    assert 2.5 < heard.age_s < 5
    with records.begin() as tx:
        peers.tell(tx, "acme", "two", [])
    with records.read() as tx:
        assert {row["id"] for row in tx.all(tables.peer.select())} == {"one", "two"}
