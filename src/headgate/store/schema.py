"""Every table of the records, in one place. `migrations/` creates exactly these; a test proves it.

Times are epoch seconds (UTC), money is nano-dollars, `subject` is a keyed hash of the person that a row may speak of.
Nothing here reads or writes; other packages use the tables inside a transaction that they are given.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
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

metadata = MetaData()


def _project() -> Column[str]:
    return Column("project_id", String(64), nullable=False)


def _text(name: str, default: str | None = None, primary_key: bool = False) -> Column[str]:
    return Column(name, Text, nullable=False, default=default, primary_key=primary_key)


def _json(name: str, nullable: bool = False) -> Column[object]:
    return Column(name, JSON(none_as_null=True), nullable=nullable)


def _time(name: str, nullable: bool = False) -> Column[float]:
    return Column(name, Double, nullable=nullable)


def _key(name: str) -> Column[str]:
    return Column(name, Text, primary_key=True)


def _tenant() -> Column[str]:
    return Column("project_id", String(64), primary_key=True)


project = Table("project", metadata, _key("id"), _time("created_at"))
artifact = Table(
    "artifact", metadata, _tenant(), _key("digest"), _text("kind"), Column("schema", Integer, nullable=False),
    _text("path"), _json("document"), _json("about"), _json("blobs"), _time("created_at"), _text("created_by"),
    Index("ix_artifact_kind", "project_id", "kind", "path"),
)  # fmt: skip
version = Table(
    "version", metadata, _tenant(), _text("kind"), _key("path"), _key("digest"), Column("seq", Integer, nullable=False),
    _time("created_at"), _text("created_by"),
)  # fmt: skip
release = Table(
    "release", metadata, _tenant(), _key("digest"), _text("app"), _json("manifest"), _time("created_at"),
    _text("created_by"), _text("note", ""), _json("authors"),
    Index("ix_release_app", "project_id", "app", "created_at"),
)  # fmt: skip
environment = Table(
    "environment", metadata, _tenant(), _key("app"), _key("name"), Column("generation", Integer, nullable=False),
    Column("stable", Text), Column("previous", Text), _time("started_at", True), _json("rules", True),
    Column("rules_digest", Text), Column("rules_by", Text),
)  # fmt: skip
environment_history = Table(
    "environment_history", metadata, _tenant(), _key("app"), _key("name"),
    Column("generation", Integer, primary_key=True), Column("stable", Text), _text("action"), _text("person"),
    _time("at"), _json("detail"),
)  # fmt: skip
evidence = Table(
    "evidence", metadata, _project(), _key("id"), _text("release"), _text("app"), Column("digest", Text), _json("pins"),
    _text("state"), _time("started_at"), _time("finished_at", True), _json("summary", True), Column("job_id", Text),
    _text("created_by"), Index("ix_evidence_release", "project_id", "release", "started_at"),
)  # fmt: skip
case_result = Table(
    "case_result", metadata, _project(), _key("evidence_id"), _key("suite"), _key("scenario"),
    Column("repeat", Integer, primary_key=True), _text("verdict"), _json("scores"), _json("answer"), _text("trace_id"),
    Column("cost_nano", BigInteger, nullable=False), Column("latency_us", BigInteger, nullable=False),
    _text("subject", ""),
)  # fmt: skip
model_call = Table(
    "model_call", metadata, _project(), _key("evidence_id"), _key("key"), _json("response"),
    Column("cost_nano", BigInteger, nullable=False), _time("at"),
)  # fmt: skip
approval = Table(
    "approval", metadata, _project(), _key("id"), _text("release"), _text("app"), _text("environment"),
    _text("evidence_digest"), _text("rules_digest"), _text("baseline"), _text("person"),
    Column("verified", Boolean, nullable=False), _time("at"), _text("note", ""),
    UniqueConstraint("project_id", "release", "environment", "evidence_digest", "rules_digest", "baseline", "person",
                     name="uq_approval_person"),
)  # fmt: skip
api_key = Table(
    "api_key", metadata, _project(), _key("id"), Column("hash", Text, nullable=False, unique=True), _text("person"),
    _text("name", ""), _json("roles"), _time("created_at"), _text("created_by"), _time("revoked_at", True),
    Column("budget_per_day", BigInteger), Column("team", Text),
)  # fmt: skip
audit = Table(
    "audit", metadata, _tenant(), Column("seq", Integer, primary_key=True, autoincrement=False), _time("at"),
    _text("actor"), _text("action"), _text("target"), _json("detail"), _text("previous"), _text("hash"),
)  # fmt: skip
audit_checkpoint = Table(
    "audit_checkpoint", metadata, _tenant(), Column("seq", Integer, primary_key=True, autoincrement=False),
    _text("hash"), _text("signature"), _time("at"),
)  # fmt: skip
budget = Table(
    "budget", metadata, _tenant(), _key("scope"), _key("unit"), _key("window"), Column("most", BigInteger),
    Column("settled", BigInteger, nullable=False, default=0), Column("reserved", BigInteger, nullable=False, default=0),
    Column("frozen", Boolean, nullable=False, default=False), _time("forget_at"),
    Index("ix_budget_forget", "project_id", "forget_at"),
)  # fmt: skip
reservation = Table(
    "reservation", metadata, _tenant(), _key("id"), _text("scope"), _text("unit"), _text("window"),
    Column("amount", BigInteger, nullable=False), _text("state"), _time("lease_until"), _time("made_at"),
    Index("ix_reservation_lease", "project_id", "state", "lease_until"),
)  # fmt: skip
limits = Table("limits", metadata, _tenant(), _key("scope"), _json("rates"), _time("at"), _text("person"))
peer = Table("peer", metadata, _tenant(), _key("id"), _time("seen_at"), _json("hints"))
job = Table(
    "job", metadata, _key("id"), _project(), _text("operation"), _json("arguments"), _text("person"), _text("state"),
    Column("attempts", Integer, nullable=False, default=0), Column("token", Integer, nullable=False, default=0),
    Column("owner", Text), _time("lease_until", True), _json("progress", True), _json("result", True),
    _json("error", True), _time("created_at"), _time("finished_at", True), Index("ix_job_state", "state", "created_at"),
)  # fmt: skip
idempotency = Table(
    "idempotency", metadata, _tenant(), _key("key"), _text("operation"), _text("request_hash"), _json("result"),
    _time("at"),
)  # fmt: skip
alert = Table(
    "alert", metadata, _project(), _key("id"), _text("monitor"), _text("app"), _text("environment"),
    Column("value", Double, nullable=False), Column("threshold", Double, nullable=False), _json("detail"), _time("at"),
    _text("incident_id"), Index("ix_alert_at", "project_id", "at"),
)  # fmt: skip
incident = Table(
    "incident", metadata, _project(), _key("id"), _text("app"), _text("environment"), _text("release"), _text("title"),
    _text("state"), _text("source"), _json("trace_ids"), _json("detail"), _time("opened_at"), _time("closed_at", True),
    _text("subject", ""), Column("scenario", Text), Index("ix_incident_state", "project_id", "state", "opened_at"),
)  # fmt: skip
review = Table(
    "review", metadata, _project(), _key("id"), _text("kind"), _text("app"), _text("trace_id"), _json("question"),
    _text("state"), _json("decision", True), Column("person", Text), _time("created_at"), _time("decided_at", True),
    _text("subject", ""), Index("ix_review_state", "project_id", "state", "created_at"),
)  # fmt: skip
feedback = Table(
    "feedback", metadata, _project(), _key("id"), _text("trace_id"), Column("rating", Integer),
    Column("correction", Text), Column("comment", Text), _text("person"), _time("at"), _text("subject", ""),
    Index("ix_feedback_trace", "project_id", "trace_id"),
)  # fmt: skip
proposal = Table(
    "proposal", metadata, _project(), _key("id"), _text("file"), _text("text"), _text("header"), _text("reason"),
    _text("state"), _time("created_at"), _text("created_by"), _time("applied_at", True), _text("subject", ""),
    Index("ix_proposal_state", "project_id", "state", "created_at"),
)  # fmt: skip
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
