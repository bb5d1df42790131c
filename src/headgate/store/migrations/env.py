"""Alembic's entry: runs migrations on the connection that `store.migration` holds the lock on."""

from alembic import context

from headgate.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=False)
context.run_migrations()
