"""Whether every target that an app may call is as strict as its policy demands, or as the target that it asks first
(P12). Called by `release` when one is built, where files and lines are known, and when one is registered.

Guards belong to the app and run for every target; what may differ is where a target runs and what it keeps. It reads
documents and what a release pins of providers, never a file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from headgate.guard import TargetRules
from headgate.models import STRICT, FactName, Strictness, facts_of, stays_inside, told, weaker

from .chain import Key, chain_targets

_DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Weakness:
    """One target at one place (`key`) of the app that is less strict than it has to be."""

    key: Key
    target: str
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class _Wiring:
    """What an app calls: places and targets by chain, the chain of the default route first."""

    chains: Mapping[str, tuple[tuple[Key, str], ...]]
    policy: str
    rules: TargetRules
    identities: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class _Gap:
    """Whose standard a target does not reach, and in which facts."""

    whose: str
    standard: Strictness
    names: tuple[FactName, ...]


def weaknesses(
    app: Mapping[str, Any], policy: Mapping[str, Any], identities: Mapping[str, Mapping[str, Any]]
) -> Iterator[Weakness]:
    """Yield the targets of an app that are less strict than allowed, in the order of asking.

    app and policy: their documents, `{}` for no policy. identities: what a release pins of each `provider/model`.
    """
    wiring = _Wiring(
        _chains(app), app.get("policy", ""), TargetRules.model_validate(policy.get("targets", {})), identities
    )
    first = next(iter(wiring.chains.values()), ())
    for chain in wiring.chains.values():
        standards = {first[0][1]: "which the app's first route asks first", chain[0][1]: "which is asked first"}
        for key, target in chain:
            gaps = [gap for gap in _gaps(wiring, target, standards) if gap.names]
            if gaps:
                names = tuple(dict.fromkeys(name for gap in gaps for name in gap.names))
                sentences = "; ".join(_sentence(wiring, target, gap) for gap in gaps)
                yield Weakness(key, target, sentences, _hint(wiring, target, names))


def incapable(
    app: Mapping[str, Any], contract: Mapping[str, Any], identities: Mapping[str, Mapping[str, Any]]
) -> Iterator[Weakness]:
    """Yield targets that cannot do what the contract, or the target asked first, makes requests ask of them.

    No policy is weaker for it: an answer that breaks the contract's schema is replaced, a request that a target cannot
    take goes to the next. So it is worth a warning.
    """
    schema = contract.get("output", "chat") != "chat"
    for chain in _chains(app).values():
        first = _features(identities.get(chain[0][1], {})) or frozenset()
        for key, target in chain:
            found = _features(identities.get(target, {}))
            if found is None:
                continue
            if schema and "json_schema" not in found:
                message = f"{target} cannot be held to a JSON Schema, and the contract's output has one"
                yield Weakness(key, target, message, "what it says otherwise is replaced by the fallback")
            elif missing := sorted(first - found):
                message = f"{target} does not support {' and '.join(missing)}, as {chain[0][1]} before it does"
                yield Weakness(key, target, message, "requests that need it fail when the first does not answer")


def _features(identity: Mapping[str, Any]) -> frozenset[str] | None:
    """Return what a target can do, None when nobody says."""
    said = facts_of(identity).supports
    if said is None and stays_inside(identity):
        return frozenset()
    return None if said is None else frozenset(said)


def _chains(app: Mapping[str, Any]) -> dict[str, tuple[tuple[Key, str], ...]]:
    """Return the chains that routes use; that of `default` first, else that of the first route by name."""
    routes = app["route"]["to"]
    labels = sorted(routes, key=lambda label: (label != _DEFAULT, label))
    used = dict.fromkeys(routes[label]["llm"] for label in labels if "llm" in routes[label])
    return {
        name: tuple((("llms", name, *key), target) for key, target in chain_targets(app["llms"][name])) for name in used
    }


def _gaps(wiring: _Wiring, target: str, standards: Mapping[str, str]) -> Iterator[_Gap]:
    """Yield in which facts a target is less strict than the policy demands, and, in all others, than each standard."""
    rules = wiring.rules
    demanded = [name for name in STRICT if rules.says(name)]
    yield _Gap(f"{wiring.policy} demands that it", rules, _less(wiring, target, rules, demanded))
    for standard, why in standards.items():
        facts = _facts(wiring, standard)
        others = [name for name in STRICT if name not in demanded]
        yield _Gap(f"{standard}, {why},", facts, _less(wiring, target, facts, others))


def _less(wiring: _Wiring, target: str, standard: Strictness, names: list[FactName]) -> tuple[FactName, ...]:
    """Return in which of some facts a target is less strict than a standard, and not excepted."""
    found, inside = _facts(wiring, target), stays_inside(wiring.identities.get(target, {}))
    return tuple(
        name
        for name in names
        if weaker(name, found, standard)
        and not wiring.rules.excepts(target, name)
        and not (inside and not found.says(name))
    )


def _sentence(wiring: _Wiring, target: str, gap: _Gap) -> str:
    found = _facts(wiring, target)
    is_so = " and ".join(told(name, found) for name in gap.names)
    should = " and ".join(told(name, gap.standard) for name in gap.names)
    return f"{target} {is_so}, but {gap.whose} {should}"


def _facts(wiring: _Wiring, target: str) -> Strictness:
    return facts_of(wiring.identities.get(target, {}))


def _hint(wiring: _Wiring, target: str, names: tuple[FactName, ...]) -> str:
    provider = target.partition("/")[0]
    facts = ", ".join(f"{name}: …" for name in names)
    reasons = ", ".join(f"{name}: why" for name in names)
    policy = f"{wiring.policy}.yaml" if wiring.policy else "a policy"
    return (
        f"ask another target, declare `facts: {{{facts}}}` at providers.{provider} in headgate.yaml if it is so, "
        f"or except it in {policy}: `targets: {{except: {{{target}: {{{reasons}}}}}}}`"
    )
