"""Why a request ended as it did, and what its stages found out, in sentences. Called by the page of a trace.

Only words are chosen here; what counts as blocked, refused or safe was decided and recorded long before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .wording import duration, measured, money, share, would

_STOPPING = ("block", "error_blocked")
_SAFE = {
    "no_citation": "The answer cited no source, and this app requires citations.",
    "ungrounded": "Too little of the answer stood in its sources.",
    "empty": "The model answered with nothing.",
    "retrieval_failed": "Searching the sources failed, and without them the app may not answer.",
    "route_failed": "The router failed, so nobody knew which way the question should take.",
    "no_route": "No route takes questions with this label.",
}
_ERRORS = {
    "budget_exhausted": "A budget was used up: the app's, or that of the key, its team, the user or the session.",
    "budget_frozen": "A budget is frozen, because a provider billed more than was reserved.",
    "tokens_exhausted": "A limit of tokens was used up.",
    "rate_limited": "A limit of requests was used up.",
    "steps_exhausted": "A limit of steps was used up.",
    "loop_stopped": "The same was asked again and again, as in a loop that runs away.",
    "client_left": "The client went away before the answer was complete.",
    "hold_failed": "The question should have been held for a person, but the queue could not be written.",
}
_MODEL = {
    "provider_rate_limit": "its provider says that it is asked too often",
    "provider_server": "its provider failed",
    "provider_timeout": "it took too long",
    "provider_connection": "its provider could not be reached",
    "provider_auth": "its provider did not accept the key, or there is none",
    "provider_rejected": "its provider did not accept the request",
    "provider_protocol": "its answer was none, or stopped before its end",
    "provider_broken": "the plugin of its provider failed",
    "breaker_open": "it had failed too often to be asked again so soon",
    "queue_full": "it had no place, and its queue was full",
    "queue_timeout": "it had no place in time",
    "less_strict": "it is less strict here than the release pins it",
}
_REFUSED = {"model": "The model itself declined to answer.", "content_filter": "The provider's own filter stopped it."}


def why(trace: Mapping[str, Any]) -> list[str]:
    """Return why a request did not simply get its answer, in one to three sentences; nothing for one that did."""
    row = trace["summary"]
    status, reason = row["status"], row["reason"]
    if status == "blocked":
        return _blocked(trace)
    if status == "held":
        return ["This route is held for a person. The asker got the template below at once."]
    if status == "safe":
        return [
            _SAFE.get(reason) or _unanswered(reason, "No model answered") or f"The answer could not stand: {reason}.",
            "The app's safe template was sent instead.",
        ]
    if status == "refused":
        rule = reason.partition(": ")[2] if reason.startswith("contract") else ""
        return [f"The contract does not allow it: {rule}." if rule else _REFUSED.get(reason, f"Refused: {reason}.")]
    if status == "error":
        told = _ERRORS.get(reason) or _unanswered(reason, "The model did not answer, or not to its end")
        return [told or f"It failed: {reason or 'nobody recorded why'}."]
    return []


def _unanswered(reason: str, what: str) -> str:
    """Say what went wrong with the last model that was asked; '' when the reason is another."""
    return f"{what}. The last that was asked: {_MODEL[reason]} ({reason})." if reason in _MODEL else ""


def _blocked(trace: Mapping[str, Any]) -> list[str]:
    guard = trace["blocked_by"] or trace["summary"]["reason"]
    side = "what was asked"
    for stage in trace["stages"]:
        verdicts = (stage.get("facts") or {}).get("verdicts") or {}
        if verdicts.get(guard) in _STOPPING and stage["name"] == "guard_output":
            side = "the answer"
    broken = any(
        verdict == "error_blocked"
        for stage in trace["stages"]
        for verdict in ((stage.get("facts") or {}).get("verdicts") or {}).values()
    )
    found = [f"The guard {guard} stopped {side}. The asker got the policy's reply instead."]
    return [*found, "The guard itself failed, and it is set to block then."] if broken else found


def verdicts(trace: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the verdicts of guards that did more than look, and on which side: [{guard, side, verdict, words}].

    words: the verdict for people; of a guard that only observes, what it would have done.
    """
    return [
        {
            "guard": guard,
            "side": "question" if stage["name"] == "guard_input" else "answer",
            "verdict": "observed" if guard in (only := observed(trace, stage)) else verdict,
            "words": f"{would(verdict)} (observed)" if guard in only else verdict.replace("_", " "),
        }
        for stage in trace["stages"]
        for guard, verdict in ((stage.get("facts") or {}).get("verdicts") or {}).items()
        if verdict != "pass"
    ]


def observed(trace: Mapping[str, Any], stage: Mapping[str, Any]) -> frozenset[str]:
    """Return the guards of a stage that only observe and would have done something."""
    lead = f"observed.{str(stage['name']).removeprefix('guard_')}."
    return frozenset(name.removeprefix(lead) for name in trace["attributes"] if name.startswith(lead))


def breach(detail: Mapping[str, Any]) -> str:
    """Return what a monitor saw against what is allowed, in words; '' for an incident that no monitor opened."""
    if detail.get("value") is None or detail.get("threshold") is None:
        return str(detail.get("explanation") or "")
    unit, low = str(detail.get("unit", "")), detail["value"] < detail["threshold"]
    allowed = f"{'at least' if low else 'at most'} {measured(detail['threshold'], unit)}"
    told = f"{measured(detail['value'], unit)}, allowed {allowed}"
    return f"{told}: {detail['explanation']}" if detail.get("explanation") else told


