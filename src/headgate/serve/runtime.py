"""What surrounds an execution and is no part of the release: providers, time, money, people. Built by `platform`.

Evaluation hands `execute` the same thing with a provider table that journals: any `models.Providers` whose `resolve`
maps `provider/model` to (provider, model), and whose `keeps` knows the project's facts, will do.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal

from headgate.kernel import Answer, Clock, Rates, Recorder, Request, Scoped
from headgate.models import Providers

from .budget import Purse
from .calling.targets import Targets
from .guarding.looks import Looks

Hold = Callable[[Request, Answer], Awaitable[str]]
"""Queues a (masked) request for a human and returns the review's id."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """Everything `execute` needs beside the release and the request; shared by all requests of an environment that are
    limited alike.

    purse: None for no budgets (evaluation). key_limits: what the caller's key and team may use. app_limits: overrides
    the contract's own for the app. timeout_s: one provider call, also the longest silence inside a stream, unless the
    chain says otherwise. targets: what earlier requests taught about targets; None for evaluation, where each case
    stands alone. later: calls something after what is going on now, an event loop's `call_soon`; None for at once.
    looks: who looks at long texts.
    """

    providers: Providers
    recorder: Recorder
    clock: Clock
    purse: Purse | None = None
    hold: Hold | None = None
    environment: str = ""
    source: Literal["live", "evaluation", "replay", "guards", "embeddings"] = "live"
    project: str = ""
    key_limits: Scoped = ()
    app_limits: Rates | None = None
    timeout_s: float = 30.0
    targets: Targets | None = None
    later: Callable[..., object] | None = None
    looks: Looks = field(default_factory=Looks)
