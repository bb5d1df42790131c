"""What a model gives beside its text: tool calls, reasoning, further choices; guarded before any of it leaves. Called
by `speak` at the end of an answer. Nothing here is sent piece by piece: guards see it whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from headgate.guard import Guard, Nested, Outcome, gravest
from headgate.models import End
from headgate.serve.journey import Journey

_CALLS = ("tool_calls", "function_call", "audio")
_MARKS = frozenset({"system_fingerprint", "service_tier", "object"})
"""Fields of an answer in which a provider names itself; everything else may hold words of the model."""


def calls(end: End) -> bool:
    """Whether an answer says something other than text, so that it is whole without any."""
    message = end.extra.get("message")
    return isinstance(message, Mapping) and any(message.get(key) for key in _CALLS)


def released(journey: Journey, end: End, reasoning: str | None, changed: bool) -> Outcome | None:
    """Put what may leave beside the text on the journey; return the outcome that blocked it, if one did.

    reasoning: what left while the answer was streamed, None when it was not. changed: whether guards changed the text,
    so that its log-probabilities would give away what they took out.
    """
    extra = {key: value for key, value in end.extra.items() if key != "usage"}
    if end.fingerprint:
        extra["system_fingerprint"] = end.fingerprint
    if not extra:
        return None
    guards = journey.snapshot.policy.output
    nested = Nested(guards, "output")
    said = {key: nested.look(value) for key, value in extra.items() if key not in _MARKS}
    if nested.verdicts:
        journey.verdicts = gravest(journey.verdicts, tuple(nested.verdicts.values()))
    if nested.blocked is not None:
        return nested.blocked
    if choice := said.get("choice"):
        said["choice"] = _told(choice, guards, changed)
    if others := said.get("choices"):
        masked = others is not extra["choices"]
        said["choices"] = [_told(other, guards, masked) for other in others]
    if reasoning is not None and "message" in said:
        said["message"] = {**said["message"], **({"reasoning_content": reasoning} if reasoning else {})}
    journey.extra.update(extra | said)
    return None


def _told(choice: Mapping[str, Any], guards: Sequence[Guard], masked: bool) -> Mapping[str, Any]:
    """Return a choice, without its log-probabilities when they would say what a guard minds, or has taken out."""
    logprobs = choice.get("logprobs")
    if not logprobs or not guards:
        return choice
    # The tokens that were not chosen have passed no guard: those of each rank are read as one text.
    reader = Nested(guards, "output")
    if masked or any(reader.look(text) != text or reader.blocked for text in _ranks(logprobs)):
        return {key: value for key, value in choice.items() if key != "logprobs"}
    return choice


def _ranks(logprobs: Any) -> Iterator[str]:
    tokens = logprobs.get("content") if isinstance(logprobs, Mapping) else None
    ranks: dict[int, list[str]] = {}
    for token in tokens if isinstance(tokens, list) else ():
        for rank, other in enumerate(token.get("top_logprobs") or () if isinstance(token, Mapping) else ()):
            if isinstance(other, Mapping):
                ranks.setdefault(rank, []).append(str(other.get("token", "")))
    for said in ranks.values():
        yield "".join(said)
        yield " ".join(said)
