"""What is said at a path that is not served: which one was meant, and what to do. Called by the app, after all else.

A wrong path is never served in place of the right one: the next release of a client, or another gateway, would not do
so. One slash too many at the end is the exception: many clients and proxies add it, and nothing else can be meant.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from headgate.kernel import NotFound, nearest

_CHAT, _RESPONSES, _MESSAGES = "/v1/chat/completions", "/v1/responses", "/v1/messages"
_VERSION = "/v1/"
_RECEIVED = "/v1/traces"
"""Not what somebody means who asks for `/traces`, which is a page."""
_STATE = "this gateway keeps no state between requests"
_KNOWN = [
    (re.compile(pattern), meant, hint)
    for pattern, meant, hint in (
        (r"/v1/responses/.+", _RESPONSES, f"{_STATE}: send the conversation so far in `input` to {_RESPONSES}"),
        (r"/v1/conversations(/.*)?", _RESPONSES, f"{_STATE}: send the conversation so far in `input` to {_RESPONSES}"),
        (r"/v1/(threads|assistants)(/.*)?", _CHAT, f"{_STATE}: send the conversation so far in `messages` to {_CHAT}"),
        (r"/v1/chat/completions/.+", _CHAT, f"{_STATE}: answers are not stored; their traces are"),
        (r"/v1/messages/batches(/.*)?", _MESSAGES, f"batches are not taken: send each message to {_MESSAGES}"),
        (r"/v1/batches(/.*)?", _CHAT, f"batches are not taken: send each conversation to {_CHAT}"),
        (r"/v1/complete", _MESSAGES, f"text completions are not served: send `messages` to {_MESSAGES}"),
        (r"(/v1)?/completions", _CHAT, f"text completions are not served: send `messages` to {_CHAT}"),
        (r"/v1/moderations", _CHAT, "ask the guards of an app at /v1/guardrail/checks"),
    )
]
"""What clients of the wires ask for that is not served, in the words of the wire that they speak."""
_AZURE = "/openai/deployments/"


class Nowhere(NotFound):
    """Nothing is at the path. `meant` is the path that was meant, whose wire tells; empty when nobody knows."""

    def __init__(self, path: str, known: Collection[str], base: str) -> None:
        self.meant, hint = _told(path, known, base)
        super().__init__(f"there is nothing at {path[:200]}", hint)


def tidied(path: str, known: Collection[str]) -> str:
    """Return the path without one slash at its end when something is served there, else the path."""
    return path[:-1] if path.endswith("/") and path[:-1] in known else path


def _told(path: str, known: Collection[str], base: str) -> tuple[str, str]:
    """Return the path that was meant and what to do."""
    plain = re.sub("//+", "/", path.rstrip("/"))
    for pattern, meant, hint in _KNOWN:
        if pattern.fullmatch(plain):
            return meant, hint
    if meant := _meant(plain, known):
        root = base if meant.startswith(_MESSAGES) else f"{base}/v1"
        if plain.startswith(_AZURE):
            return meant, f"use OpenAI's client, not Azure's: set its base URL to {root} and name the app in `model`"
        return meant, f"{meant} is: set the client's base URL to {root}"
    ours = sorted(at for at in known if at.startswith(_VERSION))
    if path.startswith(_VERSION):
        return "", f"below /v1: {nearest(plain.removeprefix(_VERSION), [at.removeprefix(_VERSION) for at in ours])}"
    return "", f"there is {', '.join(ours)}; /api/openapi.json lists the operations"


def _meant(path: str, known: Iterable[str]) -> str:
    """Return the one of our `/v1` paths that a wrong path ends with, whatever stands before it; empty when none does.

    `/chat/completions`, `/openai/v1/chat/completions` and `/v1/v1/messages` are what a wrong base URL makes of them.
    """
    ours = (at for at in known if at.startswith(_VERSION) and at != _RECEIVED)
    return next((at for at in ours if path.endswith(at.removeprefix("/v1"))), "")
