"""The loop's tables: retrainings, step by step; sketches of what models are asked and say.

A copy of what `store/schema.py` had new then; it never changes again once it is released.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
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


def _tenant() -> Column[str]:
    return Column("project_id", String(64), primary_key=True)


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
drift_reference = Table(
    "drift_reference", metadata, _tenant(), _key("model"), Column("behaviour", Integer, nullable=False),
    Column("content", LargeBinary, nullable=False), _time("at"),
)  # fmt: skip
drift_bucket = Table(
    "drift_bucket", metadata, _tenant(), _key("model"), _key("app"), _key("environment"), _key("feature"),
    Column("start", Double, primary_key=True), Column("content", LargeBinary, nullable=False),
    Index("ix_drift_bucket_start", "project_id", "start"),
)  # fmt: skip
drift_progress = Table(
    "drift_progress", metadata, _tenant(), Column("number", BigInteger, nullable=False),
    Column("seen", LargeBinary, nullable=False), Column("turn", Integer, nullable=False), _time("thinned"),
)  # fmt: skip


def upgrade() -> None:
    """Create the tables that are new."""
    metadata.create_all(op.get_bind())
