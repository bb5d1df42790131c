"""The loop's tables: retrainings, step by step.

A copy of what `store/schema.py` had new then; it never changes again once it is released.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import (
    JSON,
    Column,
    Double,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

metadata = MetaData()


def _project() -> Column[str]:
    return Column("project_id", String(64), nullable=False)


def _text(name: str, default: str | None = None) -> Column[str]:
    return Column(name, Text, nullable=False, default=default)


def _json(name: str, nullable: bool = False) -> Column[object]:
    return Column(name, JSON(none_as_null=True), nullable=nullable)


def _time(name: str, nullable: bool = False) -> Column[float]:
    return Column(name, Double, nullable=nullable)


def _key(name: str) -> Column[str]:
    return Column(name, Text, primary_key=True)


retraining = Table(
    "retraining", metadata, _project(), _key("id"), _text("app"), _text("environment"), _text("model"), _text("state"),
    Column("open_for", Text), Column("step", Integer, nullable=False, default=0), _json("steps"), _text("words", ""),
    _text("candidate", ""), _text("job_id", ""), _text("created_by"), _time("created_at"), _time("finished_at", True),
    UniqueConstraint("project_id", "open_for", name="uq_retraining_open"),
    Index("ix_retraining_model", "project_id", "app", "environment", "model", "created_at"),
)  # fmt: skip


def upgrade() -> None:
    """Create the tables that are new."""
    metadata.create_all(op.get_bind())
