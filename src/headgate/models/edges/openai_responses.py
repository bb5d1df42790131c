"""OpenAI's Responses API as clients speak it to the gateway, without the state that OpenAI keeps behind it. Called by
the HTTP edge, through `platform`.

`store` is always answered with false: nothing can be fetched or continued by an id, so that a conversation travels
whole in `input`. Source: OpenAI API reference, responses, 2026.
"""

from __future__ import annotations

from typing import Any

from headgate.kernel import HeadgateError

from ._fields import param_of, renamed
from ._responses_answer import response
from ._responses_request import decode_request
from ._responses_stream import Encoder
from .openai_chat import error_body as chat_error


def error_body(error: HeadgateError) -> dict[str, Any]:
    """Return the error envelope of this wire; what is wrong with a chat's messages is wrong with the `input`."""
    body = chat_error(error)
    told = body["error"]
    told["message"] = renamed(told["message"], "input")
    told["param"] = param_of(told["message"], error)
    return body


class OpenAIResponses:
    """The wire as one object, the way the plugin door hands it out."""

    behaviour = 1
    path = "/v1/responses"
    encoder = Encoder
    decode_request = staticmethod(decode_request)
    completion = staticmethod(response)
    error_body = staticmethod(error_body)


plugin = OpenAIResponses()
