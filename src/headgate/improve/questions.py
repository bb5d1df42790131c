"""Label questions to people: what is this request about? Opened for an incident or for traces; operation `review.ask`.

Called by on-call people, and by feedback that names a label. Nothing is learned here: a decided question becomes a row
when the model is trained again.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import insert, select

from headgate import artifacts
from headgate.evaluate import find_release
from headgate.kernel import HeadgateError, InvalidInput, NotFound, RequestRecord, new_id
from headgate.observe import Incident, find_record, get_incident
from headgate.serve import in_context
from headgate.store import Context, SpanQuery, tables

from .code_folder import CodeFolder
from .labels import Target, clean

_WINDOW_S = 86_400.0
_LOOKED_AT = 2000
_WORD = re.compile(r"\w+")


class AskLabels(BaseModel):
    """Which requests people shall label: those of an incident, or traces by hand."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    incident_id: str | None = Field(None, description="ask about this incident's examples, inc_…")
    trace_ids: list[str] = Field(default_factory=list, max_length=500, description="ask about these traces")
    count: int = Field(20, ge=1, le=500, description="how many questions at most")


class LabelsAsked(BaseModel):
    """The questions that were opened, most telling first, and how many requests were left out for which reason."""

    model_config = ConfigDict(frozen=True)
    model: str
    labels: list[str]
    opened: list[str]
    left_out: dict[str, int]
    words: str


@dataclass(frozen=True, slots=True)
class Trained:
    """A model as a release pins it: where it comes from, what it is given, and which labels it may be taught."""

    path: str
    digest: str
    dataset: str
    target: Target
    labels: tuple[str, ...]


def ask_labels(ctx: Context, request: AskLabels) -> LabelsAsked:
    """Open one label question for each telling request, the least certain first, none about the same text twice.

    Raises InvalidInput when nothing names a request, NotFound for an unknown incident, trace or model.
    """
    incident = get_incident(ctx.tx, ctx.project, request.incident_id) if request.incident_id else None
    records, left_out = _records(ctx, incident, request)
    if not records:
        raise InvalidInput("there is no request to ask about", "name an incident with traces, or --trace-ids")
    path = _model_path(ctx, incident, records[0])
    trained = model_of(ctx, records[0].release, path)
    asked = _asked(ctx, trained)
    opened: list[str] = []
    for record in records:
        if len(opened) >= request.count:
            break
        question = question_of(record, trained, incident.id if incident else "")
        reason = _unfit(question, trained, asked)
        if reason:
            left_out[reason] += 1
            continue
        asked.add(trained.target.key(question["row"]))
        opened.append(open_label(ctx, record, question))
    words = f"{len(opened)} label questions for {path}; answer them with `headgate review decide ID --label …`"
    return LabelsAsked(model=path, labels=list(trained.labels), opened=opened, left_out=dict(left_out), words=words)


def open_label(ctx: Context, record: RequestRecord, question: Mapping[str, Any]) -> str:
    """Store one label question and return the review's id."""
    review_id = new_id("rev")
    row = {
        "project_id": ctx.project, "id": review_id, "kind": "label", "app": record.app, "trace_id": record.trace_id,
        "question": dict(question), "state": "open", "created_at": ctx.now, "subject": record.subject,
    }  # fmt: skip
    ctx.tx.execute(insert(tables.review).values(**row))
    return review_id


def model_of(ctx: Context, release: str, path: str) -> Trained:
    """Return a model as `release` pins it, with the labels that its dataset allows. Raises NotFound."""
    manifest = find_release(ctx.tx, ctx.project, release)["manifest"]
    pin = manifest["pins"].get(path)
    if pin is None or pin["kind"] != "model":
        known = [name for name, item in manifest["pins"].items() if item["kind"] == "model"]
        raise NotFound(f"this release has no model {path!r}", f"it has {', '.join(known) or 'none'}")
    stored = artifacts.get(ctx.tx, ctx.project, pin["digest"])
    about = stored.about
    if "dataset" not in about:
        raise NotFound(f"nobody knows what {path} was trained on", "only models of `headgate train` can be retrained")
    columns = artifacts.get(ctx.tx, ctx.project, about["dataset"]).document["columns"]
    target = Target(tuple(about["features"]), about["target"], tuple(column["name"] for column in columns))
    labels = _allowed(ctx, about["data"], about["target"]) or tuple(stored.document["labels"])
    return Trained(path, pin["digest"], about["data"], target, labels)


def question_of(record: RequestRecord, trained: Trained, incident: str = "") -> dict[str, Any]:
    """Return what a reviewer is shown: the masked text, what the model said and how sure it was, the valid labels."""
    row, said = _features(record, trained.target), _said(record)
    return {
        "model": trained.path,
        "text": " · ".join(str(value) for value in row.values()),
        "row": row,
        "predicted": said[0],
        "confidence": said[1],
        "labels": list(trained.labels),
        "metadata": _metadata(record, trained.target),
        "incident": incident,
    }


