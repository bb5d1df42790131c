"""A streamed answer as events of the Responses API. Called by the edge `openai-responses`.

Events are numbered, items and their parts are opened and closed, and exactly one event is last. An item of reasoning
is closed at the end, before the message: only then is known what a provider wants handed back with it.
"""

from __future__ import annotations

from typing import Any

import msgspec

from headgate.kernel import Answer, HeadgateError
from headgate.models.edge import Asked, said_by
from headgate.models.sse import sse

from . import _responses_answer as answers
from .openai_chat import error_body

Object = dict[str, Any]
_DELTA = "response.output_text.delta"
_encode = msgspec.json.Encoder().encode
_CALLS = {
    "function_call": ("response.function_call_arguments", "arguments"),
    "custom_tool_call": ("response.custom_tool_call_input", "input"),
}


class Encoder:
    """Writes the events of one answer."""

    __slots__ = (
        "_asked", "_items", "_message", "_next", "_out", "_piece", "_reasoning", "_refused", "_text", "_thought",
        "_thoughts",
    )  # fmt: skip

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._next = 0
        self._out: list[bytes] = []
        self._items: dict[int, Object] = {}
        self._reasoning: int | None = None
        self._message: int | None = None
        self._thoughts: list[str] = []
        self._thought: list[str] | None = None
        self._text: list[str] = []
        self._refused: list[str] = []
        self._piece = b""

    def start(self) -> bytes:
        body = answers.opened(self._asked)
        self._say("response.created", response=body)
        self._say("response.in_progress", response=body)
        return self._taken()

    def text(self, piece: str) -> bytes:
        if not self._piece or self._refused or self._thought is not None:
            self._say_text(piece)
            return self._taken()
        self._text.append(piece)
        number, self._next = self._next, self._next + 1
        return b'%s%d,"delta":%s,"logprobs":[]}\n\n' % (self._piece, number, _encode(piece))

    def refusal(self, piece: str) -> bytes:
        self._say_refusal(piece)
        return self._taken()

    def reasoning(self, piece: str) -> bytes:
        self._say_reasoning(piece)
        return self._taken()

    def end(self, answer: Answer) -> bytes:
        """Return the rest of the text, the ends of what is open, the calls, and the Response itself."""
        said = said_by(answer)
        whole = said.get("reasoning_content")
        if self._reasoning is None and (whole or said.get("thinking_blocks")):
            self._say_reasoning(whole if isinstance(whole, str) else "")
        calls = answers.call_items(answer)
        self._say_rest(answer, said)
        if self._message is None and self._reasoning is None and not calls:
            self._say_text("")
        self._close_reasoning(said)
        self._close_message(answer, said)
        for item in calls:
            self._say_call(item)
        body = answers.finished(answer, self._asked, [self._items[index] for index in sorted(self._items)])
        self._say(f"response.{body['status']}", response=body)
        return self._taken()

    def error(self, error: HeadgateError) -> bytes:
        """Return the event `error`: flat as the reference has it, and with the object that clients raise."""
        told = error_body(error)["error"]
        flat = {"code": told["code"], "message": told["message"], "param": told["param"]}
        self._say("error", **flat, error=told)
        return self._taken()

    def _say_rest(self, answer: Answer, said: Object) -> None:
        """Say what of the answer was not said piece by piece."""
        text, refusal = answers.told_apart(answer, said)
        sent, refused = "".join(self._text), "".join(self._refused)
        if sent + refused != answer.text and text.startswith(sent) and refusal.startswith(refused):
            if text[len(sent) :]:
                self._say_text(text[len(sent) :])
            if refusal[len(refused) :]:
                self._say_refusal(refusal[len(refused) :])

    def _say_text(self, piece: str) -> None:
        self._end_thought()
        at = self._open_message()
        if not self._text:
            self._say("response.content_part.added", **self._at(at), content_index=0, part=answers.text_part(""))
        self._text.append(piece)
        if not piece:
            return
        self._say(_DELTA, **self._at(at), content_index=0, delta=piece, logprobs=[])
        # Every piece that follows differs in its number and text alone: what stands before them is encoded once.
        head = {"type": _DELTA, **self._at(at), "content_index": 0}
        self._piece = f"event: {_DELTA}\ndata: ".encode() + _encode(head)[:-1] + b',"sequence_number":'

    def _say_refusal(self, piece: str) -> None:
        """Say a piece of a refusal: a part of its own, behind the text if there is any."""
        self._end_thought()
        where = {**self._at(self._open_message()), "content_index": int(bool(self._text))}
        if not self._refused:
            self._say("response.content_part.added", **where, part=answers.refusal_part(""))
        self._refused.append(piece)
        self._say("response.refusal.delta", **where, delta=piece)

    def _open_message(self) -> int:
        if self._message is None:
            self._message = self._open(answers.message_item(self._asked.trace_id, [], "in_progress", {}))
        return self._message

    def _close_message(self, answer: Answer, said: Object) -> None:
        if (at := self._message) is None:
            return
        where = self._at(at)
        parts = [self._close_text(where, answer)] if self._text else []
        if self._refused:
            where["content_index"] = len(parts)
            part = answers.refusal_part("".join(self._refused))
            self._say("response.refusal.done", **where, refusal=part["refusal"])
            self._say("response.content_part.done", **where, part=part)
            parts.append(part)
        status, _ = answers.status_of(answer)
        self._close(at, answers.message_item(self._asked.trace_id, parts, status, said))

    def _close_text(self, where: Object, answer: Answer) -> Object:
        text = "".join(self._text)
        part = answers.text_part(text, answer)
        self._say("response.output_text.done", **where, content_index=0, text=text, logprobs=part["logprobs"])
        for number, one in enumerate(part["annotations"]):
            place = {**where, "content_index": 0, "annotation_index": number}
            self._say("response.output_text.annotation.added", **place, annotation=one)
        self._say("response.content_part.done", **where, content_index=0, part=part)
        return part

    def _say_reasoning(self, piece: str) -> None:
        at = self._reasoning
        if at is None:
            at = self._reasoning = self._open(answers.reasoning_item(self._asked.trace_id, [], {}))
        if not piece:
            return
        where = {**self._at(at), "summary_index": len(self._thoughts)}
        if self._thought is None:
            self._thought = []
            self._say("response.reasoning_summary_part.added", **where, part=answers.summary_part(""))
        self._thought.append(piece)
        self._say("response.reasoning_summary_text.delta", **where, delta=piece)

    def _end_thought(self) -> None:
        if self._thought is None or self._reasoning is None:
            return
        text, where = "".join(self._thought), {**self._at(self._reasoning), "summary_index": len(self._thoughts)}
        self._say("response.reasoning_summary_text.done", **where, text=text)
        self._say("response.reasoning_summary_part.done", **where, part=answers.summary_part(text))
        self._thoughts.append(text)
        self._thought = None

    def _close_reasoning(self, said: Object) -> None:
        self._end_thought()
        if self._reasoning is not None:
            item = answers.reasoning_item(self._asked.trace_id, self._thoughts, said)
            self._close(self._reasoning, item)

    def _say_call(self, item: Object) -> None:
        event, key = _CALLS[item["type"]]
        begun = {**item, key: ""} | ({"status": "in_progress"} if "status" in item else {})
        at = self._open(begun)
        where = {"output_index": at, "item_id": item["id"]}
        self._say(f"{event}.delta", **where, delta=item[key])
        self._say(f"{event}.done", **where, **{key: item[key], "name": item["name"]})
        self._close(at, item)

    def _open(self, item: Object) -> int:
        at = len(self._items)
        self._items[at] = item
        self._say("response.output_item.added", output_index=at, item=item)
        return at

    def _close(self, at: int, item: Object) -> None:
        self._items[at] = item
        self._say("response.output_item.done", output_index=at, item=item)

    def _at(self, at: int) -> Object:
        return {"output_index": at, "item_id": self._items[at]["id"]}

    def _say(self, event: str, **data: Any) -> None:
        self._out.append(sse({"type": event, "sequence_number": self._next, **data}, event))
        self._next += 1

    def _taken(self) -> bytes:
        out = b"".join(self._out)
        self._out.clear()
        return out
