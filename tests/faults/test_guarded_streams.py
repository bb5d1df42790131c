"""P11: what a guard minds, cut in two at every place, on every provider's wire, through every unit: none of it leaves.

A stand-in model says a script piece by piece; the gateway is a process of its own; the client reads a real stream.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any, NamedTuple

import pytest
from tests.faults import guarded

from headgate.kernel import Usage, text_of
from headgate.testing.dialects import dialect_of
from headgate.testing.served import Served
from headgate.testing.upstream import Receive, Send, Upstream, running

pytestmark = pytest.mark.slow
BEFORE = (
    "You can have every device of this list for less. The offer is open to all who ask for it in a shop of ours. "
    "It ends with the month, as it did in all the years before. Bring the letter that you got from us, and say "
)
AFTER = " at the desk. Then the price is lower. Tell nobody!"
TERM, SECRET, MAIL = "KEEP-25", "AKIAIOSFODNN7EXAMPLE", "a.b@shop.example"
STREAMS: dict[str, Callable[[Served, str, str], guarded.Seen]] = {
    name: ask for name, ask in guarded.ROUTES.items() if name.endswith("-stream")
}
PROVIDERS = ("openai", "anthropic", "gemini", "bedrock")


class Guard(NamedTuple):
    """One output guard, what it minds, and what it puts in its place."""

    name: str
    options: str
    minds: str
    mask: str
    early: bool = True

    def policy(self, action: str, mode: str = "enforce") -> str:
        kind = self.name.partition("-")[0]
        return f"output:\n  - {kind}: {{{self.options}action: {action}, mode: {mode}, reply: prompts/refuse}}\n"


GUARDS = (
    Guard("terms", f"deny: [{TERM}], ", TERM, "<TERM>"),
    Guard("secrets", "", SECRET, "<AWS_KEY>"),
    Guard("pii", "", MAIL, "<EMAIL>"),
    Guard("own-span", f"word: {TERM}, holds: 8, ", TERM, "<OWN>"),
    Guard("own-sentence", f"word: {TERM}, holds: sentence, ", TERM, "<OWN>"),
    Guard("own-answer", f"word: {TERM}, holds: answer, ", TERM, "<OWN>", early=False),
)


def app_of(provider: str, guard: Guard, action: str) -> str:
    return f"{provider}-{guard.name}-{action}"


class Script(Upstream):
    """A model on every provider's wire that says what it is asked to: a list of pieces."""

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        spoken = dialect_of(scope["path"])
        assert spoken is not None
        dialect, asked = spoken[0], json.loads(body)
        pieces = json.loads(text_of(dialect.asked(asked)["messages"][-1]["content"]))
        events = [dialect.opening(asked, Usage(1, 1)), *(dialect.piece(asked, piece) for piece in pieces)]
        events += [dialect.closing(asked, Usage(1, 1), ended=True), dialect.last()]
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        for event in events:
            await send({"type": "http.response.body", "body": event, "more_body": True})
            await asyncio.sleep(0.003 if len(events) < 12 else 0)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with running(Script()) as (url, _):
        providers = "".join(f"  {name}: {{type: {name}, base_url: {url}, key: k}}\n" for name in PROVIDERS)
        apps = {
            app_of(provider, guard, action): (f"{provider}/stand-in", guard.policy(action))
            for provider, guard, action in product(PROVIDERS, GUARDS, ("block", "mask"))
        }
        apps["watched"] = ("openai/stand-in", GUARDS[0].policy("block", mode="observe"))
        root, environment = guarded.build(tmp_path_factory.mktemp("streams"), providers, apps)
        with guarded.gateway(root, environment, apps) as found:
            yield found


def cuts(text: str) -> Iterator[list[str]]:
    """Yield the whole answer in pieces, with the text cut at every place, and letter by letter."""
    for place in range(len(text) + 1):
        yield [piece for piece in (BEFORE, text[:place], text[place:], AFTER) if piece]
        yield [piece for piece in (BEFORE + text[:place], text[place:] + AFTER) if piece]
    yield list(BEFORE + text + AFTER)


@pytest.mark.parametrize("guard", GUARDS, ids=[guard.name for guard in GUARDS])
@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("stream", STREAMS)
def test_not_a_character_leaves_of_what_is_blocked(served: Served, stream: str, provider: str, guard: Guard) -> None:
    early = 0
    for pieces in cuts(guard.minds):
        seen = STREAMS[stream](served, app_of(provider, guard, "block"), json.dumps(pieces))
        assert seen.stopped, pieces
        # What came together is judged together: then nothing has left when the guard stops it.
        if not guard.early or seen.text == guarded.REPLY:
            assert seen.text == guarded.REPLY
            continue
        early += 1
        assert BEFORE.startswith(seen.text), pieces
    assert early or not guard.early, "nothing was streamed, so nothing was tried"


@pytest.mark.parametrize("guard", GUARDS, ids=[guard.name for guard in GUARDS])
@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("stream", STREAMS)
def test_what_is_masked_leaves_masked_and_the_rest_as_it_was(
    served: Served, stream: str, provider: str, guard: Guard
) -> None:
    for pieces in cuts(guard.minds):
        seen = STREAMS[stream](served, app_of(provider, guard, "mask"), json.dumps(pieces))
        assert not seen.stopped
        assert seen.text == BEFORE + guard.mask + AFTER, pieces


@pytest.mark.parametrize("stream", STREAMS)
def test_without_enforcement_it_would_have_left(served: Served, stream: str) -> None:
    """The tests above can fail: the same script comes through where the guard only observes."""
    for pieces in cuts(TERM):
        seen = STREAMS[stream](served, "watched", json.dumps(pieces))
        assert seen.text == BEFORE + TERM + AFTER
        assert guarded.shown(served, seen.trace)["attributes"]["observed.output.terms"] == "block"
