"""Who may do what: permissions by role. Called by `perform` and by the gateway; a permission belongs to an operation.

It must not know paths, routes or commands: whatever edge a call came by, the same row decides.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from headgate.kernel import Denied, Principal

_READ = frozenset({"read", "traces", "feedback", "chat"})

ROLES: dict[str, frozenset[str]] = {
    "viewer": frozenset({"read"}),
    "app": frozenset({"chat", "feedback", "ingest"}),
    "engineer": _READ | {"build", "operate", "promote", "rules", "chat.release", "chat.model", "ingest"},
    "reviewer": _READ | {"review", "approve", "audit", "chat.release"},
    "operator": _READ | {"operate", "promote", "rules", "audit", "chat.release", "chat.model", "ingest"},
    "admin": _READ
    | {"build", "operate", "review", "approve", "promote", "rules", "keys", "audit", "ingest"}
    | {"chat.release", "chat.model"},
}
"""viewer looks at results, not at conversations. app is a product's own key: it chats, gives feedback and sends traces
(`ingest`). engineer builds, evaluates and promotes: what protects an environment is its gate and the approvals it asks
for, not who pushes the button. reviewer decides and approves. operator promotes, rolls back and sets rules, but builds
nothing. admin does all of it and makes keys. `chat.release` addresses a release by its digest, past the environments'
gates; `chat.model` a provider's model by its own name, past every release and its guards."""


def permits(roles: Iterable[str], permission: str) -> bool:
    """Whether any of `roles` carries `permission`."""
    return permission in _held(frozenset(roles))


@lru_cache(maxsize=256)
def _held(roles: frozenset[str]) -> frozenset[str]:
    """Return what roles carry together; every request asks."""
    return frozenset().union(*(ROLES.get(role, ()) for role in roles))


def authorise(principal: Principal, permission: str, what: str) -> None:
    """Raise Denied, naming the roles that would be allowed, when `principal` may not do `what`."""
    if permits(principal.roles, permission):
        return
    who = ", ".join(sorted(role for role, held in ROLES.items() if permission in held)) or "nobody"
    raise Denied(f"{principal.person} may not {what}", f"it needs one of these roles: {who}")
