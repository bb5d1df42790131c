"""What waits for a person, oldest first, and one question at a time to be decided with the keyboard."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from headgate.kernel import Conflict
from headgate.ui.visit import Visit

_QUEUE = 200
_SHOWN = 60
_DECIDED = 20
_KEYS = "1234567890"


async def browse(visit: Visit) -> Response:
    """List the queue, oldest first, and what was decided lately."""
    queue = await _queue(visit)
    decided = (await visit.call("review.list", state="decided", limit=1000))["reviews"]
    lately = sorted(decided, key=lambda item: item["decided_at"] or "", reverse=True)[:_DECIDED]
    return visit.page(
        "reviews.html",
        queue=[{**item, "words": question(item)} for item in queue[:_SHOWN]],
        waiting=len(queue),
        full=len(queue) == _QUEUE,
        decided=[{**item, "words": question(item)} for item in lately],
    )


async def _queue(visit: Visit) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await visit.call("review.list", state="open", limit=_QUEUE))["reviews"]
    return found


def question(review: dict[str, Any]) -> str:
    """Return what a review asks about, in one line of text."""
    asked = review["question"]
    said = [turn.get("content", "") for turn in asked.get("messages", []) if turn.get("role") == "user"]
    return str(said[-1] if said else asked.get("text") or asked.get("title") or review["kind"])


async def show(visit: Visit) -> Response:
    """Show one question with everything that is needed to decide it, and where the queue goes on."""
    review = await visit.call("review.show", review_id=visit.part("review"))
    queue = [item["id"] for item in await _queue(visit)]
    labels = review["question"].get("labels") or []
    return visit.page(
        "reviews_one.html",
        review=review,
        asked=review["question"],
        words=question(review),
        labels=[(label, _KEYS[place] if place < len(_KEYS) else "") for place, label in enumerate(labels)],
        after=_after(queue, review["id"]),
        place=queue.index(review["id"]) + 1 if review["id"] in queue else 0,
        waiting=len(queue),
    )


def _after(queue: list[str], review_id: str) -> str:
    """Return the next open review in the queue's order, from the start again after the last; '' for none."""
    if review_id not in queue:
        return queue[0] if queue else ""
    place = queue.index(review_id)
    others = [*queue[place + 1 :], *queue[:place]]
    return others[0] if others else ""


async def decide(visit: Visit) -> Response:
    """Take a decision and go on to the next question."""
    review_id = visit.part("review")
    queue = [item["id"] for item in await _queue(visit)]
    following = _after(queue, review_id)
    answer, label = visit.field("answer"), visit.field("label")
    to = f"/reviews/{following}" if following else "/reviews"
    try:
        await visit.call("review.decide", review_id=review_id, answer=answer, label=label, note=visit.field("note"))
    except Conflict as problem:
        return visit.done(to, f"{problem.message}. Yours was not kept.", "warn")
    told = f"Labelled {label}." if label else "The answer is kept for the app to fetch."
    return visit.done(to, f"{told} {len(queue) - 1} left." if following else f"{told} The queue is empty.")
