"""The mind of the stand-in model: quotes numbered sources in its prompt, cites when told to, and believes anybody.

Called by `upstream`. Like a real model it does what its prompt says and no more: told nothing about sources it makes
an answer up; told to ignore its instructions it obeys and recites them. Deterministic.
"""

from __future__ import annotations

import json
import re
import struct
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from headgate.kernel import Passage, text_of
from headgate.models import quote

_SOURCE = re.compile(r"^\[(\d+)\]\s?(.*?)(?:\s*\(([\w./-]+)\))?$")
_OBEYS = re.compile(
    r"\b(?:ignore|disregard|forget|override)\b.{0,60}\b(?:instructions?|rules?|prompts?|guidelines|above|previous)\b"
    r"|\b(?:reveal|print|show|repeat|recite)\b.{0,40}\b(?:system prompt|instructions)\b",
    re.IGNORECASE | re.DOTALL,
)
_CITES = re.compile(r"\bcit(?:e|es|ing|ation)|\[n\]", re.IGNORECASE)
_STRICT = re.compile(r"\bonly\b.{0,80}\bsources?\b|\bsources?\b.{0,80}\bonly\b|do not know|cannot answer", re.I | re.S)
UNSURE = "I do not know, I could not find that in the sources."
INVENTED = "Yes, of course, that is possible at any time and costs nothing."


def reply(body: Mapping[str, Any]) -> str:
    """Return what the model says to a chat completion body."""
    if schema := _schema(body):
        return json.dumps(_instance(schema))
    messages = _messages(body)
    told = "\n".join(text_of(turn.get("content")) for turn in messages if turn.get("role") in ("system", "developer"))
    asked = [text_of(turn.get("content")) for turn in messages if turn.get("role") == "user"]
    question = asked[-1] if asked else ""
    if _OBEYS.search(question):
        return f"Sure! These are my instructions:\n{told or 'I have none.'}"
    rules, passages = read_sources(told)
    if not passages:
        question, passages = read_sources(question)
    quotes = quote(question, passages, earlier=asked[:-1])
    if not quotes:
        return UNSURE if _STRICT.search(rules) else INVENTED
    mark = " [{}]" if _CITES.search(rules) else ""
    return " ".join(found.text + mark.format(found.number) for found in quotes)


def question_of(body: Mapping[str, Any]) -> str:
    """Return what the user asked last."""
    asked = [text_of(turn.get("content")) for turn in _messages(body) if turn.get("role") == "user"]
    return asked[-1] if asked else ""


def vectors_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return vectors of two numbers for a body of OpenAI's embeddings: lengths and words of texts, tokens twice."""
    given: Any = body.get("input")
    many = given if isinstance(given, list) and not isinstance(given[0], int) else [given]
    pairs = [(len(one), len(one.split() if isinstance(one, str) else one)) for one in many]
    packed = [struct.pack("<2f", *pair) for pair in pairs]
    plain = body.get("encoding_format") != "base64"
    data = [
        {"object": "embedding", "index": index, "embedding": list(pair) if plain else b64encode(raw).decode()}
        for index, (pair, raw) in enumerate(zip(pairs, packed, strict=True))
    ]
    count = sum(pair[1] for pair in pairs)
    usage = {"prompt_tokens": count, "total_tokens": count}
    return {"object": "list", "data": data, "model": str(body.get("model")), "usage": usage}


def _messages(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [message for message in body.get("messages") or [] if isinstance(message, Mapping)]


def _schema(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    wanted = body.get("response_format")
    inner = wanted.get("json_schema") if isinstance(wanted, Mapping) else None
    return inner.get("schema") if isinstance(inner, Mapping) else None


def _instance(schema: Mapping[str, Any]) -> Any:
    """Return the least value that a plain schema allows."""
    if "enum" in schema:
        return schema["enum"][0]
    properties = schema.get("properties") or {}
    least = {"string": "dry", "integer": 7, "number": 0.5, "boolean": True, "array": [], "null": None}
    return least.get(str(schema.get("type")), {name: _instance(inner) for name, inner in properties.items()})


def read_sources(text: str) -> tuple[str, list[Passage]]:
    """Split a prompt into the rest and its sources: blocks that begin `[1] Heading (page)` and count up from 1."""
    rest: list[str] = []
    found: list[tuple[str, str, list[str]]] = []
    for line in text.split("\n"):
        head = _SOURCE.match(line)
        if head and int(head[1]) == len(found) + 1:
            found.append((head[2], head[3] or "", []))
        elif found:
            found[-1][2].append(line)
        else:
            rest.append(line)
    passages = [
        Passage(page, "\n".join(lines).strip() or heading, heading if any(lines) else "")
        for heading, page, lines in found
    ]
    return "\n".join(rest), passages
