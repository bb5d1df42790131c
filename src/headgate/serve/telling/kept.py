"""What of a conversation is kept with its trace beside text: calls of tools whole, media by reference. Called by
`record`; sizes are bounded, and texts are scrubbed by whoever calls.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

from headgate.kernel import text_of

_TEXT = 8_000
_PARTS = 40
_HASHED = 4 * 2**20
_LINK = 300


def message(item: Mapping[str, Any], scrub: Callable[[str], str]) -> dict[str, Any]:
    """Return role and text of a message, with its calls and a reference to each part that is no text."""
    content = item.get("content")
    text = content if isinstance(content, str) else text_of(content)
    kept: dict[str, Any] = {"role": str(item.get("role", ""))[:20], "content": scrub(text[:_TEXT])}
    if isinstance(content, list):
        others = [part for part in content if isinstance(part, dict) and part.get("type") not in ("text", "refusal")]
        if others:
            kept["parts"] = [_reference(part, scrub) for part in others[:_PARTS]]
    return kept | calls(item, scrub) if len(item) > 2 else kept


def calls(item: Mapping[str, Any], scrub: Callable[[str], str]) -> dict[str, Any]:
    """Return the calls that a message makes, or the id of the one that it answers."""
    listed = item.get("tool_calls")
    made = [
        _call(call, scrub) for call in (listed[:_PARTS] if isinstance(listed, list) else ()) if isinstance(call, dict)
    ]
    answers = item.get("tool_call_id")
    return ({"tool_calls": made} if made else {}) | ({"tool_call_id": scrub(str(answers)[:200])} if answers else {})


def _call(call: Mapping[str, Any], scrub: Callable[[str], str]) -> dict[str, Any]:
    """Return name and arguments of a call of a function, or of a custom tool, whose input is any text."""
    said = call.get("function") or call.get("custom")
    said = said if isinstance(said, Mapping) else {}
    arguments = said.get("arguments", said.get("input", ""))
    return {"name": scrub(str(said.get("name", ""))[:200]), "arguments": scrub(str(arguments)[:_TEXT])}


def _reference(part: Mapping[str, Any], scrub: Callable[[str], str]) -> dict[str, Any]:
    """Name a part by type and link, or by size and digest of what was sent in its place."""
    kind = str(part.get("type", ""))[:40]
    inner = part.get(kind)
    inner = inner if isinstance(inner, Mapping) else {"url": inner}
    where = next((value for key in ("url", "data", "file_data") if isinstance(value := inner.get(key), str)), "")
    if where.startswith(("https://", "http://")):
        return {"type": kind, "url": scrub(where.partition("?")[0][:_LINK])}
    digest = {"digest": f"sha256:{sha256(where.encode()).hexdigest()}"} if where and len(where) <= _HASHED else {}
    return {"type": kind, "characters": len(where), **digest}
