"""Schema changes, applied by one process under a lock. Alembic is imported only when there is something to apply."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from headgate.kernel import Conflict, InvalidInput

HEAD = "0004"
"""The newest version; a test proves that it is the newest file of `migrations/versions/`."""
_LOCK = 0x6865616467617465


def migrate(engine: Engine) -> None:
    """Bring `engine`'s schema to HEAD; safe to call from several processes at once.

    Raises Conflict for a database that a newer Headgate has written, InvalidInput for a file of traces.
    """
    with engine.connect() as connection:
        if current(connection) == HEAD:
            return
        connection.rollback()
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN EXCLUSIVE")
        else:
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
        found = current(connection)
        if found is not None and found > HEAD:
            raise Conflict("these records were written by a newer Headgate", "upgrade Headgate")
        if engine.dialect.name == "sqlite" and inspect(connection).has_table("span_schema"):
            raise InvalidInput("records cannot be stored in the traces' file", "they need a file of their own")
        if found != HEAD:
            _upgrade(connection)
        connection.commit()


def current(connection: Connection) -> str | None:
    """Return the schema's version, None for an empty database."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    row = connection.execute(text("SELECT version_num FROM alembic_version")).first()
    return None if row is None else str(row[0])


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, HEAD)
