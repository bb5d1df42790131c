"""Clients that were written for OpenAI and know nothing of us: LangChain's `ChatOpenAI`, and plain `curl`."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pydantic
import pytest
from tests.journeys.clients import WIRES, World

pytestmark = pytest.mark.slow

MADE_UP = "Yes, of course, that is possible at any time and costs nothing."


class Weather(pydantic.BaseModel):
    """The weather of a place."""

    sky: str
    degrees: int


Chain = Callable[..., Any]


@pytest.fixture(scope="module")
def web() -> Iterator[Any]:
    """What LangChain's clients send with; those that it makes itself are never closed."""
    with openai.DefaultHttpxClient() as found:
        yield found


@pytest.fixture
def chain(world: World, web: Any) -> Chain:
    from langchain_openai import ChatOpenAI

    about: Any = {"base_url": world.url, "api_key": world.key, "max_retries": 0, "http_client": web}
    return lambda wire, **more: ChatOpenAI(model=wire, **about, **more)


both = pytest.mark.parametrize("responses", [False, True], ids=["chat", "responses"])


@both
@pytest.mark.parametrize("wire", WIRES)
def test_langchain_invokes_and_streams(chain: Chain, wire: str, responses: bool) -> None:
    model = chain(wire, use_responses_api=responses)
    found = model.invoke([("system", "Be brief."), ("human", "Hello")])
    assert found.text == MADE_UP
    assert found.usage_metadata["total_tokens"] > 0
    pieces = [piece.text for piece in model.stream("Hello")]
    assert "".join(pieces) == MADE_UP
    assert sum(map(bool, pieces)) > 1


@both
@pytest.mark.parametrize("wire", WIRES)
def test_langchain_goes_round_the_loop_of_tools(chain: Chain, wire: str, responses: bool) -> None:
    from langchain_core.messages import HumanMessage, ToolMessage
    from langchain_core.tools import tool

    @tool
    def weather(place: str) -> str:
        """Tell the weather of a place."""
        return f"{place}: dry"

    model = chain(wire, use_responses_api=responses).bind_tools([weather])
    messages: list[Any] = [HumanMessage("Use weather for Ulm and use weather for Bonn.")]
    said = model.invoke(messages)
    assert [(call["name"], call["args"]) for call in said.tool_calls] == [
        ("weather", {"place": "Ulm"}), ("weather", {"place": "Bonn"}),
    ]  # fmt: skip
    messages += [
        said,
        *(ToolMessage(weather.invoke(call["args"]), tool_call_id=call["id"]) for call in said.tool_calls),
    ]
    assert model.invoke(messages).text == "The tools say: Ulm: dry, Bonn: dry."


@both
def test_langchain_gets_structured_answers(chain: Chain, responses: bool) -> None:
    model = chain("openai", use_responses_api=responses).with_structured_output(Weather)
    assert model.invoke("Hello") == Weather(sky="dry", degrees=7)


def test_langchain_embeds(world: World, web: Any) -> None:
    """It sends tokens unless told that the server takes text; an app embeds text."""
    from langchain_openai import OpenAIEmbeddings

    about: Any = {"base_url": world.url, "api_key": world.key, "http_client": web}
    model = OpenAIEmbeddings(model="quoting", check_embedding_ctx_length=False, **about)
    one, other = model.embed_documents(["You can return a device.", "The bill is due."])
    query = model.embed_query("May I return my device?")
    assert sum(a * b for a, b in zip(query, one, strict=True)) > sum(a * b for a, b in zip(query, other, strict=True))


def curl(*words: str) -> str:
    program = shutil.which("curl")
    if program is None:
        pytest.skip("curl is not installed")
    done = subprocess.run([program, "--silent", "--show-error", "--max-time", "20", *words], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def asked(world: World, path: str, **body: Any) -> list[str]:
    return [
        f"{world.url}{path}", "-H", f"Authorization: Bearer {world.key}", "-H", "Content-Type: application/json",
        "-d", json.dumps(body),
    ]  # fmt: skip


def test_curl_asks_whole(world: World) -> None:
    told = [{"role": "user", "content": "Hello"}]
    found = json.loads(curl(*asked(world, "/chat/completions", model="openai", messages=told)))
    assert found["choices"][0]["message"]["content"] == MADE_UP
    found = json.loads(curl(*asked(world, "/responses", model="openai", input="Hello")))
    assert found["output"][0]["content"][0]["text"] == MADE_UP
    found = json.loads(curl(*asked(world, "/embeddings", model="quoting", input="Hello")))
    assert len(found["data"][0]["embedding"]) == 1024


def test_curl_asks_for_a_stream(world: World) -> None:
    told = [{"role": "user", "content": "Hello"}]
    raw = curl("--no-buffer", *asked(world, "/chat/completions", model="openai", messages=told, stream=True))
    lines = [line.removeprefix("data: ") for line in raw.splitlines() if line]
    assert lines[-1] == "[DONE]"
    assert "".join(json.loads(line)["choices"][0]["delta"].get("content", "") for line in lines[:-1]) == MADE_UP
    raw = curl("--no-buffer", *asked(world, "/responses", model="openai", input="Hello", stream=True))
    assert raw.startswith("event: response.created\ndata: {")
    assert raw.rstrip().rpartition("\nevent: ")[2].startswith("response.completed\n")


def test_curl_is_told_what_is_wrong(world: World) -> None:
    words = [f"{world.url}/models", "--write-out", "\n%{http_code}"]
    body, _, status = curl(*words).rpartition("\n")
    assert (status, json.loads(body)["error"]["type"]) == ("401", "authentication_error")
