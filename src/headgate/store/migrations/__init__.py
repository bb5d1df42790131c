"""Alembic's folder: `env.py` connects it to the caller's connection, `versions/` holds the changes in order."""
