"""Chains of models as an app's `llms:` writes them, compiled: order, weights, deadlines, places. Called by `snapshot`
(compiling), `plan` (ordering) and the kind `app` (names). It reads documents, no file and no clock.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from headgate.kernel import units

RETRIES = 1
QUEUE = 100
WAIT_S = 5.0

Key = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Link:
    """One target of a chain with its rules. Times in seconds, None for the runtime's own; concurrent 0: no limit.

    tries: how often one request may ask it. first_token_s and idle_s bound streamed calls only.
    """

    target: str
    weight: int = 1
    tries: int = 1 + RETRIES
    first_token_s: float | None = None
    idle_s: float | None = None
    total_s: float | None = None
    concurrent: int = 0
    queue: int = QUEUE
    wait_s: float = WAIT_S


@dataclass(frozen=True, slots=True)
class Chain:
    """Groups of equal targets, tried from left to right. total_s bounds everything, waiting included."""

    groups: tuple[tuple[Link, ...], ...]
    plain: tuple[Link, ...] | None
    total_s: float | None = None
    hedge_s: float | None = None

    def order(self, key: str) -> tuple[Link, ...]:
        """Return the links in the order of asking; among equals `key` decides, the same way every time.

        Weighted rendezvous hashing (Schindelhauer and Schomaker 2005): a key moves only when its own target goes.
        """
        if self.plain is not None:
            return self.plain
        return tuple(link for group in self.groups for link in _shuffled(group, key))


def _shuffled(group: tuple[Link, ...], key: str) -> tuple[Link, ...]:
    if len(group) == 1:
        return group

    def score(link: Link) -> float:
        digest = blake2b(f"{link.target}\n{key}".encode(), digest_size=8).digest()
        return -math.log((int.from_bytes(digest) + 1) / (2**64 + 1)) / link.weight

    return tuple(sorted(group, key=score))


def chain_targets(document: Any) -> Iterator[tuple[Key, str]]:
    """Yield every target of a chain with its place: of a list `(0,)`, of a mapping `("targets", 0, "any", 1)`."""
    inside: Key = () if isinstance(document, list) else ("targets",)
    for index, entry in enumerate(document if isinstance(document, list) else document["targets"]):
        if isinstance(entry, str):
            yield (*inside, index), entry
            continue
        for place, equal in enumerate(entry["any"]):
            yield (*inside, index, "any", place), _weighted(equal)[0]


def compile_chain(document: Any) -> Chain:
    """Compile a chain's stored form: a list, or a mapping with its rules."""
    rules: Mapping[str, Any] = {} if isinstance(document, list) else document
    entries = document if isinstance(document, list) else document["targets"]
    groups = tuple(
        tuple(_link(*_weighted(item), rules) for item in ([entry] if isinstance(entry, str) else entry["any"]))
        for entry in entries
    )
    plain = tuple(group[0] for group in groups) if all(len(group) == 1 for group in groups) else None
    return Chain(groups, plain, _seconds(rules.get("total")), _seconds(rules.get("hedge")))


def _weighted(item: Any) -> tuple[str, int]:
    if isinstance(item, str):
        return item, 1
    ((target, weight),) = item.items()
    return target, weight


def _link(target: str, weight: int, rules: Mapping[str, Any]) -> Link:
    own = {**{key: rules[key] for key in ("first_token", "idle", "retries", "total") if key in rules},
           **rules.get("limits", {}).get(target, {})}  # fmt: skip
    return Link(
        target,
        weight,
        tries=1 + own.get("retries", RETRIES),
        first_token_s=_seconds(own.get("first_token")),
        idle_s=_seconds(own.get("idle")),
        total_s=_seconds(own.get("total")),
        concurrent=own.get("concurrent", 0),
        queue=own.get("queue", QUEUE),
        wait_s=_seconds(own["wait"]) or 0.0 if "wait" in own else WAIT_S,
    )


def _seconds(value: Any) -> float | None:
    return None if value is None else units.parse_duration(value) / 1e6
