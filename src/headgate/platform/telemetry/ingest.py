"""Foreign spans taken in: who may send them, in whose project they land, and that they are on disk. Called by `http`.

Everything here blocks: call it off the event loop. The project is the key's; nothing in a span can choose another.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from headgate.kernel import Principal, SpanRecord
from headgate.observe import Sent, translate
from headgate.platform.roles import authorise
from headgate.store import Store


@dataclass(frozen=True, slots=True)
class Telemetry:
    """Takes foreign spans into one store."""

    store: Store

    def authorise(self, principal: Principal) -> None:
        """Raise Denied unless this principal may send traces."""
        authorise(principal, "ingest", "send traces")

    def records(self, principal: Principal, spans: Iterable[Sent]) -> list[SpanRecord]:
        """Return the spans in our words, masked and bounded, in the principal's own project."""
        secret, project = self.store.secret, principal.project
        return translate(spans, project, lambda name: secret.subject(project, name))

    def keep(self, records: Sequence[SpanRecord]) -> int:
        """Return how many were new, once all of them are on disk. Raises Unavailable when they are not."""
        return self.store.spans.ingest(records) if records else 0
