"""An app's guards over messages, and no model: what would be stopped, what masked, by which guard. Called by
`platform` for `/v1/guardrail/checks`.

A check is a request like others: it pins a release, counts against limits of requests, and is recorded, under a source
of its own, so that it is no traffic which monitors, drift or retraining could take for answers. It asks no provider.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from headgate.guard import Guard, Nested, Outcome, gravest
from headgate.kernel import Answer, HeadgateError, InvalidInput, Request, Unavailable, Verdict
from headgate.serve.budget import Lease
from headgate.serve.contract import check_beside
from headgate.serve.journey import Journey, TurnedAway
from headgate.serve.money.draw import count, settle
from headgate.serve.record import record
from headgate.serve.route import Destination
from headgate.serve.runtime import Runtime
from headgate.serve.snapshot import Snapshot

from .aside import aside

Side = Literal["input", "output"]
_GUARDS = Destination("guards")
_ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
_TEXTS = ("text", "input_text", "output_text")
_MOST = 1000


@dataclass(frozen=True, slots=True)
class _Looked:
    """One message as it may go on, what each guard said of it, and what stopped it."""

    message: dict[str, Any]
    verdicts: tuple[Verdict, ...]
    blocked: Outcome | None


@dataclass(frozen=True, slots=True)
class Checked:
    """What the guards said. `messages`: as given, masked; without content where something was stopped.

    said: each verdict beside the place of its message. reply: what the app would have answered instead, '' when
    nothing was stopped. answer: the account of the request, without a text.
    """

    messages: tuple[Mapping[str, Any], ...]
    said: tuple[tuple[int, Verdict], ...]
    reply: str
    answer: Answer

    @property
    def blocked(self) -> bool:
        return self.answer.status == "blocked"


async def check_messages(
    snapshot: Snapshot, request: Request, runtime: Runtime, leases: list[Lease] | None = None
) -> Checked:
    """Let a release's guards look at a request's messages: output guards at those of the role assistant, input guards
    at all others. Every message is looked at, also when another was stopped.

    Raises InvalidInput for a body that holds no messages or something no guard can read, Exhausted for a used-up limit.
    """
    journey = Journey(snapshot, request, replace(runtime, source="guards"))
    journey.destination = _GUARDS
    if leases is not None:
        journey.leases = leases
    try:
        _check_body(request.body)
        await count(journey)
        looked = await _looked(journey)
    except TurnedAway as turned:
        raise _ended(journey, turned.problem) from None
    except InvalidInput as problem:
        raise _ended(journey, problem) from None
    except Exception as problem:  # noqa: BLE001  the boundary of a request
        journey.end("error", f"internal: {type(problem).__name__}", "error")
        record(journey, _settled(journey), http_status=Unavailable.status)
        hint = f"try again; the trace {request.id} says what happened"
        raise Unavailable("the guards could not be asked", hint, code="internal") from None
    return _judged(journey, looked)


def _check_body(body: Mapping[str, Any]) -> None:
    """Refuse what is no conversation, and parts that no guard can read: nothing may pass for looked at that was not."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise InvalidInput("messages must be a list with at least one message")
    if len(messages) > _MOST:
        raise InvalidInput(f"messages holds more than {_MOST} messages")
    for index, message in enumerate(messages):
        role = message.get("role") if isinstance(message, dict) else None
        if not isinstance(role, str) or role not in _ROLES:
            raise InvalidInput(f"messages[{index}] has no role that is known", f"one of {', '.join(sorted(_ROLES))}")
        content = message.get("content")
        if not isinstance(content, str | list | None):
            raise InvalidInput(f"messages[{index}].content must be text or a list of parts")
        for place, part in enumerate(content if isinstance(content, list) else ()):
            if not _readable(part):
                raise InvalidInput(f"messages[{index}].content[{place}] is not text", "guards read text only")
        check_beside(message, f"messages[{index}]")


def _readable(part: Any) -> bool:
    """Whether a part is text and nothing beside it: a picture with a caption has not been looked at."""
    return isinstance(part, dict) and part.get("type", "text") in _TEXTS and isinstance(part.get("text"), str)


async def _looked(journey: Journey) -> list[_Looked]:
    """Look at every message; what may take long leaves the event loop."""
    policy, messages = journey.snapshot.policy, journey.request.messages
    about = journey.request.size, journey.runtime.looks
    return await aside((*policy.input, *policy.output), about, _look, journey, messages)


def _look(journey: Journey, messages: Sequence[dict[str, Any]]) -> list[_Looked]:
    policy, found = journey.snapshot.policy, dict[int, _Looked]()
    sides: tuple[tuple[Side, Sequence[Guard]], ...] = (("input", policy.input), ("output", policy.output))
    for side, guards in sides:
        places = [place for place, item in enumerate(messages) if (item["role"] == "assistant") == (side == "output")]
        if not places:
            continue
        with journey.stage(f"guard_{side}") as facts:
            said: tuple[Verdict, ...] = ()
            for place in places:
                nested = Nested(guards, side)
                found[place] = _Looked(nested.look(messages[place]), tuple(nested.verdicts.values()), nested.blocked)
                said = gravest(said, found[place].verdicts)
            facts["verdicts"] = {verdict.guard: verdict.verdict for verdict in said}
        journey.verdicts += said
    return [found[place] for place in range(len(messages))]


def _judged(journey: Journey, looked: Sequence[_Looked]) -> Checked:
    stopped = next((item.blocked for item in looked if item.blocked is not None), None)
    reply, snapshot = "", journey.snapshot
    if stopped is None or stopped.blocked is None:
        messages = [item.message for item in looked]
        journey.request = journey.request.with_messages(messages)
        # an assistant's message was freed of secrets by other guards than those that the record asks about
        journey.masked = all(message["role"] != "assistant" for message in messages)
    else:
        journey.end("blocked", stopped.blocked.guard, "content_filter")
        reply = snapshot.replies.get(stopped.reply or "", snapshot.fallback)
    answer = _settled(journey)
    record(journey, answer)
    shown = [{"role": item.message["role"]} if item.blocked is not None else item.message for item in looked]
    said = [(place, verdict) for place, item in enumerate(looked) for verdict in item.verdicts]
    return Checked(tuple(shown), tuple(said), reply, answer)


def _ended(journey: Journey, problem: HeadgateError) -> HeadgateError:
    """Record a request that could not be checked."""
    journey.end("error", problem.code, "error")
    record(journey, _settled(journey), http_status=problem.status)
    return problem


def _settled(journey: Journey) -> Answer:
    settle(journey)
    return journey.answer()
