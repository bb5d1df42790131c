"""The wrapper: who may, what is asked, one transaction with its audit entry, and asking twice."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, select

from headgate.kernel import Conflict, Denied, InvalidInput, NotFound, Principal
from headgate.platform import OPERATIONS, Performer, permits
from headgate.store import Store, audit, jobs, tables
from headgate.testing import FakeClock

ADMIN = Principal("person_a", "acme", frozenset({"admin"}), "key_1", verified=True)


@pytest.fixture
def performer(store: Store, clock: FakeClock) -> Performer:
    return Performer(store, clock, {})


def entries(store: Store, project: str = "acme") -> list[Any]:
    with store.records.read() as tx:
        return audit.entries(tx, project, 100)


def make_key(performer: Performer, person: str = "person_b", key: str = "", by: Principal = ADMIN) -> dict[str, Any]:
    return performer.perform(by, "key.create", {"person": person, "role": ["viewer"]}, key)


def test_a_change_and_its_audit_entry_are_written_together(performer: Performer, store: Store) -> None:
    made = make_key(performer)
    (entry,) = entries(store)
    assert (entry["actor"], entry["action"], entry["target"]) == ("person_a", "key.create", made["id"])
    assert entry["detail"]["verified"] is True
    assert entry["detail"]["roles"] == ["viewer"]


def test_a_change_that_fails_leaves_nothing_behind(performer: Performer, store: Store) -> None:
    made = make_key(performer)
    performer.perform(ADMIN, "key.revoke", {"key_id": made["id"]})
    with pytest.raises(Conflict):
        performer.perform(ADMIN, "key.revoke", {"key_id": made["id"]}, "again")
    assert len(entries(store)) == 2
    with store.records.read() as tx:
        assert tx.one(select(func.count()).select_from(tables.idempotency))["count_1"] == 0  # type: ignore[index]


def test_reads_leave_no_audit_entry(performer: Performer, store: Store) -> None:
    performer.perform(ADMIN, "key.list", {})
    assert entries(store) == []


def test_a_secret_is_nowhere_in_the_records(performer: Performer, store: Store) -> None:
    token = make_key(performer, key="k1")["token"]
    with store.records.read() as tx:
        for table in tables.metadata.sorted_tables:
            assert token not in str(tx.all(select(table)))


def test_the_same_key_and_request_do_it_once(performer: Performer, store: Store) -> None:
    first, second = make_key(performer, key="once"), make_key(performer, key="once")
    assert second["id"] == first["id"]
    assert second["token"] == "", "what is shown once is not shown again"
    assert len(entries(store)) == 1


@pytest.mark.parametrize(
    "other", [("person_e", ADMIN), ("person_b", Principal("intruder", "acme", frozenset({"admin"})))]
)
def test_the_same_key_for_another_request_or_person_is_a_conflict(
    performer: Performer, other: tuple[str, Principal]
) -> None:
    make_key(performer, key="once")
    with pytest.raises(Conflict):
        make_key(performer, other[0], key="once", by=other[1])


def test_the_same_key_in_another_project_is_another_key(performer: Performer) -> None:
    make_key(performer, key="once")
    assert make_key(performer, key="once", by=Principal("person_a", "other", frozenset({"admin"})))["token"]


@pytest.mark.parametrize("key", ["with space", "x" * 201, "naïve", "line\nbreak"])
def test_an_idempotency_key_has_a_shape(performer: Performer, key: str) -> None:
    with pytest.raises(InvalidInput):
        make_key(performer, key=key)


def test_an_unknown_key_of_a_request_names_the_nearest(performer: Performer) -> None:
    with pytest.raises(InvalidInput) as caught:
        performer.perform(ADMIN, "key.create", {"persn": "person_b", "person": "b", "role": ["viewer"]})
    assert "person" in caught.value.hint


def test_a_wrong_value_names_its_key_and_the_valid_ones(performer: Performer) -> None:
    with pytest.raises(InvalidInput) as caught:
        performer.perform(ADMIN, "key.create", {"person": "person_b", "role": ["viewr"]})
    assert caught.value.where is not None
    assert caught.value.where.key == "role[0]"
    assert "viewer" in caught.value.hint


@pytest.mark.parametrize("role", ["viewer", "app", "engineer", "reviewer", "operator", "nobody"])
def test_a_role_without_the_permission_is_denied(performer: Performer, role: str) -> None:
    who = Principal("forger", "acme", frozenset({role}))
    with pytest.raises(Denied) as caught:
        make_key(performer, by=who)
    assert "admin" in caught.value.hint


def test_permission_is_checked_before_the_request_is_read(performer: Performer) -> None:
    with pytest.raises(Denied):
        performer.perform(Principal("m", "acme", frozenset({"app"})), "key.create", {"nonsense": 1})


def test_every_row_denies_a_principal_without_roles(performer: Performer) -> None:
    stranger = Principal("nobody", "acme")
    for row in OPERATIONS:
        if row.sort != "local":
            assert not permits(stranger.roles, row.permission)
            with pytest.raises(Denied):
                performer.perform(stranger, row.name, {})


def test_a_foreign_key_is_not_there(performer: Performer) -> None:
    made = make_key(performer)
    with pytest.raises(NotFound):
        performer.perform(Principal("intruder", "other", frozenset({"admin"})), "key.revoke", {"key_id": made["id"]})


def test_local_operations_are_refused(performer: Performer) -> None:
    with pytest.raises(InvalidInput):
        performer.perform(ADMIN, "check", {})


def test_a_job_is_enqueued_once_while_it_is_unfinished(performer: Performer, store: Store) -> None:
    asked = {"release": "sha256:" + "a" * 64, "suites": []}
    first = performer.perform(ADMIN, "evidence.run", asked)
    assert performer.perform(ADMIN, "evidence.run", asked) == first
    with store.records.begin() as tx:
        row = jobs.claim(tx, "acme", owner="host:1:1", now=0.0, lease_s=1.0, id=first["job"])
        assert row is not None
        jobs.finish(tx, row.id, row.token, {})
    assert performer.perform(ADMIN, "evidence.run", asked) != first


def test_listeners_hear_of_commits_only(performer: Performer) -> None:
    heard: list[str] = []
    performer.changed.append(heard.append)
    made = make_key(performer)
    performer.perform(ADMIN, "key.list", {})
    with pytest.raises(NotFound):
        performer.perform(ADMIN, "key.revoke", {"key_id": "key_none"})
    performer.perform(ADMIN, "key.revoke", {"key_id": made["id"]})
    assert heard == ["key.create", "key.revoke"]


def test_text_that_people_wrote_stays_out_of_the_audit_log(performer: Performer, store: Store) -> None:
    asked = {"person": "person_b", "role": ["viewer"], "name": "the key of Person_b's secret project"}
    performer.perform(ADMIN, "key.create", asked)
    assert "secret project" not in str(entries(store))
