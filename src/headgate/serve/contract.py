"""A contract compiled to the checks of a request and of an answer. Called by `execute`; built by `snapshot`.

It knows nothing of targets (latency, money a day): those judge releases, not requests.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from headgate.kernel import InvalidInput, units

from .guarding.looks import LONG

_WORD = re.compile(r"\w+")
_ALIKE = 0.7
_PIECE = re.compile(r"\S{1,4096}")
_MAX_MESSAGES = 1000
_MAX_CHOICES = 128
_ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
_LIMITS = ("max_tokens", "max_completion_tokens")
_THOUGHTS = ("thinking", "redacted_thinking")
"""Blocks of thought reach a provider that speaks Anthropic's wire as they are: another block among them, a picture
say, would go past what the policy accepts."""
_NUMBERS = frozenset({"temperature", "top_p", "frequency_penalty", "presence_penalty", "seed", *_LIMITS})


@dataclass(frozen=True, slots=True)
class Refusal:
    """A rule of what the app will not do: the words of each example, and the reply when it is met."""

    rule: str
    examples: tuple[frozenset[str], ...]
    reply: str | None


@dataclass(frozen=True, slots=True)
class Contract:
    """The behavioural half of a contract. `input` and `output` are None for chat, else check text against a schema.

    per_request: nano-dollars that one request may cost, None for no limit.
    """

    input: Callable[[str], str | None] | None
    output: Callable[[str], str | None] | None
    refusals: tuple[Refusal, ...]
    citations_required: bool
    per_request: int | None

    @property
    def _most_words(self) -> int:
        """How many different words a text can have that restates an example."""
        return int(max((len(words) for item in self.refusals for words in item.examples), default=0) / _ALIKE) + 1

    @property
    def rules(self) -> str:
        """The rules as a list in words, for {{ refusals }}."""
        return "\n".join(f"- {refusal.rule}" for refusal in self.refusals)

    def refused(self, question: str) -> Refusal | None:
        """Return the first rule one of whose examples the question restates: 70 % of all their words shared.

        The trap: it knows words, not meaning. It stops what was foreseen; the rest is the prompt's and the guards'.
        """
        if not self.refusals:
            return None
        words = _words(question) if len(question) <= LONG else _long_words(question, self._most_words)
        return next((item for item in self.refusals if any(_alike(words, example) for example in item.examples)), None)


def compile_contract(document: Mapping[str, Any], replies: Mapping[str, str]) -> Contract:
    """Compile the stored document; `replies` maps prompt paths to texts."""
    per_request = document.get("cost", {}).get("per_request")
    return Contract(
        _schema(document.get("input", "chat")),
        _schema(document.get("output", "chat")),
        tuple(
            Refusal(
                item["rule"],
                tuple(words for example in item.get("examples", []) if (words := _words(example))),
                replies.get(item.get("reply", "")),
            )
            for item in document.get("refuse", [])
        ),
        document.get("evidence", {}).get("citations") == "required",
        None if per_request is None else units.parse_usd(per_request),
    )


def check_body(body: Mapping[str, Any]) -> None:
    """Check that a body is a conversation that can be answered. Raises InvalidInput naming the field."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise InvalidInput("messages must be a list with at least one message")
    if len(messages) > _MAX_MESSAGES:
        raise InvalidInput(f"messages holds more than {_MAX_MESSAGES} messages")
    asked = False
    for index, message in enumerate(messages):
        role = message.get("role") if isinstance(message, dict) else None
        if not isinstance(role, str) or role not in _ROLES:
            raise InvalidInput(
                f"messages[{index}] has no role that an app knows", f"one of {', '.join(sorted(_ROLES))}"
            )
        if role == "user" and message.get("content") is None:
            raise InvalidInput(f"messages[{index}] has no content")
        if not isinstance(message.get("content"), str):
            _check_content(message.get("content"), f"messages[{index}].content")
        if len(message) > 2:
            check_beside(message, f"messages[{index}]")
        asked = asked or role == "user"
    if not asked:
        raise InvalidInput("messages holds no message of the role user")
    _check_numbers(body)


def _check_numbers(body: Mapping[str, Any]) -> None:
    for name in _NUMBERS.intersection(body):
        if not isinstance(body[name], int | float | None):
            raise InvalidInput(f"{name} must be a number")
    for name in _LIMITS:
        limit = body.get(name)
        if limit is not None and (type(limit) is not int or limit < 1):
            raise InvalidInput(f"{name} must be a whole number above 0", "or leave it out")
    if not isinstance(body.get("stream"), bool | None):
        raise InvalidInput("stream must be true or false")
    choices = body.get("n")
    if choices is not None and (type(choices) is not int or not 1 <= choices <= _MAX_CHOICES):
        raise InvalidInput(f"n must be a whole number from 1 to {_MAX_CHOICES}")


def _check_content(content: Any, where: str) -> None:
    if content is None:
        return
    if not isinstance(content, list):
        raise InvalidInput(f"{where} must be text or a list of parts")
    for place, part in enumerate(content):
        if not isinstance(part, dict) or not isinstance(part.get("type"), str):
            raise InvalidInput(
                f"{where}[{place}] must be a part with a type", 'for example {"type": "text", "text": "…"}'
            )
        if part["type"] == "text" and not isinstance(part.get("text"), str):
            raise InvalidInput(f"{where}[{place}].text must be text")


def check_beside(message: Mapping[str, Any], where: str) -> None:
    """Check what a message holds beside its text, so that whoever reads it later, a trace too, can rely on its shape.

    Raises InvalidInput naming the field.
    """
    for name in ("tool_calls", "thinking_blocks"):
        entries = message.get(name)
        if entries is not None and not (isinstance(entries, list) and all(isinstance(one, dict) for one in entries)):
            raise InvalidInput(f"{where}.{name} must be a list of objects")
    for place, block in enumerate(message.get("thinking_blocks") or ()):
        if block.get("type") not in _THOUGHTS:
            known = " or ".join(_THOUGHTS)
            raise InvalidInput(f"{where}.thinking_blocks[{place}] is no block of thought", f"its type is {known}")


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(unicodedata.normalize("NFKC", text).casefold()))


def _long_words(text: str, most: int) -> frozenset[str]:
    """Return the words of a long text, or the first few of one that has more than `most` different ones.

    It goes from piece to piece, for one long search would keep everybody else waiting.
    """
    found: set[str] = set()
    for piece in _PIECE.finditer(text):
        found |= _words(piece[0])
        if len(found) > most:
            break
    return frozenset(found)


def _alike(one: frozenset[str], other: frozenset[str]) -> bool:
    return len(one & other) >= _ALIKE * len(one | other)


def _schema(schema: Any) -> Callable[[str], str | None] | None:
    """Compile a JSON Schema to a check that returns what is wrong with a text, None when nothing is."""
    if schema == "chat":
        return None
    import jsonschema_rs

    validator = jsonschema_rs.validator_for(schema)

    def check(text: str) -> str | None:
        try:
            value = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeError) as problem:
            return f"is not JSON: {problem}"
        wrong = next(iter(validator.iter_errors(value)), None)
        return f"breaks the schema at {'/'.join(map(str, wrong.instance_path)) or 'its root'}" if wrong else None

    return check
