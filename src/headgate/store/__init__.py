"""Floor 1: everything at rest: records, blobs, spans, and the ledger, audit log and jobs that live in the records."""

from . import audit, jobs, ledger, peers
from . import schema as tables
from .audit import AuditReport
from .blobs import Blobs, Bucket
from .context import Context, Store, Work
from .jobs import JobRow
from .ledger import Balance, Hold, Limit, Spent
from .records import Records, Transaction, upsert
from .secret import Secret
from .spans import STEPS, Grain, Latency, Rollup, SpanQuery, Spans

__all__ = [
    "STEPS", "AuditReport", "Balance", "Blobs", "Bucket", "Context", "Grain", "Hold", "JobRow", "Latency", "Limit",
    "Records", "Rollup", "Secret", "SpanQuery", "Spans", "Spent", "Store", "Transaction", "Work", "audit", "jobs",
    "ledger", "peers", "tables", "upsert",
]  # fmt: skip
