"""What other people call the things we record: one table a convention, and one word of ours for each of their names.

Called by `translate` (in) and `outgoing` (out). Nothing but tables: a convention that moves again is a line here and a
new VERSION. Where a span carries several names for one thing, the table that stands first in CONVENTIONS wins.
"""

from __future__ import annotations

from collections.abc import Mapping

VERSION = "2026-11"
"""Which reading of the conventions this is; kept with nothing, printed by the benchmark and the documentation."""

OTEL: Mapping[str, str] = {
    "gen_ai.operation.name": "operation",
    "gen_ai.provider.name": "provider",
    "gen_ai.request.model": "asked_model",
    "gen_ai.response.model": "model",
    "gen_ai.usage.input_tokens": "input_tokens",
    "gen_ai.usage.output_tokens": "output_tokens",
    "gen_ai.usage.cache_read.input_tokens": "cached_tokens",
    "gen_ai.usage.cache_creation.input_tokens": "written_tokens",
    "gen_ai.usage.reasoning.output_tokens": "reasoning_tokens",
    "gen_ai.conversation.id": "session",
    "session.id": "session",
    "user.id": "subject",
    "enduser.id": "subject",
    "gen_ai.input.messages": "messages",
    "gen_ai.output.messages": "answers",
    "gen_ai.system_instructions": "instructions",
    "gen_ai.retrieval.documents": "documents",
    "gen_ai.retrieval.query.text": "query",
    "gen_ai.tool.call.arguments": "asked",
    "gen_ai.tool.call.result": "replied",
}
"""OpenTelemetry's GenAI conventions of today (semantic-conventions, docs/gen-ai)."""

OTEL_OLDER: Mapping[str, str] = {
    "gen_ai.system": "provider",
    "gen_ai.usage.prompt_tokens": "input_tokens",
    "gen_ai.usage.completion_tokens": "output_tokens",
    "gen_ai.prompt": "messages",
    "gen_ai.completion": "answers",
    "gen_ai.event.content": "messages",
    "gen_ai.thread.id": "session",
    "gen_ai.usage.cost": "cost",
    "operation.cost": "cost",
}
"""What OpenTelemetry called them before, and the cost that it has never named."""

OPENINFERENCE: Mapping[str, str] = {
    "openinference.span.kind": "sort",
    "llm.provider": "provider",
    "llm.system": "maker",
    "llm.model_name": "model",
    "embedding.model_name": "model",
    "reranker.model_name": "model",
    "llm.token_count.prompt": "input_tokens",
    "llm.token_count.completion": "output_tokens",
    "llm.token_count.prompt_details.cache_read": "cached_tokens",
    "llm.token_count.prompt_details.cache_write": "written_tokens",
    "llm.token_count.completion_details.reasoning": "reasoning_tokens",
    "llm.cost.total": "cost",
    "llm.prompts": "prompts",
    "input.value": "asked",
    "output.value": "replied",
    "reranker.query": "query",
}
"""OpenInference (Arize); its messages are spread over indexed names, see INDEXED."""

OPENLLMETRY: Mapping[str, str] = {
    "llm.request.type": "operation",
    "traceloop.span.kind": "sort",
    "llm.vendor": "provider",
    "llm.request.model": "asked_model",
    "llm.response.model": "model",
    "llm.usage.prompt_tokens": "input_tokens",
    "llm.usage.completion_tokens": "output_tokens",
    "gen_ai.usage.cache_read_input_tokens": "cached_tokens",
    "gen_ai.usage.cache_creation_input_tokens": "written_tokens",
    "gen_ai.usage.reasoning_tokens": "reasoning_tokens",
    "traceloop.association.properties.session_id": "session",
    "traceloop.association.properties.thread_id": "session",
    "traceloop.association.properties.user_id": "subject",
    "traceloop.entity.input": "asked",
    "traceloop.entity.output": "replied",
}
"""OpenLLMetry (Traceloop)."""

LANGFUSE: Mapping[str, str] = {
    "langfuse.observation.type": "sort",
    "langfuse.observation.model.name": "model",
    "langfuse.observation.usage_details": "usage",
    "langfuse.observation.cost_details": "costs",
    "langfuse.observation.input": "asked",
    "langfuse.observation.output": "replied",
    "langfuse.trace.input": "asked",
    "langfuse.trace.output": "replied",
    "langfuse.observation.level": "level",
    "langfuse.observation.status_message": "problem",
    "langfuse.session.id": "session",
    "langfuse.user.id": "subject",
    "langfuse.environment": "environment",
}
"""Langfuse's own SDK."""

VERCEL: Mapping[str, str] = {
    "ai.operationId": "sort",
    "ai.model.provider": "provider",
    "ai.model.id": "asked_model",
    "ai.response.model": "model",
    "ai.usage.inputTokens": "input_tokens",
    "ai.usage.promptTokens": "input_tokens",
    "ai.usage.outputTokens": "output_tokens",
    "ai.usage.completionTokens": "output_tokens",
    "ai.usage.tokens": "input_tokens",
    "ai.usage.cachedInputTokens": "cached_tokens",
    "ai.usage.reasoningTokens": "reasoning_tokens",
    "ai.telemetry.metadata.sessionId": "session",
    "ai.telemetry.metadata.userId": "subject",
    "ai.prompt.messages": "messages",
    "ai.prompt": "asked",
    "ai.value": "asked",
    "ai.values": "prompts",
    "ai.response.text": "answers",
    "ai.response.object": "answers",
    "ai.toolCall.args": "asked",
    "ai.toolCall.result": "replied",
    "ai.embedding": "vector",
    "ai.embeddings": "vector",
}
"""The Vercel AI SDK."""

