"""Who is calling: keys, and the one principal that needs none (decision 12). Called by the HTTP edge and by wiring.

Keys are looked up in memory, by the hash of the token; the rows are read again at most a second later, and at once
after a key was made or revoked in this process. It must not know paths: what a principal may do is `roles.py`.
"""

from __future__ import annotations

import hmac
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct
from sqlalchemy import func, select

from headgate.kernel import Clock, Denied, Principal, Rate, Scoped, parse_rate, tightest
from headgate.kernel import local as local_principal
from headgate.store import Records, Secret, tables

FRESH_S = 1.0
"""The most seconds that a revoked key lives on in another process."""
_MISS_S = 0.2
"""An unknown token reads the keys again, at most this often: made elsewhere a moment ago, it works at once."""


class Caller(Struct, frozen=True, gc=False):
    """What a request shows of its sender: the token of its `Authorization` header, the token of a process on this
    machine that could read `server.json`, and whether it came straight from this machine under an allowed name."""

    token: str = ""
    local_token: str = ""
    near: bool = False


@dataclass(frozen=True, slots=True)
class Known:
    """A principal and what its key and its team may use."""

    principal: Principal
    limits: Scoped = ()


@dataclass(slots=True)
class Identity:
    """The keys of all projects, in memory. `local_token`: what `server.json` holds; '' refuses every local token.

    near_allowed: whether callers from this machine need no key until the first one exists (a loopback bind).
    """

    records: Records
    secret: Secret
    project: str
    clock: Clock
    local_token: str = ""
    near_allowed: bool = True
    _keys: Mapping[str, Known] = field(default_factory=dict)
    _locked: frozenset[str] = frozenset()
    _version: tuple[Any, ...] = ()
    _one_reader: threading.Lock = field(default_factory=threading.Lock)
    """Readings follow each other: an old one must not replace a newer one."""
    _read_at: float = float("-inf")

    @property
    def count(self) -> int:
        """How many keys of the project are alive."""
        return sum(known.principal.project == self.project for known in self._keys.values())

    def identify(self, caller: Caller) -> Known | None:
        """Return who calls, from memory; None when the token is not known (then `refresh` and ask again).

        Raises Denied (status 401) when there is nothing to go by and a key is needed.
        """
        if caller.token.startswith("hg_"):
            return self._keys.get(self.secret.key_hash(caller.token))
        if caller.local_token and self.local_token and caller.near:
            if hmac.compare_digest(caller.local_token.encode(), self.local_token.encode()):
                return Known(local_principal(self.project))
            raise unauthenticated("the local token is not this server's", "the server was restarted; try again")
        if self.project in self._locked and caller.token:
            raise unauthenticated(
                "what was sent is no key of this server's", "its keys begin with hg_; `headgate key create` makes one"
            )
        if self.project in self._locked:
            raise unauthenticated(
                "this needs a key", "send `Authorization: Bearer hg_…`; `headgate key create` makes one"
            )
        if self.near_allowed and caller.near:
            return Known(local_principal(self.project))
        raise unauthenticated("this needs a key", "only a program on the server's own machine may call without one")

    def person(self, token: str) -> Known:
        """Return the person that a token proves, reading the keys again when it is not known. Raises Denied (401)."""
        found = self._keys.get(self.secret.key_hash(token))
        if found is None and self.refresh(_MISS_S):
            found = self._keys.get(self.secret.key_hash(token))
        if found is None:
            raise unauthenticated("this key is not valid", "it may be mistyped, revoked, or of another server")
        return found

    def holder(self, key_id: str) -> Known | None:
        """Return the holder of a living key by the key's id, None when it was revoked; at most a second late."""
        self.refresh(FRESH_S)
        return next((known for known in self._keys.values() if known.principal.key_id == key_id), None)

    def refresh(self, older_than_s: float = 0.0) -> bool:
        """Read the keys when the last reading is older; it blocks, so call it off the event loop."""
        with self._one_reader:
            now = self.clock.monotonic()
            if now - self._read_at < older_than_s:
                return False
            self._read_at = now
            self._read()
        return True

    def _read(self) -> None:
        """Read the keys, unless a short question tells that none was made or revoked since."""
        table = tables.api_key
        revoked, made = func.count(table.c.revoked_at), func.max(table.c.created_at)
        set_at = select(func.max(tables.limits.c.at)).scalar_subquery().label("set_at")
        with self.records.read(whole=False) as tx:
            [version] = tx.all(select(func.count().label("number"), revoked, made, set_at).select_from(table))
            if tuple(version.values()) == self._version:
                return
            rows = tx.all(select(table))
            rates = {(row["project_id"], row["scope"]): row["rates"] for row in tx.all(select(tables.limits))}
        self._keys = {
            str(row["hash"]): Known(
                Principal(row["person"], row["project_id"], frozenset(row["roles"]), row["id"], verified=True),
                _limits(row, rates),
            )
            for row in rows
            if row["revoked_at"] is None
        }
        self._locked = frozenset(str(row["project_id"]) for row in rows)
        self._version = tuple(version.values())


def _limits(row: Mapping[str, Any], rates: Mapping[tuple[str, str], list[str]]) -> Scoped:
    """Return what a key and its team may use; scopes without limits are left out."""
    daily = [] if row["budget_per_day"] is None else [Rate("cost", "day", int(row["budget_per_day"]))]
    project, scope = row["project_id"], f"key:{row['id']}"
    own = tightest([*daily, *map(parse_rate, rates.get((project, scope), ()))])
    team = f"team:{row['team']}"
    shared = tightest(map(parse_rate, rates.get((project, team), ()))) if row["team"] else ()
    return tuple((name, found) for name, found in ((scope, own), (team, shared)) if found)


def unauthenticated(message: str, hint: str) -> Denied:
    """Build the error for a caller whom nobody knows: Denied, with HTTP's status for 'say who you are'."""
    error = Denied(message, hint, code="unauthenticated")
    error.status = 401
    return error