def _records(ctx: Context, incident: Incident | None, request: AskLabels) -> tuple[list[RequestRecord], Counter[str]]:
    """Return the requests to ask about, most telling first: those named, then an incident's, then those around it."""
    left_out: Counter[str] = Counter()
    named = [find_record(ctx.store.spans, ctx.project, name) for name in request.trace_ids]
    if incident is None:
        return named, left_out
    found = []
    for name in incident.trace_ids:
        try:
            found.append(find_record(ctx.store.spans, ctx.project, name))
        except NotFound:
            left_out["the trace is gone"] += 1
    around: list[RequestRecord] = []
    if incident.detail.get("monitor") == "drift" and len(found) < request.count:
        around = _around(ctx, incident, {record.trace_id for record in found})
    told = _telling(incident)
    return [*named, *sorted(found, key=told), *sorted(around, key=told)], left_out


def _telling(incident: Incident) -> Callable[[RequestRecord], tuple[int, float]]:
    """Return the order in which requests tell most: those with a word, then with a label that rose, then the newest.

    Within the first two the least sure come first: a label teaches most where the model was in doubt.
    """
    moved = incident.detail.get("moved") or ()
    rising = {str(item["name"]).casefold() for item in moved if item.get("now", 0) > item.get("before", 0)}

    def place(record: RequestRecord) -> tuple[int, float]:
        asked = [str(turn.get("content", "")) for turn in record.payload.get("messages", ())[-1:]]
        words = set(_WORD.findall(" ".join(asked).casefold()))
        if words & rising or record.label.casefold() in rising:
            return (0 if words & rising else 1), _said(record)[1] or 0.0
        return 2, -record.at

    return place


def _around(ctx: Context, incident: Incident, known: set[str]) -> list[RequestRecord]:
    """Return the live requests of the incident's app and environment since a day before the newest one."""
    query = SpanQuery(
        ctx.project, incident.app, incident.environment, source="live", since=ctx.now - _WINDOW_S, limit=_LOOKED_AT,
        payload=True,
    )  # fmt: skip
    return [record for record in ctx.store.spans.find(query) if record.trace_id not in known]


def _model_path(ctx: Context, incident: Incident | None, record: RequestRecord) -> str:
    """Return which model is asked about: the incident's, the one on the record, or the app's router."""
    for found in ((incident.detail if incident else {}).get("model"), *_recorded(record)):
        if isinstance(found, str) and found.startswith("models/"):
            return found.partition("@")[0]
    pins = find_release(ctx.tx, ctx.project, record.release)["manifest"]["pins"]
    document = artifacts.get(ctx.tx, ctx.project, pins[f"apps/{record.app}"]["digest"]).document
    path = document.get("route", {}).get("model")
    if path is None:
        raise InvalidInput(f"{record.app} has no model that decides routes", "there is nothing to label")
    return str(path)


def _recorded(record: RequestRecord) -> Iterator[Any]:
    yield record.attributes.get("model_path")
    yield record.attributes.get("model")


def _features(record: RequestRecord, target: Target) -> dict[str, Any]:
    """Return what the model was given, personal data removed: rows of a prediction, or the question of a chat."""
    rows = record.payload.get("rows")
    if isinstance(rows, Sequence) and rows and isinstance(rows[0], Mapping):
        given = rows[0]
        found = {name: given.get(name) for name in target.features}
    else:
        question = in_context(record.payload.get("messages", []))
        first, *others = target.features
        found = {first: question, **{name: record.attributes.get(name) for name in others}}
    return {name: clean(value) if isinstance(value, str) else value for name, value in found.items()}


def _said(record: RequestRecord) -> tuple[str, float | None]:
    confidence = record.attributes.get("confidence")
    if confidence is None:
        stage = next((stage for stage in record.stages if stage.get("name") == "route"), {})
        confidence = (stage.get("facts") or {}).get("confidence")
    return record.label, float(confidence) if confidence is not None else None


def _metadata(record: RequestRecord, target: Target) -> dict[str, Any]:
    other = [name for name in target.columns if name not in (*target.features, target.label)]
    return {name: record.attributes[name] for name in other if isinstance(record.attributes.get(name), str)}


def _allowed(ctx: Context, dataset: str, column: str) -> tuple[str, ...]:
    """Return the labels that the dataset's expectations list, when this server has the project's files."""
    folder = ctx.services.get(CodeFolder)
    if folder is None:
        return ()
    try:
        found = folder.expectations(dataset).columns.get(column)
    except HeadgateError:
        return ()
    return tuple(str(value) for value in (found.in_ or ())) if found else ()


def _asked(ctx: Context, trained: Trained) -> set[tuple[str, ...]]:
    """Return what was asked about this model before, decided or not."""
    table = tables.review
    rows = ctx.tx.all(select(table.c.question).where(table.c.project_id == ctx.project, table.c.kind == "label"))
    questions = [row["question"] for row in rows if row["question"].get("model") == trained.path]
    return {trained.target.key(question.get("row") or {}) for question in questions}


def _unfit(question: Mapping[str, Any], trained: Trained, asked: set[tuple[str, ...]]) -> str:
    if not any(value not in (None, "") for value in question["row"].values()):
        return "nothing of it was stored"
    return "it was asked before" if trained.target.key(question["row"]) in asked else ""
