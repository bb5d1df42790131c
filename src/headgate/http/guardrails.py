"""`POST /v1/guardrail/checks`: an app's guards over a text or messages, without a model. Called by the app.

The request has the shape of a chat, the answer NeMo Guardrails' names (`status`, `rails_status`) and beside them what
these leave out: every verdict, on which message, and the messages as masked. Errors are OpenAI's.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from headgate.kernel import InvalidInput
from headgate.platform import Checked, Gateway, Known, Turn

from .bodies import CHAT_LIMIT, decode_object
from .exchange import Exchange, TraceIds, limit_headers
from .meters import Meters

PATH = "/v1/guardrail/checks"
_STOPPED = ("block", "error_blocked")


class Guardrails:
    """The route of guards alone, of one gateway."""

    def __init__(self, gateway: Gateway, meters: Meters, trace_ids: TraceIds) -> None:
        self.gateway, self.meters, self.trace_ids = gateway, meters, trace_ids

    async def checks(self, exchange: Exchange, known: Known) -> None:
        """Check one conversation. Raises HeadgateError before anything was sent."""
        content = await exchange.body(CHAT_LIMIT)
        body = _conversation(decode_object(content))
        trace_id = self.trace_ids.of(exchange.headers.get("traceparent", ""))
        session = exchange.headers.get("x-headgate-session", "")[:128]
        turn = await self.gateway.open(known, body, trace_id, session, len(content))
        exchange.facts |= {"app": turn.pin.app, "environment": turn.pin.environment, "release": turn.pin.release[7:19]}
        exchange.facts["trace"] = trace_id
        if known.principal.key_id:
            exchange.facts["key"] = known.principal.key_id
        checked = await turn.check()
        exchange.facts["outcome"] = "blocked" if checked.blocked else "passed"
        self.meters.checked(turn.pin.app, turn.pin.environment, checked.blocked)
        await exchange.json(200, _shown(turn, checked), _headers(turn, checked))


def _conversation(body: dict[str, Any]) -> dict[str, Any]:
    """Return a body with messages: `input`, as moderation endpoints call it, is a text of the user, or several."""
    given = body.get("input")
    if given is None:
        return body
    if "messages" in body:
        raise InvalidInput("send either `messages` or `input`")
    texts: Sequence[Any] = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise InvalidInput("input must be a text or a list of texts", "or send `messages`, with their roles")
    rest = {name: value for name, value in body.items() if name != "input"}
    return {**rest, "messages": [{"role": "user", "content": text} for text in texts]}


def _shown(turn: Turn, checked: Checked) -> dict[str, Any]:
    found: dict[str, Any] = {
        "id": turn.request.id,
        "object": "guardrail.check",
        "created": int(time.time()),
        "model": turn.request.body["model"],
        "status": "blocked" if checked.blocked else "success",
        "rails_status": _rails(checked),
        "guards": [
            {
                "guard": verdict.guard,
                "side": verdict.side,
                "message": place,
                "verdict": verdict.verdict,
                "observed": verdict.observed,
                "value": verdict.value,
                "label": verdict.label,
                "explanation": verdict.explanation,
            }
            for place, verdict in checked.said
        ],
        "messages": checked.messages,
    }
    return {**found, "reply": checked.reply} if checked.blocked else found


def _rails(checked: Checked) -> Mapping[str, Mapping[str, str]]:
    """Return of each guard whether it stopped anything, under `input injection`, `output terms`."""
    found: dict[str, dict[str, str]] = {}
    for _, verdict in checked.said:
        stopped = verdict.verdict in _STOPPED and not verdict.observed
        held = found.setdefault(f"{verdict.side} {verdict.guard}", {"status": "success"})
        if stopped:
            held["status"] = "blocked"
    return found


def _headers(turn: Turn, checked: Checked) -> list[tuple[bytes, bytes]]:
    return [
        (b"x-headgate-release", turn.pin.release.encode()),
        (b"x-headgate-trace", turn.request.id.encode()),
        (b"x-headgate-overhead-ms", f"{checked.answer.overhead_us / 1000:.3f}".encode()),
        *limit_headers(turn.standings(), time.time()),
    ]
