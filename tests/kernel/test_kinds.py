"""Drafts and references: a draft's digest is its document's, and marked fields are found wherever they stand."""

from __future__ import annotations

from pydantic import BaseModel, Field

from headgate.kernel import Draft, ModelPath, PromptPath, Reference, canonical, digest, references
from headgate.kernel.kinds import SuitePath


def test_a_drafts_digest_is_its_documents() -> None:
    draft = Draft("prompt", 1, "prompts/a", {"b": 1, "a": 2}, {"x": b"y"}, about={"note": 1})
    assert draft.digest == digest("prompt", 1, canonical({"a": 2, "b": 1}))
    assert draft.digest == Draft("prompt", 1, "prompts/other", {"a": 2, "b": 1}).digest
    assert draft.digest != Draft("prompt", 2, "prompts/a", {"a": 2, "b": 1}).digest
    assert draft.digest != Draft("policy", 1, "prompts/a", {"a": 2, "b": 1}).digest


class Step(BaseModel):
    prompt: PromptPath
    note: str = ""


class App(BaseModel):
    model: ModelPath | None = None
    to: dict[str, Step | str] = {}
    replies: tuple[PromptPath, ...] = ()
    first: Step | None = Field(None, alias="from")
    suites: dict[str, SuitePath] = {}
    name: str = "x"


def test_marked_fields_are_found_with_their_places() -> None:
    app = App.model_validate(
        {
            "model": "models/router",
            "to": {"a": {"prompt": "prompts/a", "note": "prompts/none"}, "b": "plain"},
            "replies": ["prompts/b", "prompts/c"],
            "from": {"prompt": "prompts/d"},
            "suites": {"golden": "suites/golden"},
        }
    )
    assert references(app) == (
        Reference("model", "models/router", ("model",)),
        Reference("prompt", "prompts/a", ("to", "a", "prompt")),
        Reference("prompt", "prompts/b", ("replies", 0)),
        Reference("prompt", "prompts/c", ("replies", 1)),
        Reference("prompt", "prompts/d", ("from", "prompt")),
        Reference("suite", "suites/golden", ("suites", "golden")),
    )


def test_nothing_marked_is_nothing_found() -> None:
    assert references(App()) == ()
