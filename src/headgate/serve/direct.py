"""A provider's model addressed by its own name (`openai/gpt-5-mini`): what an app would be without anything around its
model. Called by the gateway for callers who may go past releases; limits, deadlines and traces hold all the same.
"""

from __future__ import annotations

from functools import lru_cache

from headgate.guard import Policy

from .asking.prompt import compile_prompt
from .calling.chain import compile_chain
from .contract import compile_contract
from .kinds._wiring import DEFAULT
from .money.limits import compile_limits
from .route import Destination
from .snapshot import Snapshot

_WHOLE = 10**9
"""No conversation is shortened: the model says itself when it is too long."""


@lru_cache(maxsize=256)
def direct(target: str) -> Snapshot:
    """Return what answers a request to a model alone: it pins nothing, so its digest is empty, and it has no safe
    template: a model that does not answer is an error."""
    prompt = compile_prompt(target, {"messages": []})
    return Snapshot(
        digest="",
        app=target,
        contract=compile_contract({}, {}),
        policy=Policy(),
        router=None,
        routes={DEFAULT: Destination("direct", chain=compile_chain([target]), prompt=prompt)},
        replies={},
        fallback="",
        context_tokens=_WHOLE,
        grounding_floor=None,
        citations_required=False,
        limits=compile_limits({}),
        unscrubbed=frozenset({"input", "output"}),
    )
