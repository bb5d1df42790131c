"""Asking the models of a plan: a chain from left to right, failing over only before the first text. Called by `speak`.

A refusal for content is never taken elsewhere (P12). Whatever `hear` raises, or a cancellation, ends every call
upstream and gives its place back (P9).
"""

from __future__ import annotations

from headgate.models import End, ProviderError

from .calling.attempt import Hear, Plan
from .calling.course import Course
from .calling.race import Failed, Race
from .journey import Journey


async def generate(journey: Journey, plan: Plan, hear: Hear) -> End:
    """Hand on one model's deltas and return its end; what was used is booked on the journey either way.

    Raises Unanswered, or TurnedAway with Crowded when no target had a place; that before anything was heard.
    """
    course = Course(journey, plan)
    while (attempt := await course.next()) is not None:
        try:
            if plan.hedge_s is None:
                return await attempt.run(hear)
            return await Race(course).run(attempt, plan.hedge_s, hear)
        except ProviderError as problem:
            await course.failed(attempt, problem)
        except Failed as failed:
            await course.failed(failed.attempt, failed.problem)
    raise course.over()
