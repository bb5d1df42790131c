"""Records: transactions that hold, SQLite settings of P2, errors in one sentence."""

from __future__ import annotations

import json
import resource
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text

from headgate.kernel import InvalidInput, Unavailable, plugins
from headgate.store import Records, Transaction, tables


def add(tx: Transaction, name: str) -> None:
    tx.execute(insert(tables.project).values(id=name, created_at=1.5))


def names(records: Records) -> list[str]:
    with records.read() as tx:
        return [row["id"] for row in tx.all(select(tables.project).order_by(tables.project.c.id))]


def test_what_is_committed_is_there_and_what_raises_is_not(records: Records) -> None:
    def fail() -> None:
        with records.begin() as tx:
            add(tx, "b")
            raise RuntimeError

    with records.begin() as tx:
        add(tx, "a")
    with pytest.raises(RuntimeError):
        fail()
    assert names(records) == ["a"]


def test_rows_come_by_name_or_not_at_all(records: Records) -> None:
    with records.begin() as tx:
        assert tx.one(select(tables.project)) is None
        assert tx.execute(insert(tables.project), [{"id": "a", "created_at": 1}, {"id": "b", "created_at": 2}])
        assert tx.one(select(tables.project).where(tables.project.c.id == "b")) == {"id": "b", "created_at": 2.0}


def test_json_comes_back_as_it_was_stored(records: Records) -> None:
    detail = {"text": "Zoë ✓", "n": 2**53 - 1, "share": 0.1, "none": None, "list": [1, [True, {}]]}
    values = {"project_id": "acme", "app": "support", "name": "prod", "generation": 1, "rules": detail}
    with records.begin() as tx:
        tx.execute(insert(tables.environment).values(**values))
    with records.read() as tx:
        [row] = tx.all(select(tables.environment))
    assert row["rules"] == detail
    assert row["stable"] is None


def test_a_reader_cannot_write(records: Records) -> None:
    def write() -> None:
        with records.read() as tx:
            add(tx, "a")

    with pytest.raises(Exception, match=r"(?i)read.?only"):
        write()
    with records.begin() as tx:  # and the connection writes again afterwards
        add(tx, "b")
    assert names(records) == ["b"]


def test_a_reader_sees_one_moment(records: Records) -> None:
    with records.begin() as tx:
        add(tx, "a")
    seen: list[int] = []
    writer = threading.Thread(target=_add_later, args=(records,))
    with records.read() as tx:
        seen.append(len(tx.all(select(tables.project))))
        writer.start()
        time.sleep(0.2)
        seen.append(len(tx.all(select(tables.project))))
    writer.join()
    assert seen == [1, 1]
    assert names(records) == ["a", "b"]


def _add_later(records: Records) -> None:
    with records.begin() as tx:
        add(tx, "b")


def test_writers_wait_for_each_other(records: Records) -> None:
    """Forty read-modify-write transactions at once lose nothing."""
    with records.begin() as tx:
        tx.execute(insert(tables.project).values(id="counter", created_at=0))

    def count() -> None:
        for _ in range(5):
            with records.begin() as tx:
                row = tx.one(select(tables.project).with_for_update())
                assert row is not None
                tx.execute(tables.project.update().values(created_at=row["created_at"] + 1))

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with records.read() as tx:
        assert tx.one(select(tables.project.c.created_at)) == {"created_at": 40.0}


def test_sqlite_is_used_safely(tmp_path: Path) -> None:
    records = Records(f"sqlite:///{tmp_path}/deep/er/records.db")
    records.migrate()
    with records.begin() as tx:
        pragma = {
            name: tx.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
        assert (tmp_path / "deep/er/records.db").exists()
        with (
            closing(sqlite3.connect(tmp_path / "deep/er/records.db", timeout=0)) as rival,
            pytest.raises(sqlite3.OperationalError, match="locked"),  # BEGIN IMMEDIATE holds the write lock at once
        ):
            rival.execute("BEGIN IMMEDIATE")
    assert pragma == {"journal_mode": "delete", "synchronous": 3, "foreign_keys": 1, "busy_timeout": 10_000}
    records.close()


def test_records_in_wal_mode_are_refused_while_another_program_holds_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "records.db"
    other = sqlite3.connect(file)
    other.execute("PRAGMA journal_mode=WAL")
    other.execute("CREATE TABLE t (x)")
    other.execute("BEGIN")
    other.execute("SELECT * FROM t").fetchall()
    monkeypatch.setattr("headgate.store.records.BUSY_S", 0.1)
    records = Records(f"sqlite:///{file}")
    with pytest.raises(Unavailable, match="busy"):
        records.migrate()
    other.close()
    records.migrate()
    with closing(sqlite3.connect(file)) as look:
        assert look.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    records.close()


def test_memory_serves_several_threads_in_turn() -> None:
    records = Records("sqlite://")
    records.migrate()
    threads = [threading.Thread(target=_add_named, args=(records, f"p{number}")) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert names(records) == [f"p{number}" for number in range(8)]
    records.close()


def _add_named(records: Records, name: str) -> None:
    with records.begin() as tx:
        add(tx, name)
    names(records)


def test_a_lock_held_elsewhere_is_said_to_be_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headgate.store.records.BUSY_S", 0.1)
    file = tmp_path / "records.db"
    records = Records(f"sqlite:///{file}")
    records.migrate()
    other = sqlite3.connect(file)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable) as problem:
        records.begin().__enter__()
    assert problem.value.code == "busy"
    other.close()
    with records.begin() as tx:
        add(tx, "a")
    records.close()


FULL = """
import json, resource, sys
from sqlalchemy import insert
from headgate.kernel import HeadgateError
from headgate.store import Records, tables
records = Records(sys.argv[1])
records.migrate()
said = []
def add(name):
    try:
        with records.begin() as tx:
            rows = [{"id": name + "x" * 5000 + str(n), "created_at": 1} for n in range(200)]
            tx.execute(insert(tables.project), rows)
        said.append("ok")
    except HeadgateError as problem:
        said.append(problem.message)
add("a")
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
add("b")
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
add("c")
print(json.dumps([said, records.broken]))
"""


def test_after_an_io_error_nothing_is_tried_again(tmp_path: Path) -> None:
    """A write that the disk refuses poisons the records of this process; a new process sees what was committed."""
    assert resource.getrlimit(resource.RLIMIT_FSIZE)
    url = f"sqlite:///{tmp_path}/records.db"
    run = subprocess.run([sys.executable, "-c", FULL, url, "1500000"], capture_output=True, text=True, check=True)
    said, broken = json.loads(run.stdout)
    assert said[0] == "ok"
    assert "disk I/O error" in said[1]
    assert said[2].startswith("the records' disk failed")
    assert "disk I/O error" in broken
    records = Records(url)
    assert [name[0] for name in names(records)] == ["a"] * 200
    records.close()


def test_addresses_that_cannot_be_used_are_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidInput, match="SQLite or PostgreSQL"):
        Records("mysql://host/name")
    records = Records("postgresql://person_a:hunter2@127.0.0.1:1/none?connect_timeout=2")
    with pytest.raises(Unavailable) as problem:
        records.begin().__enter__()
    assert "hunter2" not in str(problem.value)
    assert "127.0.0.1" in problem.value.hint
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(plugins.MissingExtra, match=r"headgate\[postgres\]"):
        Records("postgresql://host/name")
