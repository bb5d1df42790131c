"""What users say of an answer, tied to its trace. A thumb down with a correction opens an incident."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import insert, select

from headgate.kernel import InvalidInput, iso, new_id
from headgate.observe import OpenIncident, find_record, open_incident
from headgate.store import Context, tables


class Feedback(BaseModel):
    """One user's word on one answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    trace_id: str = Field(description="the answer's x-headgate-trace")
    rating: Literal["up", "down"] | None = Field(None, description="up or down")
    correction: str | None = Field(None, max_length=8000, description="what the answer should have said")
    comment: str | None = Field(None, max_length=8000, description="anything else")


class FeedbackAdded(BaseModel):
    model_config = ConfigDict(frozen=True)
    id: str
    trace_id: str
    incident_id: str | None = None


class FeedbackQuery(BaseModel):
    """Which feedback to list."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    trace_id: str | None = Field(None, description="only on this trace: all of its 32 digits")
    limit: int = Field(50, ge=1, le=1000, description="how many at most")


class FeedbackGiven(BaseModel):
    """What somebody said of an answer."""

    model_config = ConfigDict(frozen=True)
    id: str
    trace_id: str
    rating: Literal["up", "down"] | None
    correction: str | None
    comment: str | None
    person: str
    at: str


class FeedbackList(BaseModel):
    model_config = ConfigDict(frozen=True)
    feedback: list[FeedbackGiven]


def list_feedback(ctx: Context, request: FeedbackQuery) -> FeedbackList:
    """List feedback, newest first."""
    table = tables.feedback
    query = select(table).where(table.c.project_id == ctx.project).order_by(table.c.at.desc(), table.c.id.desc())
    if request.trace_id:
        query = query.where(table.c.trace_id == request.trace_id.lower())
    ratings: dict[int | None, Literal["up", "down"]] = {1: "up", -1: "down"}
    names = ("id", "trace_id", "correction", "comment", "person")
    return FeedbackList(
        feedback=[
            FeedbackGiven(**{name: row[name] for name in names}, rating=ratings.get(row["rating"]), at=iso(row["at"]))
            for row in ctx.tx.all(query.limit(request.limit))
        ]
    )


def add_feedback(ctx: Context, request: Feedback) -> FeedbackAdded:
    """Store feedback on a trace. Raises NotFound for an unknown trace, InvalidInput when nothing is said."""
    if request.rating is None and not request.correction and not request.comment:
        raise InvalidInput("the feedback says nothing", "give a rating, a correction or a comment")
    record = find_record(ctx.store.spans, ctx.principal.project, request.trace_id)
    feedback_id = new_id("fb")
    ctx.tx.execute(
        insert(tables.feedback).values(
            project_id=ctx.principal.project,
            id=feedback_id,
            trace_id=record.trace_id,
            rating={"up": 1, "down": -1}.get(request.rating or ""),
            correction=request.correction,
            comment=request.comment,
            person=ctx.principal.person,
            at=ctx.clock.now(),
            subject=record.subject,
        )
    )
    incident_id = None
    if request.rating == "down" and request.correction:
        incident = OpenIncident(
            app=record.app,
            environment=record.environment,
            release=record.release,
            title=f"corrected by a user: trace {record.trace_id[:12]}",
            source="feedback",
            trace_ids=[record.trace_id],
            detail={"feedback": feedback_id},
            subject=record.subject,
        )
        incident_id = open_incident(ctx.tx, ctx.principal.project, incident, ctx.clock.now())
    return FeedbackAdded(id=feedback_id, trace_id=record.trace_id, incident_id=incident_id)
