"""One span as somebody sent it, free of its encoding: what the HTTP edge decodes to, and what goes out is encoded from.

A named tuple because there are ten thousand a second of them. Nothing here knows a convention.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


class Sent(NamedTuple):
    """A span. Ids are lower-case hexadecimal, `parent_id` is empty at the root; times are Unix nanoseconds.

    `kind` and `status` are OTLP's numbers. `attributes` are plain values (text, numbers, lists, mappings). `resource`
    and `scope` are shared by the spans that came together. An event is {name, at, attributes}, a link
    {trace_id, span_id, attributes}.
    """

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    kind: int
    start_ns: int
    end_ns: int
    status: int
    message: str
    attributes: dict[str, Any]
    events: Sequence[Mapping[str, Any]]
    links: Sequence[Mapping[str, Any]]
    resource: Mapping[str, Any]
    scope: str