CONVENTIONS: Mapping[str, Mapping[str, str]] = {
    "otel": OTEL, "otel-older": OTEL_OLDER, "openinference": OPENINFERENCE, "openllmetry": OPENLLMETRY,
    "langfuse": LANGFUSE, "vercel": VERCEL,
}  # fmt: skip

INDEXED: Mapping[str, str] = {
    "llm.input_messages.": "messages",
    "llm.output_messages.": "answers",
    "gen_ai.prompt.": "messages",
    "gen_ai.completion.": "answers",
    "llm.prompts.": "prompts",
    "llm.choices.": "answers",
    "retrieval.documents.": "documents",
    "reranker.output_documents.": "documents",
    "reranker.input_documents.": "vector",
    "embedding.embeddings.": "prompts",
}
"""Names that go on with a number: `llm.input_messages.0.message.content`, `gen_ai.prompt.0.content`."""

EVENTS: Mapping[str, str] = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
    "gen_ai.choice": "choice",
    "gen_ai.content.prompt": "attributes",
    "gen_ai.content.completion": "attributes",
    "gen_ai.client.inference.operation.details": "attributes",
}
"""Events that hold the conversation: a message in the role named here, or `attributes` that are a span's own names."""

CONTENT = frozenset(
    {"messages", "answers", "instructions", "documents", "query", "asked", "replied", "prompts", "vector", "problem"}
)
"""Words for text that people wrote or models said: it is masked, put into the payload, and kept nowhere else."""

SORTS: Mapping[str, str] = {
    "llm": "chat", "embedding": "embeddings", "retriever": "retrieval", "reranker": "rerank", "tool": "execute_tool",
    "agent": "invoke_agent", "chain": "invoke_workflow", "workflow": "invoke_workflow", "task": "invoke_workflow",
    "guardrail": "guardrail", "evaluator": "evaluate", "generation": "chat", "completion": "text_completion",
    "ai.generatetext.dogenerate": "chat", "ai.streamtext.dostream": "chat", "ai.generateobject.dogenerate": "chat",
    "ai.streamobject.dostream": "chat", "ai.embed.doembed": "embeddings", "ai.embedmany.doembed": "embeddings",
    "ai.generatetext": "invoke_agent", "ai.streamtext": "invoke_agent", "ai.generateobject": "invoke_agent",
    "ai.streamobject": "invoke_agent", "ai.embed": "invoke_workflow", "ai.embedmany": "invoke_workflow",
    "ai.toolcall": "execute_tool", "span": "", "event": "", "unknown": "", "prompt": "",
}  # fmt: skip
"""What other conventions call an operation, in OpenTelemetry's words."""

AROUND = frozenset({"invoke_agent", "invoke_workflow", "create_agent", "execute_tool", "evaluate", "guardrail"})
"""Operations that hold calls: tokens and cost that they repeat belong to the calls inside, and count there, once."""

PROVIDERS: Mapping[str, str] = {
    "az.ai.inference": "azure.ai.inference", "az.ai.openai": "azure.ai.openai", "azure": "azure.ai.openai",
    "azure_openai": "azure.ai.openai", "bedrock": "aws.bedrock", "aws": "aws.bedrock", "amazon_bedrock": "aws.bedrock",
    "gemini": "gcp.gemini", "google": "gcp.gen_ai", "google_genai": "gcp.gen_ai", "vertex_ai": "gcp.vertex_ai",
    "vertexai": "gcp.vertex_ai", "mistralai": "mistral_ai", "mistral": "mistral_ai", "xai": "x_ai", "x-ai": "x_ai",
    "watsonx": "ibm.watsonx.ai",
}  # fmt: skip
"""Provider names of other conventions and of yesterday, in OpenTelemetry's words of today."""

LISTED: Mapping[str, str] = {
    "openai": "openai", "anthropic": "anthropic", "cohere": "cohere", "deepseek": "deepseek", "groq": "groq",
    "perplexity": "perplexity", "mistral_ai": "mistral", "x_ai": "x-ai", "gcp.gemini": "google", "gcp.gen_ai": "google",
    "gcp.vertex_ai": "google", "aws.bedrock": "aws", "azure.ai.openai": "azure", "azure.ai.inference": "azure",
    "openrouter": "openrouter", "fireworks": "fireworks", "together": "together", "cerebras": "cerebras",
}  # fmt: skip
"""Providers whose public prices are known, under their name in the price list."""


def _merged() -> Mapping[str, tuple[str, int]]:
    names: dict[str, tuple[str, int]] = {}
    rank = 0
    for table in CONVENTIONS.values():
        for name, word in table.items():
            names.setdefault(name, (word, rank))
            rank += 1
    return names


NAMES = _merged()
"""Every exact name: our word for it, and its rank; of two names for one word the lower rank wins."""
