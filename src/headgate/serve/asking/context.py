"""What a model is given: prompt, conversation and sources, fitted to a budget of tokens. Called by `execute`.

A client's messages go on as the guards let them pass, with their parts, calls and whatever else they hold. Tokens are
estimated as UTF-8 bytes / 4, rounded up, 1 000 for a part that is no text, plus 4 a message. System messages and
everything from the last user message on are always kept; the oldest turns go first; sources go last, the weakest first.
It must not call anything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from headgate.kernel import Passage, text_of
from headgate.models import content_words

from .prompt import Prompt, Template

_PER_MESSAGE = 4
_PER_PART = 1000
_BY_ITSELF = 2000
"""Characters from which a question makes sense without the one before it."""
_SYSTEM = ("system", "developer")
_FOLLOWS = re.compile(
    r"^(and|but|or|so|what about|how about|what if|then)\b|\b(it|they|that|those|this|one|there)\b", re.I
)

Message = dict[str, Any]


class Fitted(Struct, frozen=True, gc=False):
    """Messages as sent, the passages that the prompt shows (numbered from 1), and what had to be left out."""

    messages: list[Message]
    passages: tuple[Passage, ...]
    tokens: int
    dropped_turns: int = 0
    dropped_passages: int = 0


class _Split(Struct, frozen=True, gc=False):
    """A conversation around its last user message."""

    history: list[Message]
    question: Message
    tail: list[Message]


def fit(
    prompt: Prompt,
    conversation: Sequence[Message],
    passages: tuple[Passage, ...],
    values: Mapping[str, str],
    budget: int,
) -> Fitted:
    """Build the messages for a model within `budget` tokens; the conversation holds at least one user message.

    `values` fills the placeholders other than `sources`. What is always kept may exceed the budget by itself; then
    nothing else is in it.
    """
    split = _split(conversation)
    shown = passages if prompt.shows_sources else ()
    before, after = _frame(prompt, split, shown, values)
    history, dropped, tokens = [message for message in split.history if message["role"] in _SYSTEM], 0, 0
    said = _estimates(history)
    fixed = said + _estimates(before) + _estimates(after)
    if len(history) < len(split.history):
        history, dropped, tokens = _newest(split.history, budget - fixed)
    while shown and fixed > budget:
        shown = shown[:-1]
        before, after = _frame(prompt, split, shown, values)
        fixed = said + _estimates(before) + _estimates(after)
    offered = len(passages) if prompt.shows_sources else 0
    return Fitted([*before, *history, *after], shown, fixed + tokens, dropped, offered - len(shown))


def _estimates(messages: Sequence[Message]) -> int:
    total = 0
    for message in messages:
        total += estimate(message)
    return total


def estimate(message: Message) -> int:
    """Return the estimated tokens of one message: UTF-8 bytes / 4, rounded up, 1 000 a part that is no text, plus 4."""
    content = message.get("content")
    if isinstance(content, str) and len(message) == 2:
        return (_bytes(content) + 3) // 4 + _PER_MESSAGE
    parts = content if isinstance(content, list) else []
    others = sum(1 for part in parts if part.get("type") != "text")
    size = _bytes(text_of(content)) + sum(
        len(msgspec.json.encode(value)) for key, value in message.items() if key not in ("role", "content")
    )
    return (size + 3) // 4 + others * _PER_PART + _PER_MESSAGE


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def numbered(passages: Sequence[Passage]) -> str:
    """Render sources as a prompt shows them: `[1] Heading (page)` and the text, a blank line between."""
    return "\n\n".join(
        f"[{number}] {passage.heading} ({passage.source})\n{passage.text}"
        if passage.heading
        else f"[{number}] ({passage.source})\n{passage.text}"
        for number, passage in enumerate(passages, 1)
    )


def in_context(conversation: Sequence[Message]) -> str:
    """Return what the last user message asks: itself, led by the user's message before it when it only makes sense
    after that one (`And in Canada?`). Routing and retrieval read this; the model is given the whole conversation."""
    asked = [text_of(message.get("content")) for message in conversation if message.get("role") == "user"]
    question = asked[-1] if asked else ""
    if len(asked) < 2 or len(question) > _BY_ITSELF:
        return question
    words = set(content_words(question))
    follows = len(words) <= 2 or (len(words) <= 4 and _FOLLOWS.search(question.strip()) is not None)
    return f"{asked[-2]}\n{question}" if follows else question


def _split(conversation: Sequence[Message]) -> _Split:
    last = len(conversation) - 1
    while conversation[last]["role"] != "user":
        last -= 1
    return _Split(list(conversation[:last]), conversation[last], list(conversation[last + 1 :]))


def _frame(
    prompt: Prompt, split: _Split, passages: Sequence[Passage], values: Mapping[str, str]
) -> tuple[list[Message], list[Message]]:
    """Return what stands before the conversation's history and what stands after it."""
    filled = {**values, "sources": numbered(passages)} if prompt.shows_sources else values
    before = _rendered(prompt.before, filled)
    for question, reply in prompt.examples:
        before += [{"role": "user", "content": question}, {"role": "assistant", "content": reply}]
    asked = split.question
    if prompt.question is not None:
        asked = {**asked, "content": _wrapped(asked["content"], prompt.question.render(filled))}
    return before, [asked, *split.tail, *_rendered(prompt.after, filled)]


def _rendered(turns: Sequence[tuple[str, Template]], values: Mapping[str, str]) -> list[Message]:
    return [{"role": role, "content": template.render(values)} for role, template in turns]


def _wrapped(content: Any, text: str) -> Any:
    """Return the text that the prompt makes of a question, with the parts of the question that are no text."""
    others = [part for part in content if part.get("type") != "text"] if isinstance(content, list) else []
    return [{"type": "text", "text": text}, *others] if others else text


def _newest(history: list[Message], room: int) -> tuple[list[Message], int, int]:
    """Return system messages and as many of the newest turns as fit, the number of turns left out, their tokens.

    A kept stretch begins with a user's turn: an answer without its question, or a tool's without its call, misleads.
    """
    turns = [(index, estimate(turn)) for index, turn in enumerate(history) if turn["role"] not in _SYSTEM]
    first = len(turns)
    while first and turns[first - 1][1] <= room:
        first -= 1
        room -= turns[first][1]
    while 0 < first < len(turns) and history[turns[first][0]]["role"] != "user":
        first += 1
    kept = {index for index, _ in turns[first:]}
    chosen = [turn for index, turn in enumerate(history) if index in kept or turn["role"] in _SYSTEM]
    return chosen, first, sum(cost for _, cost in turns[first:])
