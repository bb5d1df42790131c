"""A model whose every answer is written down, for people's own tests of prompts, apps and policies.

model = ScriptedModel({"refund": "Refunds take 10 days. [1]", "*": "I do not know."})
providers = model.providers("openai")          # answers every call of openai/…, whatever the model
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from headgate.models import Call, Price, Providers, Scripted, ScriptedOptions


class ScriptedModel(Scripted):
    """Replies in turn from a list (the last one repeats), or by text found in the question (`*` for any other).

    delay_s: before the first word. failures: how many calls fail first, with HTTP status `failure`. What it was
    asked stands in `calls`.
    """

    def __init__(
        self,
        script: Sequence[str] | Mapping[str, str],
        *,
        delay_s: float = 0.0,
        failures: int = 0,
        failure: int = 503,
        price: Price | None = None,
    ) -> None:
        written = dict(script) if isinstance(script, Mapping) else list(script)
        options = ScriptedOptions(script=written, delay=delay_s, failures=failures, failure=failure)
        super().__init__("scripted", options.model_copy(update={"price": price}) if price else options)

    @property
    def questions(self) -> list[str]:
        """The last user message of every call, in order."""
        return [self._question(call) for call in self.calls]

    def providers(self, *names: str) -> Providers:
        """Return providers that all are this model, under the given names (`scripted` without any)."""
        return Providers({}, {name: self for name in names or ("scripted",)})

    @staticmethod
    def _question(call: Call) -> str:
        users = [message for message in call.body.get("messages") or [] if message.get("role") == "user"]
        return str(users[-1].get("content")) if users else ""
