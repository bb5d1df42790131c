"""The providers that need no network: what they say to calls of many shapes, and what importing them costs."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from headgate.kernel import Passage
from headgate.models import CANNOT, Call, Delta, End, Provider, ProviderError, Providers
from headgate.testing.model import ScriptedModel

PASSAGES = (Passage("corpus/plans", "The Max plan costs $40 per month. The Plus plan costs $25 per month.", "Prices"),)


async def text(provider: Provider, question: str, **changes: Any) -> str:
    body = {"messages": [{"role": "user", "content": question}], **changes.pop("parameters", {})}
    events = [event async for event in provider.chat(Call(**{"model": "m", "body": body, **changes}))]
    assert isinstance(events[-1], End)
    return "".join(event.text for event in events if isinstance(event, Delta))


@pytest.fixture
def extractive() -> Provider:
    return Providers({"local": {"type": "extractive"}}).get("local")


async def test_without_sources_it_says_that_it_cannot(extractive: Provider) -> None:
    assert await text(extractive, "What does the Max plan cost?") == CANNOT


async def test_what_sources_do_not_say_it_does_not_say(extractive: Provider) -> None:
    assert await text(extractive, "Who painted the Mona Lisa?", passages=PASSAGES) == CANNOT


async def test_the_calls_own_number_of_sentences_wins(extractive: Provider) -> None:
    question = "What do the Max plan and the Plus plan cost?"
    one = await text(extractive, question, passages=PASSAGES, parameters={"max_sentences": 1})
    two = await text(extractive, question, passages=PASSAGES)
    assert (one.count("[1]"), two.count("[1]")) == (1, 2)


async def test_examples_answer_small_talk(extractive: Provider) -> None:
    examples = (("Hello, good morning!", "Hi, how can I help?"),)
    assert await text(extractive, "hello good morning", examples=examples) == "Hi, how can I help?"
    assert await text(extractive, "What does the Max plan cost?", examples=examples) == CANNOT


@pytest.mark.parametrize("content", [None, 7, [], [{"type": "image_url"}], {"a": 1}, ""])
async def test_a_message_without_text_is_no_accident(extractive: Provider, content: Any) -> None:
    assert await text(extractive, content, passages=PASSAGES) == CANNOT


async def test_a_script_answers_in_turn_by_text_and_fails_when_told() -> None:
    model = ScriptedModel(["one", "two"])
    assert [await text(model, "?") for _ in range(3)] == ["one", "two", "two"]
    keyed = ScriptedModel({"refund": "Ten days.", "*": "Unknown."})
    assert [await text(keyed, "my REFUND?"), await text(keyed, "hello")] == ["Ten days.", "Unknown."]
    assert keyed.questions == ["my REFUND?", "hello"]
    failing = ScriptedModel(["fine"], failures=1, failure=429)
    with pytest.raises(ProviderError) as caught:
        await text(failing, "?")
    assert (caught.value.retryable, caught.value.upstream_status) == (True, 429)
    assert await text(failing, "?") == "fine"


async def test_a_stream_is_the_text_word_by_word() -> None:
    model = ScriptedModel(["Two  words.\n\nAnd more. "])
    call = Call("m", {"messages": []}, stream=True)
    pieces = [event.text async for event in model.chat(call) if isinstance(event, Delta)]
    assert len(pieces) == 4
    assert "".join(pieces) == "Two  words.\n\nAnd more. "


def test_importing_models_loads_nothing_heavy() -> None:
    heavy = ["numpy", "aiohttp", "onnxruntime", "genai_prices", "sqlalchemy", "markdown_it", "sklearn"]
    code = f"import sys, headgate.models, headgate.retrieve; print([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
