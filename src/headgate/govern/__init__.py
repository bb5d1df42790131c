"""Floor 8: who may do what and spend what, and who did what: keys, budgets and the audit log."""

from .budgets import BudgetList, BudgetQuery, BudgetSet, list_budgets, set_limits
from .keys import KeyCreate, KeyCreated, KeyList, KeyQuery, KeyRevoke, KeyRow, create_key, list_keys, revoke_key
from .log import AuditQuery, AuditVerified, AuditVerify, Entry, EntryList, list_entries, verify_log

__all__ = [
    "AuditQuery", "AuditVerified", "AuditVerify", "BudgetList", "BudgetQuery", "BudgetSet", "Entry", "EntryList",
    "KeyCreate", "KeyCreated", "KeyList", "KeyQuery", "KeyRevoke", "KeyRow", "create_key", "list_budgets",
    "list_entries", "list_keys", "revoke_key", "set_limits", "verify_log",
]  # fmt: skip
