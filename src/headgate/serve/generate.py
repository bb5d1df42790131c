"""Asking the models of a plan: a chain from left to right, failing over only before the first text. Called by `speak`.

Yields what the provider yields. A refusal for content is never taken elsewhere (P12). Leaving the iterator cancels
every call upstream and gives its place back (P9).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from headgate.models import Delta, End, ProviderError

from .calling.attempt import Plan
from .calling.course import Course
from .calling.race import Failed, Race
from .journey import Journey


async def generate(journey: Journey, plan: Plan) -> AsyncGenerator[Delta | End, None]:
    """Yield one model's deltas and its end; what was used is booked on the journey either way.

    Raises Unanswered, or TurnedAway with Crowded when no target had a place; that before any event.
    """
    course = Course(journey, plan)
    while (attempt := await course.next()) is not None:
        calls = attempt.events() if plan.hedge_s is None else Race(course).events(attempt, plan.hedge_s)
        try:
            async with aclosing(calls) as events:
                async for event in events:
                    yield event
            return
        except ProviderError as problem:
            await course.failed(attempt, problem)
        except Failed as failed:
            await course.failed(failed.attempt, failed.problem)
    raise course.over()
