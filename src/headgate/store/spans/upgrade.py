"""The span tables made, or brought up to date where an older Headgate made them. Called by `spans` for a writer.

Everything happens in one transaction: a process that is killed meanwhile leaves the old tables as they were.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Engine, insert, inspect, select, text, update

from headgate.kernel import Conflict
from headgate.store.records import told

from . import table, word_index
from .inserting import Insert
from .rollup import Tally
from .table import VERSION, Values
from .words import fold

_LOCK = 0x6865616467617370
_CHUNK = 2_000
_SEARCHED = (
    "CREATE INDEX IF NOT EXISTS ix_request_text ON request USING gin (to_tsvector('simple', text))",
    "CREATE INDEX IF NOT EXISTS ix_request_attributes ON request USING gin (string_to_array(attributes, E'\\x1f'))",
    "CREATE INDEX IF NOT EXISTS ix_request_status ON request (project_id, status, id)",
    "CREATE INDEX IF NOT EXISTS ix_request_release ON request (project_id, release, id)",
    "CREATE INDEX IF NOT EXISTS ix_request_session ON request (project_id, session, id)",
)


def prepare(engine: Engine, url: str) -> None:
    """Make the tables when they are absent, bring older ones up to date. Raises Conflict for a newer schema."""
    with told("traces", url), engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
        else:
            connection.exec_driver_sql("BEGIN IMMEDIATE")  # the driver begins for rows only, not for tables
        version = version_of(connection)
        if version is not None and version > VERSION:
            raise Conflict("these traces were written by a newer Headgate", "upgrade Headgate")
        if version == 1:
            _set_aside(connection)
        table.metadata.create_all(connection)
        if engine.dialect.name == "postgresql":
            for statement in _SEARCHED:
                connection.execute(text(statement))
        else:
            word_index.create(connection)
        if version is None:
            connection.execute(insert(table.schema).values(version=VERSION))
        elif version < VERSION:
            if version == 1:
                _take_over(connection)  # version 2 packs stages by name, which is still read
            connection.execute(update(table.schema).values(version=VERSION))


def version_of(connection: Connection) -> int | None:
    """Return the version of the tables that are there, None for none."""
    if not inspect(connection).has_table(table.schema.name):
        return None
    return connection.execute(select(table.schema.c.version)).scalar()


def _set_aside(connection: Connection) -> None:
    """Give the table of version 1 another name, and its indexes up."""
    for name in ("ix_request_at", "ix_request_release", "ix_request_status"):
        connection.execute(text(f"DROP INDEX IF EXISTS {name}"))
    connection.execute(text("ALTER TABLE request RENAME TO request_1"))
    if connection.dialect.name == "postgresql":
        connection.execute(text("ALTER TABLE request_1 DROP CONSTRAINT request_pkey"))


def _take_over(connection: Connection) -> None:
    """Copy the rows of version 1: ordered by time, their words folded, counted in the roll-ups, to be indexed."""
    dialect = connection.dialect.name
    into = Insert(table.request, ("project_id", "trace_id"), dialect, again=table.renumbered)
    tally = Tally(dialect)
    columns = ", ".join(f'"{name}"' for name in table.COLUMNS[1:])
    query = text(f"SELECT {columns} FROM request_1").execution_options(stream_results=True)
    with connection.execute(query) as found:
        for chunk in found.partitions(_CHUNK):
            rows = list(into(connection, [_renewed(old) for old in chunk]).values())
            tally.add(rows)
            if dialect == "sqlite":
                word_index.note_new(connection, rows)
    tally.write(connection)
    connection.execute(text("DROP TABLE request_1"))


def _renewed(old: Sequence[Any]) -> Values:
    values = [0, *old]
    values[0], values[table.TEXT] = table.new_id(values[table.AT]), fold(values[table.TEXT])
    return tuple(values)
