"""Migrations: they make exactly what `schema.py` says, on both databases, once, and a look is enough afterwards."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import event, inspect, text

from headgate.kernel import Conflict, InvalidInput
from headgate.store import Balance, Records, Spans, ledger, migration, tables


def test_migrations_and_schema_agree(records_url: str) -> None:
    records = Records(records_url)
    records.migrate()
    with records.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, tables.metadata) == []
        assert described(connection, records.dialect) == expected(records)
    records.close()


def described(connection: Any, dialect: str) -> dict[str, Any]:
    look = inspect(connection)
    return {
        name: {
            "columns": {column["name"]: bool(column["nullable"]) for column in look.get_columns(name)},
            "key": look.get_pk_constraint(name)["constrained_columns"],
            "indexes": sorted(tuple(index["column_names"]) for index in look.get_indexes(name)),
            "unique": sorted(tuple(unique["column_names"]) for unique in look.get_unique_constraints(name)),
        }
        for name in look.get_table_names()
        if name != "alembic_version"
    }


def expected(records: Records) -> dict[str, Any]:
    """What `schema.py` itself creates, in an empty database of the same sort."""
    with records.engine.connect() as connection:
        if records.dialect == "postgresql":
            connection.execute(text("CREATE SCHEMA twin"))
            connection.execute(text("SET search_path TO twin"))
            tables.metadata.create_all(connection)
            return described(connection, records.dialect)
    twin = Records("sqlite://")
    with twin.engine.connect() as connection:
        tables.metadata.create_all(connection)
        return described(connection, records.dialect)


def test_head_is_the_newest_file() -> None:
    folder = Path(migration.__file__).parent / "migrations" / "versions"
    assert max(file.name[:4] for file in folder.glob("[0-9]*.py")) == migration.HEAD


def test_every_row_of_a_tenant_names_its_project() -> None:
    assert [name for name, table in tables.metadata.tables.items() if "project_id" not in table.c] == ["project"]


def test_a_look_is_enough_when_the_schema_is_there(records: Records) -> None:
    again = Records(records.url)
    with again.read():
        pass
    said: list[str] = []
    event.listen(again.engine, "before_cursor_execute", lambda *call: said.append(call[2]))
    again.migrate()
    again.close()
    assert len(said) <= 4, "a look is a statement or two, because every command takes it"
    assert not any(word in statement for statement in said for word in ("CREATE", "LOCK", "INSERT"))


def test_at_head_alembic_is_not_imported(records: Records) -> None:
    script = (
        "import sys; from headgate.store import Records; Records(sys.argv[1]).migrate();"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & {'alembic', 'obstore', 'cryptography'}))"
    )
    run = subprocess.run([sys.executable, "-c", script, records.url], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.slow
def test_several_processes_may_start_at_once(records_url: str) -> None:
    script = "import sys; from headgate.store import Records; Records(sys.argv[1]).migrate()"
    started = [subprocess.Popen([sys.executable, "-c", script, records_url], stderr=subprocess.PIPE) for _ in range(4)]
    problems = [process.communicate()[1].decode() for process in started]
    assert [process.returncode for process in started] == [0] * 4, problems
    records = Records(records_url)
    with records.read() as tx:
        assert tx.all(text("SELECT version_num FROM alembic_version")) == [{"version_num": migration.HEAD}]
    records.close()


def test_a_migration_that_fails_leaves_nothing(records_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def half(connection: Any) -> None:
        connection.execute(text("CREATE TABLE half (x INTEGER)"))
        raise RuntimeError

    records = Records(records_url)
    monkeypatch.setattr(migration, "_upgrade", half)
    with pytest.raises(RuntimeError):
        records.migrate()
    monkeypatch.undo()
    with records.engine.connect() as connection:
        assert inspect(connection).get_table_names() == []
    records.migrate()
    records.close()


def test_records_of_a_newer_headgate_are_left_alone(records: Records) -> None:
    with records.begin() as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    try:
        with pytest.raises(Conflict, match="newer"):
            records.migrate()
    finally:
        with records.begin() as tx:
            tx.execute(text(f"UPDATE alembic_version SET version_num = '{migration.HEAD}'"))


def test_records_and_traces_never_share_a_file(tmp_path: Path) -> None:
    """One file in two journal modes is how SQLite's log could be reset under a writer (P2)."""
    url = f"sqlite:///{tmp_path}/one.db"
    Spans(url, writer=True).close()
    records = Records(url)
    with pytest.raises(InvalidInput, match="file of their own"):
        records.migrate()
    records.close()
    url = f"sqlite:///{tmp_path}/two.db"
    records = Records(url)
    records.migrate()
    with pytest.raises(InvalidInput, match="records' file"):
        Spans(url, writer=True)
    records.migrate()
    records.close()
    Spans(f"sqlite:///{tmp_path}/spans.db", writer=True).close()  # the refused one let go of the writer lock


def test_what_was_spent_before_there_were_units_is_kept(records_url: str) -> None:
    """A database of the version before, with a budget and a reservation that is held in two budgets."""
    from alembic import command
    from alembic.config import Config

    records = Records(records_url)
    config = Config()
    config.set_main_option("script_location", str(Path(migration.__file__).parent / "migrations"))
    with records.engine.connect() as connection:
        if records.dialect == "sqlite":
            connection.exec_driver_sql("BEGIN")
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        connection.execute(text("INSERT INTO budget VALUES ('acme', 'app:support', '2026-01-01', 900, 100, 50, FALSE)"))
        held = "INSERT INTO reservation VALUES ('acme', 'rsv_1', 50, '[\"app:support\", \"key:k\"]', '2026-01-01', "
        connection.execute(text(held.replace(":", "\\:") + "'held', 1767225700, 1767225600)"))
        connection.commit()
    records.migrate()
    with records.begin() as tx:
        assert ledger.balance(tx, "acme", "app:support", "cost", "2026-01-01") == Balance(900, 100, 50)
        assert ledger.expire(tx, "acme", 1767225701) == 2
        assert ledger.balance(tx, "acme", "app:support", "cost", "2026-01-01") == Balance(900, 100, 0)
    records.close()
