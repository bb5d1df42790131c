"""Floor 0: ids, digests, clock, errors, the plugin loader and the nouns everyone shares. Imports nothing of ours."""

from . import plugins, units
from .clock import Clock, SystemClock, day, iso
from .digest import blob_digest, canonical, digest, document_of, is_digest, normalise, short
from .errors import (
    Conflict,
    Corrupt,
    Denied,
    Exhausted,
    HeadgateError,
    InvalidInput,
    NotFound,
    Unavailable,
    Where,
    nearest,
)
from .identity import Principal, local, server
from .ids import is_id, new_id, new_span_id, new_trace_id
from .kinds import (
    ContractPath,
    DatasetPath,
    Draft,
    Kind,
    ModelPath,
    PolicyPath,
    PromptPath,
    Reference,
    Refers,
    RetrievalPath,
    SuitePath,
    references,
)
from .messages import (
    Answer,
    Event,
    Final,
    Grounding,
    Passage,
    Request,
    Stage,
    Status,
    Text,
    Usage,
    Verdict,
    VerdictName,
    text_of,
)
from .recording import Recorder, RequestRecord, SpanRecord
from .source import Source, dotted, parse_yaml, read_text, read_yaml, validate
from .units import Duration, Share, Usd
from .workspace import Workspace

__all__ = [
    "Answer", "Clock", "Conflict", "ContractPath", "Corrupt", "DatasetPath", "Denied", "Draft", "Duration", "Event",
    "Exhausted", "Final", "Grounding", "HeadgateError", "InvalidInput", "Kind", "ModelPath", "NotFound", "Passage",
    "PolicyPath", "Principal", "PromptPath", "Recorder", "Reference", "Refers", "Request", "RequestRecord",
    "RetrievalPath", "Share", "Source", "SpanRecord", "Stage", "Status", "SuitePath", "SystemClock", "Text",
    "Unavailable", "Usage", "Usd", "Verdict", "VerdictName", "Where", "Workspace", "blob_digest", "canonical", "day",
    "digest", "document_of", "dotted", "is_digest", "is_id", "iso", "local", "nearest", "new_id", "new_span_id",
    "new_trace_id", "normalise", "parse_yaml", "plugins", "read_text", "read_yaml", "references", "server", "short",
    "text_of", "units", "validate",
]  # fmt: skip
