"""What operations and jobs are handed: a transaction or a store, who acts, the clock, and the services wired above."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from headgate.kernel import Clock, Principal, Unavailable

from .blobs import Blobs
from .records import Records, Transaction
from .secret import Secret
from .spans import Spans

Service = TypeVar("Service")


@dataclass(frozen=True, slots=True)
class Store:
    """Everything at rest: records, blobs, spans, and the installation's secret."""

    records: Records
    blobs: Blobs
    spans: Spans
    secret: Secret

    @property
    def broken(self) -> str:
        """Why this process must end: a disk failed to keep what it was given. '' while all is well (P1)."""
        return self.records.broken or self.blobs.broken

    def close(self) -> None:
        """Write what waits and let go of every file and connection."""
        self.spans.close()
        self.records.close()


@dataclass(frozen=True, slots=True)
class Context:
    """What an operation of the sort `change` or `read` gets: one open transaction, in the name of one principal."""

    tx: Transaction
    principal: Principal
    clock: Clock
    store: Store
    services: Mapping[type, Any] = field(default_factory=dict)

    @property
    def project(self) -> str:
        return self.principal.project

    @property
    def now(self) -> float:
        return self.clock.now()

    def service(self, kind: type[Service]) -> Service:
        """Return the wired service of a type. Raises Unavailable when this process has none."""
        return _service(self.services, kind)


def _silent(text: str, done: int = 0, total: int = 0) -> None:
    """Report to nobody."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a job's handler gets: no open transaction, and `progress`, which also keeps the job's lease alive."""

    store: Store
    principal: Principal
    clock: Clock
    services: Mapping[type, Any] = field(default_factory=dict)
    job_id: str = ""
    progress: Callable[[str, int, int], None] = _silent

    def context(self, tx: Transaction) -> Context:
        return Context(tx, self.principal, self.clock, self.store, self.services)

    def service(self, kind: type[Service]) -> Service:
        """Return the wired service of a type. Raises Unavailable when this process has none."""
        return _service(self.services, kind)


def _service(services: Mapping[type, Any], kind: type[Service]) -> Service:
    if kind not in services:
        raise Unavailable(f"this process has no {kind.__name__}", "it is wired by headgate.platform")
    return cast(Service, services[kind])
