"""The kind `app`: how one product is wired. Called by the plugin loader;
`cross_check` by `release` once labels are known.

contract: contracts/support
policy: policies/support
route:
  model: models/router
  to:
    high_risk: {human: {reply: prompts/safe}}
    default:   {llm: main, prompt: prompts/answer, retrieval: retrieval/handbook}
llms: {main: [openai/gpt-5-mini, local/extractive]}
verify: {grounding: {at_least: 0.6, otherwise: safe}, citations: required}
fallback: prompts/safe
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from headgate.kernel import (
    ContractPath,
    Draft,
    Kind,
    ModelPath,
    PolicyPath,
    PricesPath,
    PromptPath,
    RetrievalPath,
    Source,
    document_of,
    read_yaml,
    references,
    units,
    validate,
)
from headgate.serve.calling.chain import chain_targets

from ._chains import CHAINS, ChainOf
from ._changes import changed_values
from ._references import prompt_at, variables
from ._wiring import check_labels, check_names, check_prompts, check_sources, read_contract

_STRICT = ConfigDict(frozen=True, extra="forbid")
_USUAL = "30s"
"""What a call may take when its chain sets no `total`: `timeout_s` of the runtime."""
Part = Annotated[float, Field(ge=0, le=1)]


class Human(BaseModel):
    """Hold the request for a human; the asker gets this template at once."""

    model_config = _STRICT
    reply: PromptPath


class Target(BaseModel):
    """Where a label goes: to a human, or to a chain of models with a prompt and perhaps sources."""

    model_config = _STRICT
    human: Human | None = None
    llm: str | None = None
    prompt: PromptPath | None = None
    retrieval: RetrievalPath | None = None


class Route(BaseModel):
    """`model` decides the label; without one every request takes `default`."""

    model_config = _STRICT
    model: ModelPath | None = None
    to: Annotated[dict[str, Target], Field(min_length=1)]


class GroundingRule(BaseModel):
    """Answers on retrieval routes whose support is below `at_least` (0…1) are replaced by the fallback."""

    model_config = _STRICT
    at_least: Part
    otherwise: Literal["safe"] = "safe"


class Verify(BaseModel):
    model_config = _STRICT
    grounding: GroundingRule | None = None
    citations: Literal["required", "optional"] = "optional"


class Context(BaseModel):
    """`tokens`: how much of the conversation and the sources a model is given, estimated as UTF-8 bytes / 4."""

    model_config = _STRICT
    tokens: Annotated[int, Field(ge=64)] = 3000


class App(BaseModel):
    """The stored document."""

    model_config = _STRICT
    contract: ContractPath
    policy: PolicyPath | None = None
    route: Route
    llms: Annotated[dict[str, ChainOf], Field(description=CHAINS)] = {}
    verify: Verify = Verify()
    prices: Annotated[PricesPath | None, Field(description="what models cost, before what providers say")] = None
    fallback: PromptPath
    context: Context = Context()


def parse(root: Path, path: str) -> Draft:
    """Read `<path>.yaml`, check that its parts fit together and that its prompts exist.

    Raises NotFound, or InvalidInput with file, line, key and the nearest valid name.
    """
    source = read_yaml(root, f"{path}.yaml")
    app = validate(App, source)
    document = document_of(app)
    check_names(document, source)
    check_prompts(document, source, root)
    check_sources(document, source, read_contract(root, document, source))
    return Draft("app", 1, path, document, references=references(app))


def cross_check(root: Path, path: str, labels: Iterable[str]) -> None:
    """Check the routes of `<path>.yaml` against the labels that the router's model knows.

    Raises InvalidInput with file, line and nearest label for a route to no label, or a label without a route.
    """
    source = read_yaml(root, f"{path}.yaml")
    check_labels(document_of(validate(App, source)), tuple(labels), source)


def app_targets(document: Mapping[str, Any]) -> set[str]:
    """Return every `provider/model` that a route of the app may call."""
    used = {target["llm"] for target in document["route"]["to"].values() if target.get("llm")}
    return {model for name in used for _, model in chain_targets(document["llms"][name])}


def warnings(root: Path, path: str) -> list[str]:
    """Return what is legal in `<path>.yaml` and probably not meant, one sentence each with its place.

    Raises what parsing the app raises.
    """
    source = read_yaml(root, f"{path}.yaml")
    document = parse(root, path).document
    said = [*_sourceless(root, document, source), *_unused(document, source), *_held_back(root, document, source)]
    return [*said, *_late(document, source)]


def _sourceless(root: Path, document: Mapping[str, Any], source: Source) -> Iterator[str]:
    for label, target in document["route"]["to"].items():
        if "prompt" not in target:
            continue
        prompt, retrieval = target["prompt"], target.get("retrieval")
        where = source.where(("route", "to", label, "prompt"))
        shown = "sources" in variables(prompt_at(root, prompt, source, ()))
        if retrieval and not shown:
            yield f"{where}: {prompt} never shows {{{{ sources }}}}, so {retrieval} has no effect"
        if shown and not retrieval:
            yield f"{where}: {prompt} shows {{{{ sources }}}}, and the route has no retrieval"


def _unused(document: Mapping[str, Any], source: Source) -> Iterator[str]:
    used = {target.get("llm") for target in document["route"]["to"].values()}
    for name in document.get("llms", {}):
        if name not in used:
            yield f"{source.where(('llms', name))}: no route uses the chain {name!r}"


def _late(document: Mapping[str, Any], source: Source) -> Iterator[str]:
    """A time that is not shorter than the whole call is mostly a unit forgotten: `hedge: 800` is 800 seconds."""
    for name, chain in document.get("llms", {}).items():
        for key in ("hedge", "first_token", "idle") if isinstance(chain, Mapping) else ():
            if key in chain and units.parse_duration(chain[key]) >= units.parse_duration(chain.get("total", _USUAL)):
                whole = f"total: {chain['total']}" if "total" in chain else f"a call's usual {_USUAL}"
                where = source.where(("llms", name, key))
                yield f"{where}: {key} is {chain[key]}, which is not shorter than {whole}, so it has no effect"


def _held_back(root: Path, document: Mapping[str, Any], source: Source) -> Iterator[str]:
    """A stream that is verified leaves only when it is whole, so its first token is its last (decision 18)."""
    contract = read_contract(root, document, source)
    latency = contract.about["targets"].get("latency", {})
    first, whole = latency.get("first_token"), latency.get("p95")
    verify = document.get("verify", {})
    cites = "required" in (verify.get("citations"), contract.document.get("evidence", {}).get("citations"))
    if (
        first
        and (cites or verify.get("grounding"))
        and (not whole or units.parse_duration(first) < units.parse_duration(whole))
    ):
        where = source.where(("verify",))
        yield f"{where}: verified answers leave only when they are whole, so first_token: {first} is promised for that"


def explain(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Say what changed between two apps, route by route and chain by chain."""
    said = changed_values("the app's", _plain(old), _plain(new))
    routes = old["route"]["to"], new["route"]["to"]
    said += [f"the route {label} was removed" for label in routes[0] if label not in routes[1]]
    said += [f"the route {label} was added: {_to(routes[1][label])}" for label in routes[1] if label not in routes[0]]
    for label in routes[0].keys() & routes[1].keys():
        before, after = routes[0][label], routes[1][label]
        if ("human" in before) != ("human" in after):
            said.append(f"the route {label} goes to {_to(after)} (before: {_to(before)})")
        else:
            said += changed_values(f"the route {label}:", before, after)
    said += changed_values("the chain", old.get("llms", {}), new.get("llms", {}))
    said += changed_values("verification:", _flat(old), _flat(new))
    return said


def _plain(document: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: document[key] for key in ("contract", "policy", "prices", "fallback", "context") if key in document}
    return {**found, "router": document["route"].get("model", "none")}


def _flat(document: Mapping[str, Any]) -> dict[str, Any]:
    verify = document.get("verify", {})
    floor = {"grounding at least": verify["grounding"]["at_least"]} if verify.get("grounding") else {}
    return {**floor, "citations": verify.get("citations", "optional")}


def _to(target: Mapping[str, Any]) -> str:
    if "human" in target:
        return f"a human (reply {target['human']['reply']})"
    sources = f" with {target['retrieval']}" if "retrieval" in target else ""
    return f"the chain {target['llm']} with {target['prompt']}{sources}"


plugin = Kind("app", 1, App, parse, explain)
