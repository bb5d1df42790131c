"""Whether the parts of an app fit together: names, labels, prompts. Called by the kind `app`, by `load` and by checks.

It reads documents and files and never a database.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from headgate.kernel import Draft, InvalidInput, NotFound, Source, Where, nearest
from headgate.serve.calling.chain import chain_targets

from ._references import asks, check_reply, nothing, prompt_at
from .contract import parse as parse_contract

DEFAULT = "default"


def check_names(document: Mapping[str, Any], source: Source) -> None:
    """Check that every route is whole, that its chain exists and that chains name `provider/model`."""
    chains = document.get("llms", {})
    for label, target in document["route"]["to"].items():
        at = ("route", "to", label)
        _check_target(target, source, at)
        name = target.get("llm")
        if name is not None and name not in chains:
            hint = nearest(name, chains) or "write it under llms:"
            raise InvalidInput(f"there is no chain {name!r} under llms", hint, where=source.where((*at, "llm")))
    for name, chain in chains.items():
        _check_chain(chain, source, ("llms", name))
    if "model" not in document["route"] and DEFAULT not in document["route"]["to"]:
        raise InvalidInput("without a model only the route 'default' is ever taken, and there is none",
                           "add model: or a route default:", where=source.where(("route", "to")))  # fmt: skip


def _check_chain(chain: Any, source: Source, at: tuple[str | int, ...]) -> None:
    found = list(chain_targets(chain))
    for key, model in found:
        provider, slash, rest = model.partition("/")
        if not (provider and slash and rest):
            raise InvalidInput(
                f"{model!r} names no model",
                "write provider/model, as in openai/gpt-5-mini",
                where=source.where((*at, *key)),
            )
    if isinstance(chain, list):
        return
    names = {model for _, model in found}
    for model in chain.get("limits", {}):
        if model not in names:
            where = source.where((*at, "limits", model))
            raise InvalidInput(f"{model!r} is no target of this chain", nearest(model, names), where=where)
    if "hedge" in chain and len(names) < 2:
        raise InvalidInput(
            "hedging asks a second target, and there is none",
            "add a target, or remove hedge:",
            where=source.where((*at, "hedge")),
        )


def _check_target(target: Mapping[str, Any], source: Source, at: tuple[str | int, ...]) -> None:
    if "human" in target:
        if extra := sorted(set(target) - {"human"}):
            hint = "a route goes to a human or to a model"
            raise InvalidInput(
                f"the key {extra[0]!r} does not go with human", hint, where=source.where((*at, extra[0]))
            )
        return
    for key in ("llm", "prompt"):
        if key not in target:
            hint = "write {human: {reply: …}} or {llm: …, prompt: …}"
            raise InvalidInput(f"the key {key!r} is missing", hint, where=source.where((*at, key)))


def check_labels(document: Mapping[str, Any], labels: Sequence[str], source: Source | None = None) -> None:
    """Check that each route is a label of the router (or default) and that each label has a route.

    Raises InvalidInput, with file and line when the source is given.
    """
    routes = document["route"]["to"]

    def where(key: tuple[str | int, ...]) -> Where | None:
        return source.where(key) if source else None

    if "model" not in document["route"]:
        labels = ()
    for label in routes:
        if label != DEFAULT and label not in labels:
            hint = nearest(label, [*labels, DEFAULT])
            message = f"the router knows no label {label!r}"
            raise InvalidInput(message, hint, where=where(("route", "to", label)))
    missing = [label for label in labels if label not in routes]
    if missing and DEFAULT not in routes:
        message = f"the label {missing[0]!r} of the router has no route"
        raise InvalidInput(message, "add it, or a route default:", where=where(("route", "to")))


def check_prompts(document: Mapping[str, Any], source: Source, root: Path) -> None:
    """Check that the prompts which an app names exist and are of the right sort: replies, or prompts for a model."""
    check_reply(prompt_at(root, document["fallback"], source, ("fallback",)), source.where(("fallback",)))
    for label, target in document["route"]["to"].items():
        at = ("route", "to", label)
        if "human" in target:
            reply = (*at, "human", "reply")
            check_reply(prompt_at(root, target["human"]["reply"], source, reply), source.where(reply))
        else:
            key = (*at, "prompt")
            if not asks(prompt_at(root, target["prompt"], source, key)):
                hint = "add a heading # system or # user; without headings a prompt is a reply"
                raise InvalidInput(f"{target['prompt']} does not ask a model anything", hint, where=source.where(key))


def read_contract(root: Path, document: Mapping[str, Any], source: Source) -> Draft:
    """Return the contract that an app names. Raises InvalidInput at the app's key when there is none."""
    try:
        return parse_contract(root, document["contract"])
    except NotFound as problem:
        raise nothing("contract", document["contract"], problem, source.where(("contract",))) from None


def check_sources(document: Mapping[str, Any], source: Source, contract: Draft) -> None:
    """Check that routes retrieve only from what the contract accepts as evidence, when it says so."""
    accepted = contract.document.get("evidence", {}).get("sources", [])
    for label, target in document["route"]["to"].items():
        retrieval = target.get("retrieval")
        if accepted and retrieval and retrieval not in accepted:
            where = source.where(("route", "to", label, "retrieval"))
            message = f"{retrieval} is no evidence that {document['contract']} accepts"
            raise InvalidInput(message, nearest(retrieval, accepted), where=where)
