"""Who is calling: keys, revocation, and when no key is needed."""

from __future__ import annotations

from typing import Any

import pytest

from headgate.kernel import Denied, Principal, Rate
from headgate.platform import Caller, Identity, Performer
from headgate.store import Store
from headgate.testing import FakeClock

ADMIN = Principal("person_a", "acme", frozenset({"admin"}))


@pytest.fixture
def identity(store: Store, clock: FakeClock) -> Identity:
    found = Identity(store.records, store.secret, "acme", clock, local_token="t" * 64)
    found.refresh()
    return found


def make(store: Store, clock: FakeClock, project: str = "acme", **more: Any) -> dict[str, Any]:
    admin = Principal("person_a", project, frozenset({"admin"}))
    asked = {"person": "person_b", "role": ["app"], **more}
    return Performer(store, clock, {}).perform(admin, "key.create", asked)


def test_until_the_first_key_this_machine_needs_none(identity: Identity) -> None:
    known = identity.identify(Caller(near=True))
    assert known is not None
    assert known.principal.person == "local"
    assert not known.principal.verified


def test_from_elsewhere_a_key_is_always_needed(identity: Identity) -> None:
    with pytest.raises(Denied) as caught:
        identity.identify(Caller(near=False))
    assert caught.value.status == 401


def test_the_first_key_ends_calling_without_one(identity: Identity, store: Store, clock: FakeClock) -> None:
    make(store, clock)
    identity.refresh()
    with pytest.raises(Denied) as caught:
        identity.identify(Caller(near=True))
    assert caught.value.status == 401


def test_a_revoked_first_key_does_not_open_the_door_again(identity: Identity, store: Store, clock: FakeClock) -> None:
    made = make(store, clock)
    Performer(store, clock, {}).perform(ADMIN, "key.revoke", {"key_id": made["id"]})
    identity.refresh()
    with pytest.raises(Denied):
        identity.identify(Caller(near=True))


def test_a_key_proves_its_person_roles_and_budget(identity: Identity, store: Store, clock: FakeClock) -> None:
    made = make(store, clock, budget_per_day="$2")
    identity.refresh()
    known = identity.identify(Caller(token=made["token"]))
    assert known is not None
    assert known.principal == Principal("person_b", "acme", frozenset({"app"}), made["id"], verified=True)
    assert known.limits == ((f"key:{known.principal.key_id}", (Rate("cost", "day", 2_000_000_000),)),)


def test_a_revoked_key_is_unknown(identity: Identity, store: Store, clock: FakeClock) -> None:
    made = make(store, clock)
    Performer(store, clock, {}).perform(ADMIN, "key.revoke", {"key_id": made["id"]})
    identity.refresh()
    assert identity.identify(Caller(token=made["token"])) is None


def test_a_key_with_one_changed_letter_is_unknown(identity: Identity, store: Store, clock: FakeClock) -> None:
    token = make(store, clock)["token"]
    identity.refresh()
    assert identity.identify(Caller(token=token[:-1] + ("0" if token[-1] != "0" else "1"))) is None


def test_a_key_made_elsewhere_works_at_once(identity: Identity, store: Store, clock: FakeClock) -> None:
    token = make(store, clock)["token"]
    clock.advance(0.5)
    assert identity.person(token).principal.person == "person_b"


def test_a_key_of_another_project_brings_its_own_project(identity: Identity, store: Store, clock: FakeClock) -> None:
    token = make(store, clock, project="other")["token"]
    identity.refresh()
    known = identity.identify(Caller(token=token))
    assert known is not None
    assert known.principal.project == "other"
    assert identity.identify(Caller(near=True)) is not None, "another project's key does not end ours"


@pytest.mark.parametrize("given", ["x" * 64, "t" * 63, "t" * 64 + "t", "t" * 63 + "é"])
def test_a_wrong_local_token_is_refused(identity: Identity, given: str) -> None:
    with pytest.raises(Denied):
        identity.identify(Caller(local_token=given, near=True))


def test_who_can_read_the_servers_file_is_administrator(identity: Identity, store: Store, clock: FakeClock) -> None:
    make(store, clock)
    identity.refresh()
    known = identity.identify(Caller(local_token="t" * 64, near=True))
    assert known is not None
    assert known.principal.person == "local"
    assert not known.principal.verified
    with pytest.raises(Denied):
        identity.identify(Caller(local_token="t" * 64, near=False))


def test_a_wrong_token_is_said_to_be_wrong(identity: Identity, clock: FakeClock) -> None:
    clock.advance(5)
    with pytest.raises(Denied) as caught:
        identity.person("hg_x_y")
    assert caught.value.status == 401
