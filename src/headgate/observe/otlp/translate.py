"""A foreign span in our words: which model, how many tokens, what it cost, who asked what and what was answered.

Called by `platform.telemetry`, off the event loop, ten thousand times a second: each attribute is looked up once, by
its name, and text is searched only where there is some. Pure: the same span gives the same record.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from headgate.kernel import SpanRecord
from headgate.models import Tokens, listed_cost

from .cleaning import Clean, Cleaner, kept
from .conversation import Groups, Turns, parsed, payload_of, shown, turns_of
from .names import AROUND, CONTENT, EVENTS, INDEXED, LISTED, NAMES, PROVIDERS, SORTS
from .sent import Sent

_KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
_STATUSES = ("unset", "ok", "error")
_ATTRIBUTES = 128
_EVENTS = 64
_LINKS = 32
_NAME = 300
_MOST = 2**53
_INDEXED = tuple(INDEXED)
_PLAIN = (
    "gen_ai.request.", "gen_ai.response.", "server.", "network.", "net.", "telemetry.", "otel.", "process.runtime.",
    "thread.", "code.", "service.", "host.", "os.", "k8s.", "container.", "cloud.", "deployment.",
)  # fmt: skip
_SECRETIVE = re.compile(r"authorization|cookie|api[-_]?key|password|passwd|secret|credential|x-amz-security", re.I)
_EXTRA = {
    "cached_tokens": "gen_ai.usage.cache_read.input_tokens",
    "written_tokens": "gen_ai.usage.cache_creation.input_tokens",
    "reasoning_tokens": "gen_ai.usage.reasoning.output_tokens",
}

Sort = Literal["content", "word", "person", "indexed", "plain", "secret", "free"]


class _Rule(NamedTuple):
    sort: Sort
    word: str = ""
    rank: int = 0
    number: int = 0
    path: str = ""


@lru_cache(maxsize=8192)
def _rule(name: str) -> _Rule:
    """Return what to do with an attribute of this name."""
    if name in NAMES:
        word, rank = NAMES[name]
        return _Rule("person" if word == "subject" else "content" if word in CONTENT else "word", word, rank)
    if name.startswith(_INDEXED):
        prefix = next(prefix for prefix in _INDEXED if name.startswith(prefix))
        number, _, path = name[len(prefix) :].partition(".")
        if number.isdigit() and len(number) < 6:
            return _Rule("indexed", "vector" if path.endswith(".vector") else INDEXED[prefix], 0, int(number), path)
    if _SECRETIVE.search(name):
        return _Rule("secret")
    return _Rule("plain" if name.startswith(_PLAIN) else "free")


class _Found:
    """What the attributes of one span say: values by word, names with numbers, messages of events, and the rest."""

    __slots__ = ("clean", "content", "indexed", "ranks", "rest", "told", "words")

    def __init__(self, clean: Clean) -> None:
        self.clean, self.content = clean, False
        self.words: dict[str, Any] = {}
        self.ranks: dict[str, int] = {}
        self.rest: dict[str, Any] = {}
        self.indexed: dict[str, Groups] = {}
        self.told: Turns = []

    def read(self, attributes: Mapping[str, Any], keep: bool = True) -> None:
        """Read names and values. keep: whether those that are no content stay attributes."""
        words, ranks, rest, clean = self.words, self.ranks, self.rest, self.clean
        for name, value in attributes.items():
            sort, word, rank, number, path = _rule(name)
            if word and sort != "indexed":
                if value is not None and rank < ranks.get(word, _MOST):
                    words[word], ranks[word] = value, rank
                    if sort == "content":
                        self.content = True
                if sort != "word":
                    continue
            elif sort == "indexed":
                if word != "vector":
                    self.content = True
                    self.indexed.setdefault(word, {}).setdefault(number, {})[path] = value
                continue
            if keep:
                plain = type(value) is int or (sort == "word" and type(value) is str and _is_a_name(value))
                rest[name] = value if plain else _kept(sort, value, clean)

    def number(self, word: str) -> int | None:
        value = self.words.get(word)
        return None if value is None else whole(value)

    def text(self, word: str) -> str:
        value = self.words.get(word)
        return value if isinstance(value, str) else "" if value is None else shown(value)


def translate(spans: Iterable[Sent], project: str, subject_of: Callable[[str], str]) -> list[SpanRecord]:
    """Return the records of spans that came together; `subject_of` hashes the name of a person.

    The project is the caller's own: nothing that a span says can choose another.
    """
    spans = list(spans)
    cleaner = Cleaner()
    records = list(_records(spans, project, subject_of, cleaner.note))
    return list(_records(spans, project, subject_of, cleaner)) if cleaner.look() else records


def _records(
    spans: Iterable[Sent], project: str, subject_of: Callable[[str], str], clean: Clean
) -> Iterator[SpanRecord]:
    last: Mapping[str, Any] | None = None
    resource: dict[str, Any] = {}
    for sent in spans:
        if sent.resource is not last:
            last = sent.resource
            resource = {name: _kept(_rule(name).sort, value, clean) for name, value in list(last.items())[:_ATTRIBUTES]}
        yield _record(sent, project, subject_of, resource, clean)


def _record(
    sent: Sent, project: str, subject_of: Callable[[str], str], resource: dict[str, Any], clean: Clean
) -> SpanRecord:
    found = _Found(clean)
    found.read(sent.attributes)
    events = _events(sent, found) if sent.events else ()
    operation = _operation(found)
    provider = _provider(found)
    model = (found.text("model") or found.text("asked_model"))[:_NAME]
    given, got, cost = _spent(found, operation, provider, model)
    failed = sent.status == 2 or found.words.get("level") == "ERROR"
    asker = "tool" if operation == "execute_tool" else "user"
    person, session = found.text("subject"), found.text("session")[:128]
    message = sent.message or found.text("problem")
    return SpanRecord(
        project=project,
        trace_id=sent.trace_id,
        span_id=sent.span_id,
        parent_id=sent.parent_id,
        name=sent.name[:_NAME],
        kind=_KINDS[sent.kind] if 0 <= sent.kind < len(_KINDS) else "unspecified",
        at=sent.start_ns / 1e9,
        took_us=max(0, sent.end_ns - sent.start_ns) // 1000,
        status="error" if failed else _STATUSES[sent.status] if 0 <= sent.status < 2 else "unset",
        message=clean(message[:1000]) if message else "",
        service=shown(resource.get("service.name", ""))[:_NAME],
        environment=_environment(found, resource)[:_NAME],
        scope=sent.scope[:_NAME],
        operation=operation,
        provider=provider,
        model=model,
        session=session if _is_a_name(session) else clean(session),
        subject=subject_of(person) if person else "",
        input_tokens=given,
        output_tokens=got,
        cost_nano=cost,
        attributes=_attributes(found),
        events=events,
        links=tuple(_link(link, clean) for link in sent.links[:_LINKS]) if sent.links else (),
        resource=resource,
        payload=payload_of(found.words, found.indexed, found.told, clean, asker) if found.content else {},
    )


def _attributes(found: _Found) -> dict[str, Any]:
    """Return the attributes as received, with counts that others call differently under their names of today."""
    rest = found.rest
    for word, name in _EXTRA.items():
        if word in found.words and name not in rest and (number := found.number(word)) is not None:
            rest[name] = number
    if len(rest) > _ATTRIBUTES:
        dropped = len(rest) - _ATTRIBUTES
        rest = dict(list(rest.items())[:_ATTRIBUTES]) | {"dropped_attributes": dropped}
    return rest


def _events(sent: Sent, found: _Found) -> tuple[Mapping[str, Any], ...]:
    """Read the messages that events hold, and return the events, without what is content."""
    events = []
    for event in sent.events[:_EVENTS]:
        attributes = event["attributes"]
        role = EVENTS.get(event["name"])
        if role == "attributes":
            found.read(attributes, keep=False)
            attributes = {}
        elif role is not None:
            found.told.append(_told(role, attributes))
            found.content = True
            attributes = {}
        rest = {
            name: _kept(_rule(name).sort, value, found.clean) for name, value in list(attributes.items())[:_ATTRIBUTES]
        }
        events.append({"name": event["name"][:_NAME], "at": event["at"], "attributes": rest})
    return tuple(events)


def _told(role: str, attributes: Mapping[str, Any]) -> tuple[str, str]:
    """Return the turn of one event: `content`, a `message` that has it, or both inside `gen_ai.event.content`."""
    body = parsed(shown(attributes.get("gen_ai.event.content", ""))) or attributes
    if isinstance(body, Mapping):
        message = body.get("message")
        message = parsed(message) if isinstance(message, str) else message
        body = message if isinstance(message, Mapping) else {"content": message} if message else body
        body = {name: value for name, value in body.items() if name in ("content", "role", "tool_calls", "parts")}
        body = body if "content" in body or "parts" in body else body | {"content": ""}
    turns = turns_of(body, role)
    said = turns[0] if turns else (role, "")
    return ("choice" if role == "choice" else said[0], said[1])


def _operation(found: _Found) -> str:
    told = found.text("operation") or found.text("sort")
    if told:
        lowered = told.lower()
        return SORTS.get(lowered, lowered)[:_NAME]
    return "chat" if "input_tokens" in found.words else ""


def _provider(found: _Found) -> str:
    told = (found.text("provider") or found.text("maker")).lower()[:_NAME]
    if told in LISTED:
        return told
    return PROVIDERS.get(told) or ("openai" if told.startswith("openai.") else told)


def _environment(found: _Found, resource: Mapping[str, Any]) -> str:
    for value in (resource.get("deployment.environment.name"), resource.get("deployment.environment")):
        if isinstance(value, str) and value:
            return value
    return found.text("environment")


def _spent(found: _Found, operation: str, provider: str, model: str) -> tuple[int, int, int | None]:
    """Return tokens in and out and the cost in nano-dollars; nothing for a span that only repeats what is inside it."""
    if operation in AROUND:
        return 0, 0, None
    given, got = found.number("input_tokens"), found.number("output_tokens")
    if "usage" in found.words:
        usage = _details(found, "usage")
        given = given or whole(usage.get("input", usage.get("prompt_tokens")))
        got = got or whole(usage.get("output", usage.get("completion_tokens")))
    given, got = given or 0, got or 0
    cost = _said_cost(found)
    if cost is None and model and (given or got):
        tokens = Tokens(given, got, found.number("cached_tokens") or 0, found.number("written_tokens") or 0)
        listed = LISTED.get(provider, "") if provider else None
        cost = listed_cost(model, listed, tokens) if listed != "" else None
    return given, got, cost


def _said_cost(found: _Found) -> int | None:
    if "cost" not in found.words and "costs" not in found.words:
        return None
    costs = _details(found, "costs")
    told = found.words.get("cost", costs.get("total"))
    if told is None and costs:
        told = sum(value for value in costs.values() if isinstance(value, int | float))
    try:
        value = float(told) if told is not None else -1.0
    except (TypeError, ValueError):
        return None
    return round(value * 1e9) if math.isfinite(value) and 0 <= value < 1e6 else None


def _details(found: _Found, word: str) -> Mapping[str, Any]:
    if word not in found.words:
        return {}
    told = found.words[word]
    told = parsed(told) if isinstance(told, str) else told
    return told if isinstance(told, Mapping) else {}


def whole(value: Any) -> int | None:
    """Return a count: integers, whole numbers as float or text; None for anything else, and for what is below zero."""
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if 0 <= number < _MOST else None


def _is_a_name(value: str) -> bool:
    """Whether a text is short and no address: a model, a provider, a session; nobody's words."""
    return len(value) <= _NAME and "@" not in value and " " not in value


def _kept(sort: Sort, value: Any, clean: Clean) -> Any:
    if sort == "secret":
        return "<SECRET>"
    if sort == "plain" and isinstance(value, str):
        return value[:1000]
    return kept(value, clean)


def _link(link: Mapping[str, Any], clean: Clean) -> Mapping[str, Any]:
    return {**link, "attributes": kept(dict(link.get("attributes") or {}), clean)}
