"""What is kept of a request: one record for the span file. Called by `execute` at the end of every request.

The conversation in it is the masked one, its size is bounded, and it never holds a key: a request that a guard stopped
is scrubbed of secrets and personal data once more, because the guard that stopped it may not have masked it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from headgate.guard import Memory, digest
from headgate.kernel import Answer, Passage, RequestRecord, text_of
from headgate.measure import find_pii, find_secrets, mask

from .guarding.looks import LONG
from .journey import Journey
from .telling import kept

_MESSAGES = 40
_TEXT = 8_000
_PASSAGES = 20
_MANY = LONG // 4
_STOPPED = frozenset({"block", "error_blocked"})


def record(journey: Journey, answer: Answer, http_status: int = 200) -> None:
    """Hand one request to the recorder; never waits. Where somebody waits for the answer, that goes first."""
    later = journey.runtime.later
    if later is None:
        _hand_on(journey, answer, http_status)
    elif journey.request.size > LONG or answer.usage.output_tokens > _MANY:
        journey.runtime.looks.soon(journey.request.size, partial(_hand_on, journey, answer, http_status))
    else:
        later(_hand_on, journey, answer, http_status)


def _hand_on(journey: Journey, answer: Answer, http_status: int) -> None:
    """A recorder that breaks must not take the answer with it."""
    try:
        journey.runtime.recorder.record(_record(journey, answer, http_status))
    except Exception:  # noqa: BLE001  plugin call: a recorder counts what it loses itself
        return


def _record(journey: Journey, answer: Answer, http_status: int) -> RequestRecord:
    request, runtime = journey.request, journey.runtime
    try:
        payload, attributes = _payload(journey, answer), _attributes(journey, answer)
    except Exception as problem:  # noqa: BLE001  the boundary of a request: it leaves its row, whatever was said in it
        payload, attributes = {}, {"unkept": type(problem).__name__}
    return RequestRecord(
        trace_id=request.id,
        project=runtime.project,
        at=journey.started_at,
        app=journey.snapshot.app,
        environment=runtime.environment,
        release=answer.release,
        source=runtime.source,
        route=answer.route,
        label=answer.label,
        model=answer.model,
        status=answer.status,
        reason=answer.reason,
        key_id=request.key_id,
        session=request.session,
        subject=request.subject,
        input_tokens=answer.usage.input_tokens,
        output_tokens=answer.usage.output_tokens,
        cost_nano=answer.cost_nano,
        latency_us=answer.latency_us,
        first_token_us=answer.first_token_us,
        overhead_us=answer.overhead_us,
        attempts=answer.attempts,
        grounding=answer.grounding.value if answer.grounding else None,
        blocked_by=_stopped(answer) if answer.status == "blocked" else "",
        http_status=http_status,
        stages=tuple(
            [
                {"name": item.name, "start_us": item.start_us, "took_us": item.took_us, "facts": item.facts}
                for item in answer.stages
            ]
        ),
        payload=payload,
        attributes=attributes,
    )


def _stopped(answer: Answer) -> str:
    return next((item.guard for item in answer.verdicts if item.verdict in _STOPPED and not item.observed), "")


def _payload(journey: Journey, answer: Answer) -> Mapping[str, Any]:
    """Return the conversation, the answer and its passages; texts that nobody has freed of secrets are freed here."""
    unscrubbed = journey.snapshot.unscrubbed
    messages = [message for message in journey.request.messages[-_MESSAGES:] if isinstance(message, dict)]
    secrets = _secrets(journey.snapshot.clean) if unscrubbed else _nothing
    asked = _all if not journey.masked else secrets if "input" in unscrubbed else _nothing
    said = secrets if "output" in unscrubbed else _nothing
    found: dict[str, Any] = {
        "messages": [kept.message(item, asked) for item in messages],
        "answer": said(answer.text[:_TEXT]),
        "passages": [_passage(item) for item in answer.passages[:_PASSAGES]],
        "citations": list(answer.citations),
        "sentences": [[said(item[0]), *item[1:]] for item in answer.grounding.sentences] if answer.grounding else [],
    }
    if answer.extra:
        found |= _beside(answer, said)
    if journey.rejected:
        found["rejected"] = said(journey.rejected[:_TEXT])
    return found


def _beside(answer: Answer, said: Callable[[str], str]) -> dict[str, Any]:
    """Return what the model gave beside its text: calls, reasoning, further answers."""
    beside = answer.extra.get("message")
    if not beside and "choices" not in answer.extra:
        return {}
    found = kept.calls(beside, said) if beside else {}
    if beside and (reasoning := beside.get("reasoning_content")):
        found["reasoning"] = said(str(reasoning)[:_TEXT])
    if others := answer.extra.get("choices"):
        found["choices"] = [said(text_of((other.get("message") or {}).get("content"))[:_TEXT]) for other in others[:20]]
    return found


def _passage(item: Passage) -> dict[str, Any]:
    found = {"source": item.source, "heading": item.heading, "text": item.text[:_TEXT]}
    return {**found, "score": round(item.score, 4), "digest": item.digest}


def _nothing(text: str) -> str:
    return text


def _secrets(clean: Memory) -> Callable[[str], str]:
    """Return what takes secrets out of a text; one that is known to be clean costs a hash."""

    def scrub(text: str) -> str:
        mark = digest(text)
        if mark in clean:
            return text
        found = find_secrets(text)
        if found:
            return mask(text, found)
        clean.add(mark)
        return text

    return scrub


def _all(text: str) -> str:
    return mask(text, [*find_secrets(text), *find_pii(text)])


def _attributes(journey: Journey, answer: Answer) -> Mapping[str, Any]:
    """Return what traces are searched by beside the columns: how it ended, what guards that only observe would have
    done, who routed it, the router's other inputs."""
    found: dict[str, Any] = {"finish_reason": answer.finish_reason}
    _observed(answer, found)
    router = journey.snapshot.router
    if router is None:
        return found
    routed = next((stage.facts for stage in answer.stages if stage.name == "route"), {})
    if "confidence" in routed:
        model = journey.snapshot.models[router.path]
        found |= {"model_path": model.path, "model_digest": model.digest, "confidence": routed["confidence"]}
    metadata = journey.request.body.get("metadata")
    if isinstance(metadata, Mapping):
        for name, sort in router.inputs:
            value = metadata.get(name)
            if sort == "category" and isinstance(value, str):
                found[name] = value[:80]
            elif sort == "number" and isinstance(value, int | float):
                found[name] = float(value)
    return found


def _observed(answer: Answer, found: dict[str, Any]) -> None:
    """Add what observing guards would have done, `observed.input.injection: block`, and that any would have."""
    for item in answer.verdicts:
        if item.observed and item.verdict not in ("pass", "skipped"):
            found["observed"] = True
            found[f"observed.{item.side}.{item.guard}"] = item.verdict
