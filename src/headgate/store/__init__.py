"""Floor 1: what is at rest. Records in transactions, blobs by digest, spans, the ledger, the audit chain, jobs."""

from . import audit, jobs, ledger
from . import schema as tables
from .audit import AuditReport
from .blobs import Blobs
from .context import Context, Store, Work
from .jobs import JobRow, NewJob
from .ledger import Balance, Limit, Reserve
from .records import Records, Transaction
from .secret import Secret
from .spans import SpanQuery, Spans

__all__ = [
    "AuditReport",
    "Balance",
    "Blobs",
    "Context",
    "JobRow",
    "Limit",
    "NewJob",
    "Records",
    "Reserve",
    "Secret",
    "SpanQuery",
    "Spans",
    "Store",
    "Transaction",
    "Work",
    "audit",
    "jobs",
    "ledger",
    "tables",
]
