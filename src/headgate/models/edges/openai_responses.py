"""OpenAI's Responses API as clients speak it to the gateway, without the state that OpenAI keeps behind it. Called by
the HTTP edge, through `platform`.

`store` is always answered with false: nothing can be fetched or continued by an id, so that a conversation travels
whole in `input`. Source: OpenAI API reference, responses, 2026.
"""

from __future__ import annotations

from ._responses_answer import response
from ._responses_request import decode_request
from ._responses_stream import Encoder
from .openai_chat import error_body


class OpenAIResponses:
    """The wire as one object, the way the plugin door hands it out."""

    behaviour = 1
    path = "/v1/responses"
    encoder = Encoder
    decode_request = staticmethod(decode_request)
    completion = staticmethod(response)
    error_body = staticmethod(error_body)


plugin = OpenAIResponses()
