"""Real clients: OpenTelemetry's SDK and OpenInference's instrumentation of `openai` send traces to a running server,
and our own exporter sends ours to a second one."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openinference.instrumentation.openai import OpenAIInstrumentor
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind

from headgate.platform import plain_environment
from headgate.testing.served import QUESTION, Served, do, serving

_spec = importlib.util.spec_from_file_location("http_world", Path(__file__).parents[1] / "http" / "conftest.py")
assert _spec is not None
assert _spec.loader is not None
_world = sys.modules["http_world"] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_world)
lab, built, server = _world.lab, _world.built, _world.server


def tracing(server: Served, compression: Compression = Compression.NoCompression) -> TracerProvider:
    exporter = OTLPSpanExporter(endpoint=f"{server.url}/v1/traces", compression=compression)
    provider = TracerProvider(resource=Resource.create({"service.name": "shop", "deployment.environment": "prod"}))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def command(server: Served, *words: str) -> Any:
    """Run a command against the server and return its JSON."""
    done = subprocess.run(
        [sys.executable, "-m", "headgate", *words, "--json", "--project", str(server.root)],
        capture_output=True, text=True, timeout=60, env=plain_environment(), check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
def test_the_opentelemetry_sdk_sends_an_agents_trace(server: Served, compression: Compression) -> None:
    provider = tracing(server, compression)
    tracer = provider.get_tracer("shop.agent")
    with tracer.start_as_current_span("invoke_agent shop", kind=SpanKind.INTERNAL) as root:
        root.set_attributes({"gen_ai.operation.name": "invoke_agent", "gen_ai.usage.input_tokens": 30})
        for number in range(3):
            with tracer.start_as_current_span("chat gpt-4o-mini", kind=SpanKind.CLIENT) as call:
                call.set_attributes({
                    "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai",
                    "gen_ai.request.model": "gpt-4o-mini",
                    "gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": number,
                    "gen_ai.input.messages": json.dumps([{"role": "user", "parts": [
                        {"type": "text", "content": f"question {number}"}]}]),
                })  # fmt: skip
    provider.shutdown()
    trace_id = format(root.get_span_context().trace_id, "032x")
    [row] = [row for row in command(server, "trace", "list", "--source", "otlp")["traces"]
             if row["trace_id"] == trace_id]  # fmt: skip
    assert (row["app"], row["environment"]) == ("shop", "prod")
    assert row["cost_usd"] == "0.0000063"
    shown = command(server, "trace", "show", trace_id)
    assert (shown["input_tokens"], shown["output_tokens"]) == (30, 3)


@pytest.fixture
def instrumented(server: Served) -> Iterator[TracerProvider]:
    provider = tracing(server, Compression.Gzip)
    OpenAIInstrumentor().instrument(tracer_provider=provider)
    yield provider
    OpenAIInstrumentor().uninstrument()


@pytest.mark.slow
def test_openinference_instruments_openai_calling_our_own_gateway(server: Served, instrumented: TracerProvider) -> None:
    client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="none")
    tracer = instrumented.get_tracer("shop")
    with tracer.start_as_current_span("question") as root:
        answer = client.chat.completions.create(model="support", messages=[{"role": "user", "content": QUESTION}])
    client.close()
    instrumented.shutdown()
    trace_id = format(root.get_span_context().trace_id, "032x")
    [row] = [row for row in command(server, "trace", "list", "--source", "otlp")["traces"]
             if row["trace_id"] == trace_id]  # fmt: skip
    assert row["question"] == QUESTION
    shown = command(server, "trace", "show", trace_id)
    assert answer.usage is not None
    assert shown["input_tokens"] == answer.usage.prompt_tokens > 0
    assert shown["output_tokens"] == answer.usage.completion_tokens > 0
    assert shown["payload"]["answer"] == answer.choices[0].message.content


@pytest.mark.slow
def test_what_we_hand_on_is_what_another_server_takes_in(server: Served, built: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(built, tmp_path / "project"))
    more = {"HEADGATE_OTLP_ENDPOINT": server.url, "HEADGATE_OTLP_HEADERS": "x-team=shop", "HEADGATE_OTLP_CONTENT": "1"}
    with serving(root, **more) as sending:
        for number in range(3):
            status, _, _ = sending.request("POST", "/v1/chat/completions", sending.chat(f"{QUESTION} {number}"))
            assert status == 200
    ours = {row["trace_id"]: row for row in do(root, "trace.list", {})["traces"]}
    assert len(ours) == 3
    theirs = {row["trace_id"]: row for row in
              server.request("POST", "/api/trace/list", {"source": "otlp"})[1]["traces"]}  # fmt: skip
    for trace_id, sent in ours.items():
        got = theirs[trace_id]
        assert (got["app"], got["environment"]) == (sent["app"], sent["environment"])
        assert got["cost_usd"] == sent["cost_usd"]
        assert got["latency_ms"] == sent["latency_ms"]
        assert got["at"] == sent["at"]
        assert got["question"] == sent["question"]
        assert sent["model"].endswith("/" + got["model"])
        here, there = (
            do(root, "trace.show", {"trace_id": trace_id}),
            server.request("POST", "/api/trace/show", {"trace_id": trace_id})[1],
        )
        for word in ("input_tokens", "output_tokens"):
            assert here[word] == there[word]
        assert here["payload"]["answer"] == there["payload"]["answer"]
