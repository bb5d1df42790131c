"""The wrapper around every operation: authorise, check the request, run it in its transaction, write the audit entry.

Called by the CLI (in process), the HTTP edge and the server's clock; nobody calls an operation's function directly.
What an operation means is its package's; nothing here knows any of them by name.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel
from sqlalchemy import insert, select

from headgate.kernel import Clock, Conflict, InvalidInput, Principal, is_digest, is_id, new_id
from headgate.store import Context, Store, Transaction, audit, jobs, tables

from .operations import Operation, find
from .roles import authorise
from .target import Target, read_request, resolve, secrets_of

log = logging.getLogger("headgate.operations")

_PLAIN = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_./@:+-]{0,127}$")
_NAMES = ("digest", "release", "id", "name", "path", "app", "environment", "trace_id")
_KEPT = frozenset(
    {"app", "environment", "name", "path", "kind", "state", "outcome", "moved", "person", "role", "roles", "generation"}
)
_KEY = re.compile(r"^[\x21-\x7e]{1,200}$")


@dataclass(slots=True)
class Performer:
    """Runs operations on one store. `changed` is called after every change that was committed, with its name."""

    store: Store
    clock: Clock
    services: Mapping[type, Any]
    changed: list[Callable[[str], None]] = field(default_factory=list)

    def perform(
        self, principal: Principal, name: str, request: Mapping[str, Any] | BaseModel, key: str = ""
    ) -> dict[str, Any]:
        """Run an operation and return its result as JSON-like data; of a job, `{job: id}`.

        key: an idempotency key; the same key with the same request returns the stored result. Raises Denied,
        InvalidInput (key and nearest valid name), Conflict for a key used with another request, NotFound for an
        operation that is none, and whatever the operation raises.
        """
        operation = find(name)
        if operation.sort == "local":
            raise InvalidInput(f"{name} works on project files", "run it where the files are: `headgate`")
        authorise(principal, operation.permission, f"run {name}")
        began = self.clock.monotonic()
        outcome = "failed"
        try:
            result = self._run(operation, principal, request, key)
            outcome = "done"
        finally:
            took = int((self.clock.monotonic() - began) * 1e6)
            facts = {"operation": name, "person": principal.person, "outcome": outcome, "took_us": took}
            log.log(logging.DEBUG if operation.sort == "read" else logging.INFO, "operation", extra={"facts": facts})
        return result

    def _run(
        self, operation: Operation, principal: Principal, request: Mapping[str, Any] | BaseModel, key: str
    ) -> dict[str, Any]:
        target = resolve(operation)
        checked = read_request(target.request, request)
        if operation.sort == "read":
            with self.store.records.read() as tx:
                result: dict[str, Any] = _dump(target.function(self.context(tx, principal), checked))
            return result
        once = _Once(principal, operation, checked, key, target)
        with self.store.records.begin() as tx:
            known = once.known(tx)
            if known is not None:
                return known
            result = self._change(tx, operation, principal, checked, target)
            once.keep(tx, result, self.clock.now())
        for listener in self.changed:
            listener(operation.name)
        return result

    def _change(
        self, tx: Transaction, operation: Operation, principal: Principal, checked: BaseModel, target: Target
    ) -> dict[str, Any]:
        now = self.clock.now()
        arguments = checked.model_dump(mode="json", by_alias=True)
        if operation.sort == "job":
            result = {"job": _enqueue(tx, operation, principal, arguments, now)}
        else:
            result = _dump(target.function(self.context(tx, principal), checked))
        hidden = secrets_of(target.result)
        detail = {**audited(arguments), **audited({key: result[key] for key in result if key not in hidden})}
        told = {**detail, "verified": principal.verified, **({"key": principal.key_id} if principal.key_id else {})}
        target_name = named(detail, operation)
        audit.append(
            tx,
            project=principal.project,
            at=now,
            actor=principal.person,
            action=operation.name,
            target=target_name,
            detail=told,
        )
        return result

    def context(self, tx: Transaction, principal: Principal) -> Context:
        """Return what an operation's function gets beside its request."""
        return Context(tx=tx, principal=principal, clock=self.clock, store=self.store, services=self.services)


def _enqueue(tx: Transaction, operation: Operation, principal: Principal, arguments: dict[str, Any], now: float) -> str:
    """Enqueue a job, or return the unfinished one that asks for the same: a killed run is continued, not doubled."""
    table = tables.job
    waiting = select(table.c.id, table.c.arguments).where(
        table.c.project_id == principal.project,
        table.c.operation == operation.name,
        table.c.state.in_(("queued", "running")),
    )
    for row in tx.all(waiting):
        if row["arguments"] == arguments:
            return str(row["id"])
    name = new_id("job")
    jobs.enqueue(
        tx,
        principal.project,
        id=name,
        operation=operation.name,
        arguments=arguments,
        person=principal.person,
        now=now,
    )
    return name


def audited(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what may stand in the audit log: digests, ids, numbers and names; never a sentence that somebody wrote."""
    kept: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, list | tuple) and key in _KEPT:
            kept[key] = [item for item in value if isinstance(item, str) and _PLAIN.match(item)]
        elif _tells(key, value):
            kept[key] = value
    return kept


def _tells(key: str, value: Any) -> bool:
    if isinstance(value, str):
        return is_digest(value) or is_id(value) or (key in _KEPT and bool(_PLAIN.match(value)))
    return isinstance(value, bool | int) and key in _KEPT


def named(detail: Mapping[str, Any], operation: Operation) -> str:
    """Return what a change was done to: the most telling name in its detail."""
    ids = [key for key in detail if key.endswith("_id")]
    if "environment" in detail and "app" in detail and not {"digest", "release"} & detail.keys():
        return f"{detail['app']}@{detail['environment']}"
    for key in (*_NAMES, *ids):
        if isinstance(detail.get(key), str):
            return str(detail[key])
    return operation.name.partition(".")[0]


class _Once:
    """An idempotency key: the first result is stored with what was asked, and returned when it is asked again."""

    def __init__(
        self, principal: Principal, operation: Operation, request: BaseModel, key: str, target: Target
    ) -> None:
        if key and not _KEY.match(key):
            raise InvalidInput("an idempotency key is 1 to 200 printable ASCII characters without spaces")
        asked = {"operation": operation.name, "person": principal.person, "request": request.model_dump(mode="json")}
        self.project, self.operation, self.key = principal.project, operation, key
        self.hash = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest() if key else ""
        self.hidden = secrets_of(target.result)

    def known(self, tx: Transaction) -> dict[str, Any] | None:
        if not self.key:
            return None
        table = tables.idempotency
        row = tx.one(select(table).where(table.c.project_id == self.project, table.c.key == self.key))
        if row is None:
            return None
        if row["request_hash"] != self.hash:
            raise Conflict(f"the idempotency key {self.key!r} was used for another request", "use a fresh key")
        return dict(row["result"])

    def keep(self, tx: Transaction, result: Mapping[str, Any], now: float) -> None:
        """Store the result; what is shown once is stored empty."""
        if self.key:
            tx.execute(
                insert(tables.idempotency).values(
                    project_id=self.project,
                    key=self.key,
                    operation=self.operation.name,
                    request_hash=self.hash,
                    result={name: "" if name in self.hidden else value for name, value in result.items()},
                    at=now,
                )
            )


def _dump(result: BaseModel) -> dict[str, Any]:
    return result.model_dump(mode="json", by_alias=True)
