"""A small project, built for real: files → drafts → store → snapshot, and a runtime around it that remembers."""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from headgate import artifacts
from headgate.kernel import (
    Answer,
    Draft,
    Event,
    Reference,
    Request,
    RequestRecord,
    Say,
    SystemClock,
    Text,
    Usage,
    blob_digest,
    new_trace_id,
    plugins,
)
from headgate.models import FREE, Call, Delta, End, Price, Providers
from headgate.serve import Runtime, Snapshot, execute, load
from headgate.store import Blobs, Records

PROJECT = "acme"
LABELS = {"Somebody has taken over my account": "high_risk", "Hello there": "smalltalk"}
FILES = {
    "apps/support.yaml": """contract: contracts/support
policy: policies/support
route:
  model: models/router
  to:
    high_risk: {human: {reply: prompts/held}}
    smalltalk: {llm: main, prompt: prompts/chat}
    default: {llm: main, prompt: prompts/answer, retrieval: retrieval/handbook}
llms: {main: [one/model, two/model]}
verify: {grounding: {at_least: 0.6}, citations: required}
fallback: prompts/safe
""",
    "contracts/support.yaml": """refuse:
  - {rule: Legal advice, examples: ["Can I sue my landlord over the rent?"], reply: prompts/refuse}
evidence: {citations: required, sources: [retrieval/handbook]}
""",
    "policies/support.yaml": """input:
  - pii: {action: mask}
  - injection: {action: block, reply: prompts/refuse}
output:
  - pii: {action: mask}
  - terms: {action: block, deny: ["NL-OVERRIDE"], reply: prompts/refuse}
""",
    "prompts/answer.md": "# system\nAnswer from the sources.\n\n{{ sources }}\n# user\n{{ question }}\n",
    "prompts/chat.md": "---\nparameters: {temperature: 0, max_tokens: 80}\n---\n# system\nBe kind.\n",
    "prompts/safe.md": "A person will answer you.",
    "prompts/held.md": "A person from our team will look at this now.",
    "prompts/refuse.md": "I cannot help with that.",
    "retrieval/handbook.yaml": "corpus: [corpus/*.md]\n",
    "corpus/returns.md": "# Returns\n\nA router can be returned within 30 days. The return label is free of charge.\n",
    "corpus/roaming.md": "# Roaming\n\nRoaming inside the EU is free. A roaming pass for the USA costs $12 a week.\n",
}
GROUNDED = "A router can be returned within 30 days [1]."


@dataclass
class Model:
    """A provider that does what it is told: `says` holds what happens call by call, the last one again and again.

    A text is an answer, an exception is raised, a list is yielded item by item (exceptions in it are raised there),
    a callable makes the iterator itself.
    """

    name: str
    says: list[Any]
    cost: Price | None = FREE
    calls: list[Call] = field(default_factory=list)
    closed: int = 0

    def identity(self, model: str) -> dict[str, Any]:
        return {"type": "told", "model": model}

    def price(self, model: str) -> Price | None:
        return self.cost

    def chat(self, call: Call) -> AsyncIterator[Delta | End]:
        turn = len(self.calls)
        self.calls.append(call)
        said = self.says[min(turn, len(self.says) - 1)]
        return said(call) if callable(said) else self._speak(said, call)

    async def _speak(self, said: Any, call: Call) -> AsyncIterator[Delta | End]:
        try:
            if isinstance(said, BaseException):
                raise said
            pieces: list[Any] = said if isinstance(said, list) else [*_pieces(said, call.stream), end(said)]
            for piece in pieces:
                if isinstance(piece, BaseException):
                    raise piece
                yield Delta(piece) if isinstance(piece, str) else piece
        finally:
            self.closed += 1

    async def close(self) -> None:
        return None


def end(text: str = "", reason: str = "stop", **extra: Any) -> End:
    return End(reason, Usage(100, len(text.split())), "served-model", extra=extra)


def _pieces(text: str, stream: bool) -> list[str]:
    return [text[index : index + 3] for index in range(0, len(text), 3)] if stream else [text] if text else []


class Recorded:
    """A recorder that keeps everything."""

    def __init__(self) -> None:
        self.records: list[RequestRecord] = []

    def record(self, record: RequestRecord) -> None:
        self.records.append(record)

    @property
    def last(self) -> RequestRecord:
        return self.records[-1]


