"""P15: the audit chain shows edit, deletion, insertion, reordering, forks, a cut tail and a rewritten one, and names
the entry. Every row of the matrix is tried on both databases."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import delete, insert, update

from headgate.store import AuditReport, Records, Secret, Transaction, audit, tables

SECRET = Secret(b"k" * 32)
Tamper = Callable[[Transaction], Any]


def entry(tx: Transaction, number: int, actor: str = "person_a", project: str = "acme") -> str:
    return audit.append(
        tx,
        project=project,
        at=10.5 + number,
        actor=actor,
        action="release.promote",
        target=f"r{number}",
        detail={"n": number, "share": 0.25, "who": "Zoë"},
    )


def written(records: Records, count: int = 6) -> None:
    with records.begin() as tx:
        for number in range(1, count + 1):
            entry(tx, number)


def seal(records: Records) -> int | None:
    with records.begin() as tx:
        return audit.seal(tx, "acme", SECRET.signing_key())


def verify(records: Records) -> AuditReport:
    with records.read() as tx:
        return audit.verify(tx, "acme", SECRET.signing_key().public_key())


def at(seq: int) -> Any:
    return (tables.audit.c.project_id == "acme") & (tables.audit.c.seq == seq)


def row(tx: Transaction, seq: int) -> dict[str, Any]:
    found = tx.one(tables.audit.select().where(at(seq)))
    assert found is not None
    return dict(found)


def put(tx: Transaction, row: dict[str, Any]) -> None:
    """Write an entry that is right in itself, as somebody would who knows how entries are hashed."""
    tx.execute(insert(tables.audit).values(**{**row, "hash": audit._hash(row)}))


def rewrite_tail(tx: Transaction) -> None:
    tx.execute(delete(tables.audit).where(tables.audit.c.seq >= 5))
    for number in (5, 6):
        entry(tx, number, "forger")


def rewrite_all(tx: Transaction) -> None:
    tx.execute(delete(tables.audit))
    for number in range(1, 7):
        entry(tx, number, "forger")


def swap(tx: Transaction) -> None:
    second, third = row(tx, 2), row(tx, 3)
    tx.execute(delete(tables.audit).where(tables.audit.c.seq.in_((2, 3))))
    tx.execute(insert(tables.audit), [{**second, "seq": 3}, {**third, "seq": 2}])


def copy_to_the_end(tx: Transaction) -> None:
    tx.execute(insert(tables.audit).values(**{**row(tx, 6), "seq": 7}))


def insert_in_the_middle(tx: Transaction) -> None:
    for seq in (6, 5, 4):
        tx.execute(update(tables.audit).where(at(seq)).values(seq=seq + 1))
    put(tx, {**row(tx, 3), "seq": 4, "actor": "forger", "previous": row(tx, 3)["hash"]})


def fork(tx: Transaction) -> None:
    put(tx, {**row(tx, 6), "seq": 7, "actor": "forger", "previous": row(tx, 4)["hash"]})


def fork_from_the_beginning(tx: Transaction) -> None:
    put(tx, {**row(tx, 6), "seq": 7, "previous": audit.GENESIS})


def replace_one(tx: Transaction) -> None:
    changed = {**row(tx, 4), "actor": "forger"}
    tx.execute(delete(tables.audit).where(at(4)))
    put(tx, changed)


def move_to_another_project(tx: Transaction) -> None:
    entry(tx, 1, project="other")
    tx.execute(delete(tables.audit).where(at(6)))
    tx.execute(update(tables.audit).where(tables.audit.c.project_id == "other").values(project_id="acme", seq=6))


def change(seq: int, **values: Any) -> Tamper:
    return lambda tx: tx.execute(update(tables.audit).where(at(seq)).values(**values))


MATRIX: dict[str, tuple[Tamper, int, str]] = {
    "edit the actor": (change(3, actor="x"), 3, "changed"),
    "edit the action": (change(3, action="x"), 3, "changed"),
    "edit the target": (change(1, target="x"), 1, "changed"),
    "edit the time": (change(4, at=1.0), 4, "changed"),
    "edit the detail": (change(2, detail={"n": 7}), 2, "changed"),
    "edit the hash": (change(2, hash="0" * 64), 2, "changed"),
    "edit the link": (change(2, previous="0" * 64), 2, "changed"),
    "edit an entry and its hash": (replace_one, 4, "replaced"),
    "delete the first": (lambda tx: tx.execute(delete(tables.audit).where(at(1))), 1, "deleted"),
    "delete in the middle": (lambda tx: tx.execute(delete(tables.audit).where(at(4))), 4, "deleted"),
    "cut the tail": (lambda tx: tx.execute(delete(tables.audit).where(tables.audit.c.seq >= 5)), 5, "deleted"),
    "delete everything": (lambda tx: tx.execute(delete(tables.audit)), 1, "deleted"),
    "reorder": (swap, 2, "moved"),
    "copy to the end": (copy_to_the_end, 7, "inserted"),
    "insert in the middle": (insert_in_the_middle, 5, "moved"),
    "fork": (fork, 7, "forks the log after entry 4"),
    "fork from the beginning": (fork_from_the_beginning, 7, "forks the log at the beginning"),
    "move from another project": (move_to_another_project, 6, "changed"),
    "rewrite the tail": (rewrite_tail, 4, "rewritten"),
    "rewrite everything": (rewrite_all, 1, "rewritten"),
}


class Undo(Exception):
    """Raised to take a tampering back."""


def tampered(records: Records, tamper: Tamper) -> AuditReport:
    """What is found after a tampering, which is then taken back."""
    report = AuditReport(True, 0)
    with suppress(Undo), records.begin() as tx:
        tamper(tx)
        report = audit.verify(tx, "acme", SECRET.signing_key().public_key())
        raise Undo
    return report


def test_tampering_is_found_and_the_entry_named(records: Records) -> None:
    """Twenty ways to tamper with a log of six entries whose third and sixth are sealed."""
    written(records, 3)
    assert seal(records) == 3
    with records.begin() as tx:
        for number in range(4, 7):
            entry(tx, number)
    assert seal(records) == 6
    for name, (tamper, seq, word) in MATRIX.items():
        report = tampered(records, tamper)
        assert (name, report.ok, report.at_seq) == (name, False, seq)
        assert word in (report.problem or "")
        assert str(seq) in (report.problem or "")
        assert verify(records) == AuditReport(True, 6)


def test_what_nobody_sealed_can_be_cut_but_not_edited(records: Records) -> None:
    written(records)
    with records.begin() as tx:
        tx.execute(delete(tables.audit).where(at(6)))
    assert verify(records) == AuditReport(True, 5)
    with records.begin() as tx:
        change(5, actor="x")(tx)
    assert verify(records).at_seq == 5


def test_a_checkpoint_signed_by_another_key_is_found(records: Records) -> None:
    written(records)
    with records.begin() as tx:
        audit.seal(tx, "acme", Secret(b"z" * 32).signing_key())
    assert verify(records).problem == "the checkpoint at entry 6 is not signed by this installation"
    with records.begin() as tx:
        tx.execute(update(tables.audit_checkpoint).values(signature="not hexadecimal"))
    assert verify(records).at_seq == 6
    with records.read() as tx:
        assert audit.verify(tx, "acme").ok  # without the key signatures are not looked at


def test_the_same_head_is_sealed_once(records: Records) -> None:
    assert seal(records) is None
    written(records, 2)
    assert seal(records) == 2
    assert seal(records) is None
    written(records, 1)
    assert seal(records) == 3
    assert verify(records) == AuditReport(True, 3)


def test_projects_have_chains_of_their_own(records: Records) -> None:
    written(records, 2)
    with records.begin() as tx:
        entry(tx, 1, project="other")
    with records.read() as tx:
        assert audit.verify(tx, "other").entries == 1
        assert audit.verify(tx, "acme").entries == 2


def test_long_text_never_reaches_the_log(records: Records) -> None:
    long = "p" * 900
    detail = {
        "prompt": long,
        "list": [long, {"a": long}],
        "deep": {"a": {"b": long}},
        "big": 2**70,
        "nan": float("nan"),
    }
    with records.begin() as tx:
        audit.append(tx, project="acme", at=1, actor=long, action="b", target="\0" + long, detail=detail)
    with records.read() as tx:
        [found] = audit.entries(tx, "acme")
        assert audit.verify(tx, "acme").ok
    assert len(found["target"]) == len(found["actor"]) == 200
    kept = found["detail"]
    texts = [kept["prompt"], *kept["list"], kept["deep"]["a"], kept["big"], kept["nan"]]
    assert all(isinstance(text, str) and len(text) <= 200 for text in texts)


def test_a_rolled_back_action_leaves_no_entry(records: Records) -> None:
    def fail() -> None:
        with records.begin() as tx:
            entry(tx, 1)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with records.read() as tx:
        assert audit.verify(tx, "acme").entries == 0


def test_entries_are_listed_newest_first_and_paged(records: Records) -> None:
    written(records)
    with records.read() as tx:
        assert [found["seq"] for found in audit.entries(tx, "acme", 2)] == [6, 5]
        assert [found["seq"] for found in audit.entries(tx, "acme", 2, before=5)] == [4, 3]


def test_many_writers_make_one_chain(records: Records) -> None:
    def work() -> None:
        for number in range(8):
            with records.begin() as tx:
                entry(tx, number)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert verify(records) == AuditReport(True, 32)


def test_two_servers_that_seal_at_once_seal_once(records: Records) -> None:
    written(records, 3)
    with ThreadPoolExecutor(1) as threads:
        with records.begin() as tx:
            assert audit.seal(tx, "acme", SECRET.signing_key()) == 3
            other = threads.submit(seal, records)
            with pytest.raises(TimeoutError):
                other.result(0.3)
        assert other.result(10) is None
    assert verify(records) == AuditReport(True, 3)
