"""A release compiled for serving: everything verified, parsed and built once, then only read. Called by `Releases` and
by evaluation. It runs in a worker thread, never on the event loop, and keeps no transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from headgate import artifacts
from headgate.guard import Guard, Memory, Policy, compile_policy
from headgate.kernel import Corrupt, Passage
from headgate.models import Facts, Price, compile_prices, facts_of
from headgate.retrieve import Retriever, compile_retrieval
from headgate.store import Blobs, Transaction

from .asking.prompt import compile_prompt, compile_reply
from .calling.chain import compile_chain
from .contract import Contract, compile_contract
from .kinds._references import asks
from .kinds._wiring import check_labels
from .money.limits import Limits, compile_limits
from .route import Destination, Router, compile_router
from .tabular.model import Model, compile_models

CONTEXT_TOKENS = 3000


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One release, immutable and shared by all its requests.

    app: the app's name (`support`). replies: texts of prompts that are sent as they stand, by path. fallback: the
    safe template. limits: what the contract lets the app, a user and a session use. unscrubbed: sides (`input`,
    `output`) on which no guard removes secrets, so that the record must. clean: texts in which the record found none: a
    conversation's history comes again with every turn. models: every classical model that the release pins, by path;
    the router asks one of them. prices and facts: of targets of which the release pins any.
    """

    digest: str
    app: str
    contract: Contract
    policy: Policy
    router: Router | None
    routes: Mapping[str, Destination]
    replies: Mapping[str, str]
    fallback: str
    context_tokens: int
    grounding_floor: float | None
    citations_required: bool
    limits: Limits
    unscrubbed: frozenset[str] = frozenset()
    clean: Memory = field(default_factory=Memory, compare=False)
    models: Mapping[str, Model] = field(default_factory=dict)
    prices: Mapping[str, Price] = field(default_factory=dict)
    facts: Mapping[str, Facts] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Pinned:
    """The artifacts of a manifest, each read and verified once."""

    found: Mapping[str, artifacts.Stored]
    blobs: Blobs

    def document(self, path: str, kind: str) -> Mapping[str, Any]:
        stored = self.stored(path, kind)
        return stored.document

    def stored(self, path: str, kind: str) -> artifacts.Stored:
        stored = self.found.get(path)
        if stored is None or stored.kind != kind:
            raise Corrupt(f"the release pins no {kind} {path!r}", "create the release again")
        return stored


def load(tx: Transaction, project: str, blobs: Blobs, release_digest: str) -> Snapshot:
    """Read, verify and compile a release and everything that it pins.

    Raises NotFound for a release or artifact that is not stored, Corrupt when bytes do not match their digest or the
    parts do not fit together.
    """
    return compile_release(read_pins(tx, project, release_digest), blobs)


@dataclass(frozen=True, slots=True)
class Pins:
    """A release as it is recorded: the documents of everything it pins, by path; nothing of the blobs yet."""

    digest: str
    app: str
    found: Mapping[str, artifacts.Stored]
    facts: Mapping[str, Facts] = field(default_factory=dict)


def read_pins(tx: Transaction, project: str, release_digest: str) -> Pins:
    """Read what a release pins. Raises NotFound, or Corrupt for an artifact of another kind."""
    manifest = artifacts.get(tx, project, release_digest).document
    found = {}
    for path, pin in manifest["pins"].items():
        stored = artifacts.get(tx, project, pin["digest"])
        if stored.kind != pin["kind"]:
            raise Corrupt(f"{path} is pinned as a {pin['kind']} but is a {stored.kind}", "create the release again")
        found[path] = stored
    identities = manifest.get("providers", {})
    facts = {target: facts_of(identity) for target, identity in identities.items() if "facts" in identity}
    return Pins(release_digest, manifest["app"].rpartition("/")[2], found, facts)


def compile_release(pins: Pins, blobs: Blobs) -> Snapshot:
    """Fetch the blobs of a release and compile it: slow, so not while a transaction is open. Raises Corrupt."""
    return replace(_compile(_Pinned(pins.found, blobs), pins.app, pins.digest), facts=pins.facts)


def _compile(pinned: _Pinned, name: str, digest: str) -> Snapshot:
    app = pinned.document(f"apps/{name}", "app")
    prompts = {path: stored.document for path, stored in pinned.found.items() if stored.kind == "prompt"}
    replies = {path: compile_reply(document) for path, document in prompts.items() if not asks(document)}
    contract = compile_contract(pinned.document(app["contract"], "contract"), replies)
    models = compile_models(pinned.found, pinned.blobs.get)
    router = _router(pinned, app, models)
    check_labels(app, router.predictor.labels if router else ())
    verify = app.get("verify", {})
    policy = compile_policy(pinned.document(app["policy"], "policy") if "policy" in app else {})
    return Snapshot(
        digest=digest,
        app=name,
        contract=contract,
        policy=policy,
        router=router,
        routes=_routes(pinned, app, replies),
        replies=replies,
        fallback=_reply(replies, app["fallback"]),
        context_tokens=app.get("context", {}).get("tokens", CONTEXT_TOKENS),
        grounding_floor=(verify.get("grounding") or {}).get("at_least"),
        citations_required=verify.get("citations") == "required" or contract.citations_required,
        limits=compile_limits(pinned.document(app["contract"], "contract")),
        unscrubbed=frozenset(
            side
            for side, guards in (("input", policy.input), ("output", policy.output))
            if not _removes_secrets(guards)
        ),
        models=models,
        prices=compile_prices(pinned.document(app["prices"], "prices") if "prices" in app else {}),
    )


def _removes_secrets(guards: Sequence[Guard]) -> bool:
    return any(guard.kind == "secrets" and guard.mode == "enforce" and guard.action != "flag" for guard in guards)


def _router(pinned: _Pinned, app: Mapping[str, Any], models: Mapping[str, Model]) -> Router | None:
    path = app["route"].get("model")
    if path is None:
        return None
    return compile_router(path, pinned.document(path, "model"), models[path].predictor)


def _routes(pinned: _Pinned, app: Mapping[str, Any], replies: Mapping[str, str]) -> dict[str, Destination]:
    """Compile the table of routes; routes that share a retrieval share its compiled form."""
    retrievers: dict[str, Retriever] = {}
    routes = {}
    for label, target in app["route"]["to"].items():
        if "human" in target:
            routes[label] = Destination(label, reply=_reply(replies, target["human"]["reply"]))
            continue
        retrieval = target.get("retrieval", "")
        if retrieval and retrieval not in retrievers:
            retrievers[retrieval] = compile_retrieval(pinned.document(retrieval, "retrieval"), pinned.blobs.get)
        routes[label] = Destination(
            label,
            chain=compile_chain(app["llms"][target["llm"]]),
            prompt=compile_prompt(target["prompt"], pinned.document(target["prompt"], "prompt")),
            retriever=retrievers.get(retrieval),
            retrieval=retrieval,
        )
    return routes


def _reply(replies: Mapping[str, str], path: str) -> str:
    if path not in replies:
        raise Corrupt(f"the release pins no reply {path!r}", "create the release again")
    return replies[path]


def frozen(passages: tuple[Passage, ...]) -> list[dict[str, Any]]:
    """Return passages as plain values for a trace: where each came from and how well it matched, not its text."""
    return [
        {"source": item.source, "heading": item.heading, "score": round(item.score, 4), "digest": item.digest}
        for item in passages
    ]
