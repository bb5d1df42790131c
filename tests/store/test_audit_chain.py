"""P15: the audit chain shows edit, deletion, insertion, reordering, a cut tail and a rewritten one, and names the entry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import delete, insert, update

from headgate.store import Records, Secret, Transaction, audit, tables

SECRET = Secret(b"k" * 32)
Tamper = Callable[[Transaction], Any]


def written(records: Records, count: int = 6) -> None:
    with records.begin() as tx:
        for number in range(1, count + 1):
            audit.append(
                tx, audit.Entry("acme", 10.5 + number, "ada-key", "release.promote", f"r{number}", {"n": number})
            )


def seal(records: Records) -> None:
    with records.begin() as tx:
        assert audit.seal(tx, "acme", SECRET.signing_key(), 99.0) == 6


def verify(records: Records) -> audit.AuditReport:
    with records.read() as tx:
        return audit.verify(tx, "acme", SECRET.signing_key().public_key())


def at(seq: int) -> Any:
    return (tables.audit.c.project_id == "acme") & (tables.audit.c.seq == seq)


def rewrite_tail(tx: Transaction) -> None:
    tx.execute(delete(tables.audit).where(tables.audit.c.seq >= 5))
    for number in (5, 6):
        audit.append(tx, audit.Entry("acme", 10.5 + number, "mallory", "release.promote", f"r{number}", {"n": number}))


def swap(tx: Transaction) -> None:
    rows = {row["seq"]: dict(row) for row in tx.all(tables.audit.select())}
    tx.execute(delete(tables.audit).where(tables.audit.c.seq.in_((2, 3))))
    tx.execute(insert(tables.audit).values(**{**rows[2], "seq": 3}))
    tx.execute(insert(tables.audit).values(**{**rows[3], "seq": 2}))


def forge(tx: Transaction) -> None:
    row = dict(tx.all(tables.audit.select().where(at(6)))[0])
    tx.execute(insert(tables.audit).values(**{**row, "seq": 7}))


MATRIX: dict[str, tuple[Tamper, int]] = {
    "edit the actor": (lambda tx: tx.execute(update(tables.audit).where(at(3)).values(actor="x")), 3),
    "edit the time": (lambda tx: tx.execute(update(tables.audit).where(at(4)).values(at=1.0)), 4),
    "edit the detail": (lambda tx: tx.execute(update(tables.audit).where(at(2)).values(detail={"n": 7})), 2),
    "delete in the middle": (lambda tx: tx.execute(delete(tables.audit).where(at(4))), 4),
    "cut the tail": (lambda tx: tx.execute(delete(tables.audit).where(tables.audit.c.seq >= 5)), 6),
    "reorder": (swap, 2),
    "insert": (forge, 7),
    "rewrite the tail": (rewrite_tail, 6),
}


@pytest.mark.parametrize("name", MATRIX)
def test_tampering_is_found_and_the_entry_named(records: Records, name: str) -> None:
    tamper, seq = MATRIX[name]
    written(records)
    seal(records)
    assert verify(records).ok
    with records.begin() as tx:
        tamper(tx)
    report = verify(records)
    assert not report.ok
    assert report.at_seq == seq
    assert str(seq) in (report.problem or "")


def test_a_checkpoint_signed_by_another_key_is_found(records: Records) -> None:
    written(records)
    with records.begin() as tx:
        audit.seal(tx, "acme", Secret(b"z" * 32).signing_key(), 1.0)
    report = verify(records)
    assert report.problem == "the checkpoint at entry 6 is not signed by this key"


def test_projects_have_chains_of_their_own(records: Records) -> None:
    written(records, 2)
    with records.begin() as tx:
        audit.append(tx, audit.Entry("other", 1.0, "a", "b", "c", {}))
    with records.read() as tx:
        assert audit.verify(tx, "other").entries == 1
        assert audit.verify(tx, "acme").entries == 2


def test_long_text_never_reaches_the_log(records: Records) -> None:
    with records.begin() as tx:
        audit.append(tx, audit.Entry("acme", 1.0, "a", "b", "t" * 900, {"prompt": "p" * 900, "list": ["q" * 900]}))
    with records.read() as tx:
        [entry] = audit.entries(tx, "acme")
    assert len(entry["target"]) == len(entry["detail"]["prompt"]) == len(entry["detail"]["list"][0]) == 200


def test_a_rolled_back_action_leaves_no_entry(records: Records) -> None:
    with pytest.raises(RuntimeError), records.begin() as tx:
        audit.append(tx, audit.Entry("acme", 1.0, "a", "b", "c", {}))
        raise RuntimeError
    with records.read() as tx:
        assert audit.verify(tx, "acme").entries == 0
