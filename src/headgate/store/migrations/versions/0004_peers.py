"""Serving processes of the same records tell each other that they live, and which targets to leave alone."""

from __future__ import annotations

from alembic import op
from sqlalchemy import JSON, Column, Double, MetaData, String, Table, Text

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

metadata = MetaData()
peer = Table(
    "peer", metadata, Column("project_id", String(64), primary_key=True), Column("id", Text, primary_key=True),
    Column("seen_at", Double, nullable=False), Column("hints", JSON(none_as_null=True), nullable=False),
)  # fmt: skip


def upgrade() -> None:
    metadata.create_all(op.get_bind())
