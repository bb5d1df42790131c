"""What a model is given: prompt, conversation and sources, fitted to a budget of tokens. Called by `execute`.

Tokens are estimated as UTF-8 bytes / 4, rounded up, plus 4 a message. System messages and the last user message are
always kept; the oldest turns go first; sources go last, the weakest first. It must not call anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headgate.kernel import Passage, text_of

from .prompt import Prompt

_PER_MESSAGE = 4
_PER_PART = 800
_SYSTEM = ("system", "developer")

Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Fitted:
    """Messages as sent, the passages that the prompt shows (numbered from 1), and what had to be left out."""

    messages: list[Message]
    passages: tuple[Passage, ...]
    tokens: int
    dropped_turns: int = 0
    dropped_passages: int = 0


@dataclass(frozen=True, slots=True)
class _Split:
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
    """Build the messages for a model within `budget` tokens.

    `values` fills the placeholders other than `sources`. What is always kept may exceed the budget by itself; then
    nothing else is in it.
    """
    split = _split(conversation)
    shown = passages if prompt.shows_sources else ()
    before, after = _frame(prompt, split, shown, values)
    said = sum(estimate(message) for message in split.history if message.get("role") in _SYSTEM)
    fixed = said + sum(estimate(message) for message in (*before, *after))
    history, dropped, tokens = _newest(split.history, budget - fixed)
    while shown and fixed > budget:
        shown = shown[:-1]
        before, after = _frame(prompt, split, shown, values)
        fixed = said + sum(estimate(message) for message in (*before, *after))
    offered = len(passages) if prompt.shows_sources else 0
    return Fitted([*before, *history, *after], shown, fixed + tokens, dropped, offered - len(shown))


def estimate(message: Message) -> int:
    """Return the estimated tokens of one message: UTF-8 bytes / 4, rounded up, plus 4; other parts than text 800."""
    content = message.get("content")
    parts = (
        sum(part.get("type") != "text" for part in content if isinstance(part, dict))
        if isinstance(content, list)
        else 0
    )
    text = content if isinstance(content, str) else text_of(content)
    size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
    return (size + 3) // 4 + _PER_MESSAGE + _PER_PART * parts


def numbered(passages: Sequence[Passage]) -> str:
    """Render sources as a prompt shows them: `[1] Heading (page)` and the text, a blank line between."""
    return "\n\n".join(
        f"[{number}] {passage.heading} ({passage.source})\n{passage.text}"
        if passage.heading
        else f"[{number}] ({passage.source})\n{passage.text}"
        for number, passage in enumerate(passages, 1)
    )


def _split(conversation: Sequence[Message]) -> _Split:
    last = max((index for index, message in enumerate(conversation) if message.get("role") == "user"), default=-1)
    if last < 0:
        return _Split(list(conversation), {"role": "user", "content": ""}, [])
    return _Split(list(conversation[:last]), conversation[last], list(conversation[last + 1 :]))


def _frame(
    prompt: Prompt, split: _Split, passages: Sequence[Passage], values: Mapping[str, str]
) -> tuple[list[Message], list[Message]]:
    """Return what stands before the conversation's history and what stands after it."""
    filled = {**values, "sources": numbered(passages)} if prompt.shows_sources else values
    before = [{"role": role, "content": template.render(filled)} for role, template in prompt.before]
    for question, reply in prompt.examples:
        before += [{"role": "user", "content": question}, {"role": "assistant", "content": reply}]
    asked = split.question
    if prompt.question is not None:
        asked = {**asked, "content": _wrapped(asked.get("content"), prompt.question.render(filled))}
    after = [{"role": role, "content": template.render(filled)} for role, template in prompt.after]
    return before, [asked, *split.tail, *after]


def _wrapped(content: Any, text: str) -> Any:
    """Put the rendered text where the question's text was; images and other parts stay."""
    others = (
        [part for part in content if not (isinstance(part, dict) and part.get("type") == "text")]
        if isinstance(content, list)
        else []
    )
    return [{"type": "text", "text": text}, *others] if others else text


def _newest(history: list[Message], room: int) -> tuple[list[Message], int, int]:
    """Return system messages and as many of the newest turns as fit, the number of turns left out, their tokens.

    A kept stretch begins with a user's turn: an answer without its question, or a tool's without its call, misleads.
    """
    turns = [(index, estimate(turn)) for index, turn in enumerate(history) if turn.get("role") not in _SYSTEM]
    first = len(turns)
    while first and turns[first - 1][1] <= room:
        first -= 1
        room -= turns[first][1]
    while 0 < first < len(turns) and history[turns[first][0]].get("role") != "user":
        first += 1
    kept = {index for index, _ in turns[first:]}
    chosen = [turn for index, turn in enumerate(history) if index in kept or turn.get("role") in _SYSTEM]
    return chosen, first, sum(cost for _, cost in turns[first:])
