"""The kind `contract`: what an app promises. Called by the plugin loader; `release` and `evaluate` read the targets.

A contract has two halves. The *behavioural* half (input, output, refuse, evidence, cost, limits) can change an answer
(a used-up budget ends it): it alone is the artifact's document, so it alone makes the digest that a release pins. The
*targets* (latency) are what the app is judged by: they travel in `about.targets` and never change a release.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from headgate.kernel import (
    Draft,
    Duration,
    InvalidInput,
    Kind,
    PromptPath,
    RateText,
    RetrievalPath,
    Source,
    Usd,
    document_of,
    read_yaml,
    references,
    validate,
)

from ._changes import changed_text, changed_values
from ._references import check_reply, prompt_at

_STRICT = ConfigDict(frozen=True, extra="forbid")
Schema = Literal["chat"] | dict[str, Any]


class Refusal(BaseModel):
    """What the app will not do. A question that restates one of the examples is refused before any model is asked;
    prompts show the rules to the model through {{ refusals }}."""

    model_config = _STRICT
    rule: Annotated[str, Field(min_length=1)]
    examples: list[str] = []
    reply: PromptPath | None = None


class Latency(BaseModel):
    model_config = _STRICT
    p50: Duration | None = None
    p95: Duration | None = None
    p99: Duration | None = None
    first_token: Duration | None = None


class Cost(BaseModel):
    model_config = _STRICT
    per_request: Usd | None = None
    per_day: Usd | None = None


class Limits(BaseModel):
    """What may be used: by the app in all, by each of its users (`user` of a request), in each session. `loops`: the
    same call of a tool, or the same question, this often in a row is stopped; 0 never stops one."""

    model_config = _STRICT
    app: list[RateText] = []
    user: list[RateText] = []
    session: list[RateText] = []
    loops: Annotated[int, Field(ge=0, le=1000)] = 10


class Evidence(BaseModel):
    """Which answers must stand on sources, and on which."""

    model_config = _STRICT
    citations: Literal["required", "optional"] = "optional"
    sources: list[RetrievalPath] = []


class Contract(BaseModel):
    """The whole contract as people write it; the stored document is the behavioural half of it."""

    model_config = _STRICT
    input: Schema = "chat"
    output: Schema = "chat"
    refuse: list[Refusal] = []
    latency: Latency = Latency()
    cost: Cost = Cost()
    limits: Limits = Limits()
    evidence: Evidence = Evidence()


def parse(root: Path, path: str) -> Draft:
    """Read `<path>.yaml`. Raises NotFound, or InvalidInput with file, line and key."""
    source = read_yaml(root, f"{path}.yaml")
    contract = validate(Contract, source)
    for side in ("input", "output"):
        _check_schema(getattr(contract, side), source, side)
    whole = document_of(contract)
    for index, refusal in enumerate(contract.refuse):
        if refusal.reply:
            key = ("refuse", index, "reply")
            check_reply(prompt_at(root, refusal.reply, source, key), source.where(key))
    document = behavioural(whole)
    pinned = references(Contract.model_validate(document))
    return Draft("contract", 1, path, document, references=pinned, about={"targets": targets(whole)})


def behavioural(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the half of a contract's document that can change an answer, and that a release therefore pins."""
    return {
        key: document[key] for key in ("input", "output", "refuse", "cost", "limits", "evidence") if key in document
    }


def targets(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the other half: `latency`, as written (`2s`). It judges a release and changes no answer."""
    return {"latency": document["latency"]} if document.get("latency") else {}


def _check_schema(schema: Schema, source: Source, side: str) -> None:
    if schema == "chat":
        return
    import jsonschema_rs

    try:
        jsonschema_rs.validator_for(schema)
    except (jsonschema_rs.ValidationError, ValueError) as problem:
        message = getattr(problem, "message", str(problem)).splitlines()[0]
        path = (side, *getattr(problem, "instance_path", ()))
        raise InvalidInput(f"is not a valid JSON Schema: {message}", where=source.where(path)) from None


def explain(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Say what changed between two contracts."""
    said = []
    for side in ("input", "output"):
        said += changed_values(side, _schema(old, side), _schema(new, side))
    before = {item["rule"]: item for item in old.get("refuse", [])}
    after = {item["rule"]: item for item in new.get("refuse", [])}
    said += [f"no longer refuses: {rule}" for rule in before if rule not in after]
    said += [f"now refuses: {rule}" for rule in after if rule not in before]
    for rule in before.keys() & after.keys():
        examples = ("\n".join(item.get("examples", [])) for item in (before[rule], after[rule]))
        said += changed_text(f"examples of what is refused as {rule!r}", *examples)
        if before[rule].get("reply") != after[rule].get("reply"):
            said.append(f"the reply to what is refused as {rule!r} changed")
    said += changed_values("evidence", old.get("evidence", {}), new.get("evidence", {}))
    said += changed_values("limits", old.get("limits", {}), new.get("limits", {}))
    return said + changed_values("cost", old.get("cost", {}), new.get("cost", {}))


def _schema(document: Mapping[str, Any], side: str) -> Mapping[str, Any]:
    schema = document.get(side, "chat")
    return {"is": schema} if schema == "chat" else schema


plugin = Kind("contract", 1, Contract, parse, explain)