def review_of(trace: Mapping[str, Any]) -> str:
    """Return the id of the review that a held request opened, '' for none."""
    facts = [stage.get("facts") or {} for stage in trace["stages"] if stage["name"] == "hold"]
    return str(facts[0].get("review", "")) if facts else ""


def stage_words(stage: Mapping[str, Any], only: frozenset[str] = frozenset()) -> list[str]:
    """Return what a stage found out, a few words a line. only: guards that only observe."""
    facts = dict(stage.get("facts") or {})
    if "verdicts" in facts:
        return [_looked(facts["verdicts"], only)]
    if "attempts" in facts:
        return [attempt_words(attempt) for attempt in facts["attempts"]]
    maker = _MAKERS.get(str(stage["name"]))
    told = maker(facts) if maker else ", ".join(f"{name} {_flat(value)}" for name, value in facts.items())
    return [told] if told else []


def _looked(given: Mapping[str, str], only: frozenset[str]) -> str:
    acts = {name: verdict for name, verdict in given.items() if name not in only}
    told = [f"stopped by {name}" for name, verdict in acts.items() if verdict in _STOPPING]
    told += [f"{name} {verdict}" for name, verdict in acts.items() if verdict not in ("pass", *_STOPPING)]
    told += [f"{name} {would(given[name])} (observed)" for name in given if name in only]
    return ", ".join(told) or (f"{', '.join(given)}: pass" if given else "no guards")


def span_words(span: Mapping[str, Any]) -> list[str]:
    """Return what a foreign span tells of itself, a few words a line."""
    facts = span.get("facts") or {}
    about = [str(facts[name]) for name in ("operation", "model") if facts.get(name)]
    if facts.get("input_tokens") or facts.get("output_tokens"):
        about.append(f"{facts.get('input_tokens', 0)} → {facts.get('output_tokens', 0)} tokens")
    if facts.get("cost_usd"):
        about.append(money(facts["cost_usd"]))
    return [item for item in (", ".join(about), f"failed: {facts['message']}" if facts.get("message") else "") if item]


_PASSED = {
    "breaker_open": "it had failed too often",
    "rate_limited": "its provider had asked for a rest",
    "queue_full": "no place, and its queue was full",
    "queue_timeout": "no place in time",
    "less_strict": "it is less strict here than the release pins it",
}


def attempt_words(attempt: Mapping[str, Any]) -> str:
    """Return one call of a model in words: which, how it ended, tokens, cost."""
    if attempt.get("error") in _PASSED:
        return f"{attempt.get('target', '')} passed over: {_PASSED[attempt['error']]}"
    if "error" in attempt:
        status = f" ({attempt['upstream_status']})" if attempt.get("upstream_status") else ""
        said = f": {attempt['said']}" if attempt.get("said") else ""
        return f"{attempt.get('target', '')} failed: {attempt['error']}{status}{said}"
    tokens = attempt.get("tokens") or (0, 0)
    cost, took = money(attempt.get("cost_nano", 0) / 1e9), duration(attempt.get("took_us", 0) / 1000)
    lost = ", the other was first" if attempt.get("hedge") == "lost" else ""
    return f"{attempt.get('target', '')}: {tokens[0]} → {tokens[1]} tokens, {cost}, {took}{lost}"


def _route(facts: Mapping[str, Any]) -> str:
    if "error" in facts:
        return f"failed: {facts['error']}"
    label = f"{facts['label']} ({share(facts.get('confidence', 0))} sure) → " if facts.get("label") else ""
    return f"{label}{facts.get('route') or 'nowhere'}"


def _retrieve(facts: Mapping[str, Any]) -> str:
    found = facts.get("sources") or ()
    pages = len({item.get("source") for item in found})
    return f"{len(found)} passages of {pages} pages" if found else "nothing found"


def _fit(facts: Mapping[str, Any]) -> str:
    left = facts.get("dropped") or {}
    out = [f"{count} {name} left out" for name, count in left.items() if count]
    return ", ".join([f"{facts.get('tokens', 0)} tokens by {facts.get('prompt', '')}", *out])


def _reserve(facts: Mapping[str, Any]) -> str:
    return str(facts["error"]) if "error" in facts else f"at most {money(facts.get('bound_nano', 0) / 1e9)}"


def _verify(facts: Mapping[str, Any]) -> str:
    told = [f"{share(facts['grounding'])} grounded"] if "grounding" in facts else []
    told += [f"{len(facts['citations'])} cited"] if facts.get("citations") else []
    told += [f"objection: {facts['objection']}"] if "objection" in facts else []
    return ", ".join(told)


def _hold(facts: Mapping[str, Any]) -> str:
    return f"failed: {facts['error']}" if "error" in facts else "queued for a person"


def _contract(facts: Mapping[str, Any]) -> str:
    return next((f"{name}: {_flat(value)}" for name, value in facts.items()), "allows it")


_MAKERS = {
    "route": _route, "retrieve": _retrieve, "fit": _fit, "reserve": _reserve, "verify": _verify, "hold": _hold,
    "contract": _contract,
}  # fmt: skip


def _flat(value: Any) -> str:
    return ", ".join(str(item) for item in value) if isinstance(value, list | tuple) else str(value)[:80]
