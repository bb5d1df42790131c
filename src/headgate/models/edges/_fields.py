"""Which field of a client's body an error is about, in the words of the client's wire. Called by the edges.

Checks behind an edge speak of OpenAI's chat, which every body is by then. Where a wire has its messages elsewhere, or
counts them otherwise, its place is not named: a wrong index would be worse than none.
"""

from __future__ import annotations

import re

from headgate.kernel import HeadgateError, InvalidInput

_FIELD = re.compile(
    r"`?((?:messages|input|tools|functions|tool_choice|instructions|include|reasoning|text|stream|temperature|top_p|n|"
    r"max_tokens|max_completion_tokens|max_output_tokens|service_tier|reasoning_effort|verbosity|model|dimensions|"
    r"encoding_format|previous_response_id|conversation|prompt|background)(?:\[\d+\]|\.\w+)*)`?(?=[: ])"
)
_NEUTRAL = re.compile(r"messages(?:\[\d+\])?(?:\.\w+|\[\d+\])*(?=[: ])")


def param_of(message: str, error: HeadgateError) -> str | None:
    """Return the field that a message about a bad request begins with, None when it begins otherwise."""
    found = _FIELD.match(message) if isinstance(error, InvalidInput) else None
    return found[1] if found else None


def renamed(message: str, name: str) -> str:
    """Return a message about the messages of a chat with the field in which another wire has them."""
    return _NEUTRAL.sub(name, message, count=1) if message.startswith("messages") else message
