"""What `llms:` may say: a plain list of targets, or targets with deadlines, hedging, weights and places. Called by the
kind `app`. The rules are behaviour and part of the release.

main: [openai/gpt-5-mini, local/extractive]
fast:
  targets: [{any: [{one/model: 3}, {two/model: 1}]}, local/extractive]
  first_token: 5s
  idle: 10s
  total: 60s
  hedge: 800ms
  limits: {one/model: {concurrent: 8, queue: 32, wait: 2s}}
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag

from headgate.kernel import Duration

CHAINS = (
    "chains of models, asked from left to right: lists of `provider/model` or of `{any: [{provider/model: weight}]}`; "
    "or mappings with `targets`, `first_token`, `idle`, `total`, `retries`, `hedge` and, by target, `limits` "
    "(`concurrent`, `queue`, `wait` and the times again)"
)
_STRICT = ConfigDict(frozen=True, extra="forbid")


def _some(value: int) -> int:
    if not value:
        raise ValueError("expected a duration longer than nothing")
    return value


Time = Annotated[Duration, AfterValidator(_some)]
Retries = Annotated[int, Field(ge=0, le=5)]
Weight = Annotated[int, Field(ge=1, le=1000)]
Weighted = Annotated[dict[str, Weight], Field(min_length=1, max_length=1)]


def _entry(value: Any) -> str:
    return "tagged-text" if isinstance(value, str) else "tagged-more"


class Equals(BaseModel):
    """Targets that are as good as each other: each request asks one, by weight; the others are its fallbacks."""

    model_config = _STRICT
    any: Annotated[
        list[
            Annotated[
                Annotated[str, Tag("tagged-text")] | Annotated[Weighted, Tag("tagged-more")], Discriminator(_entry)
            ]
        ],
        Field(min_length=2),
    ]


class Limits(BaseModel):
    """Rules of one target. concurrent: calls at once in one process; queue and wait: who may wait for a place."""

    model_config = _STRICT
    concurrent: Annotated[int, Field(ge=1)] | None = None
    queue: Annotated[int, Field(ge=0, le=10_000)] | None = None
    wait: Duration | None = None
    retries: Retries | None = None
    first_token: Time | None = None
    idle: Time | None = None
    total: Time | None = None


Entry = Annotated[Annotated[str, Tag("tagged-text")] | Annotated[Equals, Tag("tagged-more")], Discriminator(_entry)]
Entries = Annotated[list[Entry], Field(min_length=1)]


class Chain(BaseModel):
    """A chain with rules. first_token, idle, retries and total are each target's; total is also that of the chain."""

    model_config = _STRICT
    targets: Entries
    retries: Retries | None = None
    first_token: Time | None = None
    idle: Time | None = None
    total: Time | None = None
    hedge: Time | None = None
    limits: dict[str, Limits] = {}


def _form(value: Any) -> str:
    return "tagged-rules" if isinstance(value, dict | Chain) else "tagged-list"


ChainOf = Annotated[
    Annotated[Entries, Tag("tagged-list")] | Annotated[Chain, Tag("tagged-rules")], Discriminator(_form)
]
"""One chain as an app writes it."""
