"""The tables of the span file: one narrow row a request, and its payload beside it. Created by whoever writes first."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Double, Index, Integer, LargeBinary, MetaData, String, Table, Text

VERSION = 1
metadata = MetaData()

request = Table(
    "request",
    metadata,
    Column("project_id", String(64), primary_key=True),
    Column("trace_id", String(64), primary_key=True),
    Column("at", Double, nullable=False),
    Column("app", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("release", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("route", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("session", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("input_tokens", Integer, nullable=False),
    Column("output_tokens", Integer, nullable=False),
    Column("cost_nano", BigInteger, nullable=False),
    Column("latency_us", BigInteger, nullable=False),
    Column("first_token_us", BigInteger, nullable=False),
    Column("overhead_us", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("grounding", Double),
    Column("blocked_by", Text, nullable=False),
    Column("http_status", Integer, nullable=False),
    Column("attributes", Text, nullable=False),
    Index("ix_request_at", "project_id", "at"),
    Index("ix_request_release", "project_id", "release", "at"),
    Index("ix_request_status", "project_id", "status", "at"),
    Index("ix_request_subject", "project_id", "subject"),
)
payload = Table(
    "payload",
    metadata,
    Column("project_id", String(64), primary_key=True),
    Column("trace_id", String(64), primary_key=True),
    Column("stages", LargeBinary, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("words", Text, nullable=False),
)
span_schema = Table("span_schema", metadata, Column("version", Integer, primary_key=True))