@dataclass
class World:
    """A project on disk and in a store, and what is needed to ask its release something."""

    root: Path
    records: Records
    blobs: Blobs
    one: Model = field(default_factory=lambda: Model("one", [GROUNDED]))
    two: Model = field(default_factory=lambda: Model("two", [GROUNDED]))
    recorder: Recorded = field(default_factory=Recorded)
    snapshot: Snapshot = field(init=False)
    runtime: Runtime = field(init=False)

    def __post_init__(self) -> None:
        providers = Providers({}, {"one": self.one, "two": self.two})
        self.runtime = Runtime(providers, self.recorder, SystemClock(), project=PROJECT, environment="prod")
        for name, text in FILES.items():
            self.write(name, text)

    def write(self, name: str, text: str) -> None:
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_text(text, encoding="utf-8")

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.root / name).read_text(encoding="utf-8")
        assert old in text, f"{name} holds no {old!r}"
        self.write(name, text.replace(old, new))

    def pin(self) -> str:
        """Store a release of what the files say now and return its digest."""
        pins: dict[str, Any] = {}
        queue = deque([Reference("app", "apps/support")])
        with self.records.begin() as tx:
            while queue:
                found = queue.popleft()
                if found.path in pins:
                    continue
                draft = (
                    router()
                    if found.kind == "model"
                    else plugins.load("kinds", found.kind).parse(self.root, found.path)
                )
                pins[found.path] = {"kind": draft.kind, "digest": draft.digest}
                artifacts.put(tx, self.blobs, PROJECT, draft, "ann", 1.0)
                queue.extend(draft.references)
            release = Draft("release", 1, "releases/support", {"app": "support", "pins": pins, "providers": {}})
            artifacts.put(tx, self.blobs, PROJECT, release, "ann", 1.0)
        return release.digest

    def build(self) -> World:
        digest = self.pin()
        with self.records.read() as tx:
            self.snapshot = load(tx, PROJECT, self.blobs, digest)
        return self

    def around(self, **changes: Any) -> World:
        self.runtime = replace(self.runtime, **changes)
        return self

    def request(self, question: str | list[dict[str, Any]], stream: bool = False, **body: Any) -> Request:
        messages = [{"role": "user", "content": question}] if isinstance(question, str) else question
        return Request(
            new_trace_id(), {"model": "support", "messages": messages, "stream": stream, **body}, key_id="k1"
        )

    async def events(self, question: Any, stream: bool = False, **body: Any) -> list[Any]:
        """Ask, and return what was heard, the answer last."""
        heard: list[Any] = []

        async def say(event: Event) -> None:
            heard.append(event)

        given = await self.told(say, question, stream, **body)
        return [*heard, given]

    async def told(self, say: Say | None, question: Any, stream: bool = False, **body: Any) -> Answer:
        return await execute(self.snapshot, self.request(question, stream, **body), self.runtime, say)

    async def ask(self, question: Any, stream: bool = False, **body: Any) -> Answer:
        """Ask, and hold every execution to its promise: what was heard is the answer's text, and it is recorded."""
        *heard, given = await self.events(question, stream, **body)
        assert isinstance(given, Answer)
        assert "".join(event.text for event in heard if isinstance(event, Text)) == given.text
        assert self.recorder.last.trace_id == given.trace_id
        assert self.recorder.last.status == given.status
        return given


def router() -> Draft:
    """A real ONNX model: questions that it knows get their label, all others `other`."""
    from onnx import TensorProto, helper

    node = helper.make_node(
        "LabelEncoder", ["text"], ["column"], domain="ai.onnx.ml",
        keys_strings=list(LABELS), values_strings=list(LABELS.values()), default_string="other",
    )  # fmt: skip
    graph = helper.make_graph(
        [node, helper.make_node("Reshape", ["column", "shape"], ["label"])], "router",
        [helper.make_tensor_value_info("text", TensorProto.STRING, [None, 1])],
        [helper.make_tensor_value_info("label", TensorProto.STRING, [None])],
        [helper.make_tensor("shape", TensorProto.INT64, [1], [-1])],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 2)]
    content = helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()
    digest = blob_digest(content)
    document = {
        "format": "onnx", "file": digest, "labels": ["high_risk", "other", "smalltalk"],
        "inputs": [{"name": "text", "type": "text"}], "behaviour": 1,
    }  # fmt: skip
    return Draft("model", 1, "models/router", document, {digest: content})


@pytest.fixture(scope="session")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The project as it is first written, built once: other worlds begin with copies of its database."""
    folder = tmp_path_factory.mktemp("first")
    records = Records(f"sqlite:///{folder}/records.db")
    records.migrate()
    yield World(folder / "project", records, Blobs("memory://")).build()
    records.close()


@pytest.fixture
def world(tmp_path: Path, first: World) -> Iterator[World]:
    """A project on disk and a store of its own; `build` it after editing."""
    shutil.copy(first.root.parent / "records.db", tmp_path / "records.db")
    records = Records(f"sqlite:///{tmp_path}/records.db")
    try:
        yield World(tmp_path / "project", records, first.blobs)
    finally:
        records.close()


@pytest.fixture
def built(world: World, first: World) -> World:
    """The project as it is first written, ready to be asked."""
    world.snapshot = first.snapshot
    return world
