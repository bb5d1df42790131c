"""Keys: made, listed, revoked, on both databases."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select

from headgate.govern import KeyCreate, KeyQuery, KeyRevoke, create_key, list_keys, revoke_key
from headgate.kernel import Conflict, NotFound, Principal
from headgate.store import Blobs, Context, Records, Secret, Spans, Store, Transaction, tables
from headgate.testing import FakeClock


def context(tx: Transaction, records: Records, clock: FakeClock, project: str = "acme") -> Context:
    store = Store(records, Blobs("memory://"), Spans("sqlite://", writer=False), Secret(b"s" * 32))
    return Context(tx, Principal("person_a", project, frozenset({"admin"})), clock, store)


def test_a_key_is_stored_as_a_hash_and_shown_once(records: Records, clock: FakeClock) -> None:
    with records.begin() as tx:
        ctx = context(tx, records, clock)
        made = create_key(ctx, KeyCreate(person="person_b", role=("app", "viewer"), budget_per_day="$5"))
        row = tx.one(select(tables.api_key))
        listed = list_keys(ctx, KeyQuery()).model_dump_json()
    assert re.fullmatch(r"hg_[0-9a-z]{22}_[0-9a-f]{48}", made.token)
    assert row is not None
    assert row["hash"] == ctx.store.secret.key_hash(made.token)
    assert row["budget_per_day"] == 5_000_000_000
    assert made.token not in listed
    assert '"budget_per_day_usd":"5"' in listed


def test_only_the_first_key_of_a_project_says_so(records: Records, clock: FakeClock) -> None:
    with records.begin() as tx:
        firsts = [
            create_key(context(tx, records, clock, project), KeyCreate(person="person_b", role=("app",))).first
            for project in ("acme", "acme", "other")
        ]
    assert firsts == [True, False, True]


def test_a_revoked_key_stays_in_the_long_list(records: Records, clock: FakeClock) -> None:
    with records.begin() as tx:
        ctx = context(tx, records, clock)
        made = create_key(ctx, KeyCreate(person="person_b", role=("app",)))
        assert revoke_key(ctx, KeyRevoke(key_id=made.id)).revoked_at
        with pytest.raises(Conflict):
            revoke_key(ctx, KeyRevoke(key_id=made.id))
        assert list_keys(ctx, KeyQuery()).keys == []
        assert [key.id for key in list_keys(ctx, KeyQuery(all=True)).keys] == [made.id]


def test_another_projects_key_is_not_there(records: Records, clock: FakeClock) -> None:
    with records.begin() as tx:
        made = create_key(context(tx, records, clock), KeyCreate(person="person_b", role=("app",)))
        with pytest.raises(NotFound):
            revoke_key(context(tx, records, clock, "other"), KeyRevoke(key_id=made.id))


@pytest.mark.parametrize("person", ["", " ", "person_b gunn", "../x", "-person_b", "b" * 101])
def test_a_person_has_a_plain_name(person: str) -> None:
    with pytest.raises(ValueError, match="person"):
        KeyCreate(person=person, role=("app",))
