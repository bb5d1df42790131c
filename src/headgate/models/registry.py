"""The providers of one project, by the names that its `headgate.yaml` gives them; each is built when first needed.

Called by `platform` (which makes it from settings, secrets resolved), `serve` and `release`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from headgate.kernel import InvalidInput, document_of, nearest, plugins

from .call import Provider
from .facts import STRICT, Facts, weaker
from .transport import LOCAL, PrivateHosts


class Providers:
    """Looks providers up by name. Safe to share between threads.

    ready: providers that are built already. private: the private hosts that calls may go to; a provider's options are
    validated with it as their context.
    """

    def __init__(
        self,
        settings: Mapping[str, Mapping[str, Any]],
        ready: Mapping[str, Provider] | None = None,
        private: PrivateHosts = LOCAL,
    ) -> None:
        self._settings = settings
        self._private = private
        self._built: dict[str, Provider] = dict(ready or {})
        self._declared: dict[str, Facts] = {}
        self._lock = threading.Lock()

    def get(self, name: str) -> Provider:
        """Return the provider of that name. Raises InvalidInput for a name or an option that is not known."""
        with self._lock:
            found = self._built.get(name)
            if found is None:
                found = self._built[name] = self._build(name)
            return found

    def resolve(self, target: str) -> tuple[Provider, str]:
        """Split `openai/gpt-5-mini` at its first slash into provider and model."""
        name, slash, model = target.partition("/")
        if not (name and slash and model):
            raise InvalidInput(f"{target!r} does not name a model", "write provider/model, as in openai/gpt-5-mini")
        return self.get(name), model

    def identities(self, targets: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Return the behavioural identity of every target, sorted by target, with its facts: what a release pins."""
        found = {}
        for target in sorted(set(targets)):
            provider, model = self.resolve(target)
            facts = document_of(self._facts(target.partition("/")[0]))
            found[target] = provider.identity(model) | ({"facts": facts} if facts else {})
        return found

    def keeps(self, target: str, pinned: Facts) -> bool:
        """Whether what this project declares of a target is as strict as the facts that a release pins of it (P12)."""
        name = target.partition("/")[0]
        found = self._declared.get(name)
        if found is None:
            found = self._declared[name] = self._facts(name)
        return not any(weaker(fact, found, pinned) for fact in STRICT)

    async def close(self) -> None:
        """Close the connections that belong to the running event loop."""
        for provider in list(self._built.values()):
            await provider.close()

    def _build(self, name: str) -> Provider:
        if name not in self._settings:
            hint = nearest(name, self._settings) or "name it under providers: in headgate.yaml"
            raise InvalidInput(f"there is no provider called {name!r}", hint)
        entry = dict(self._settings[name])
        kind = entry.pop("type", None)
        entry.pop("facts", None)
        if not isinstance(kind, str):
            raise InvalidInput(f"the provider {name!r} has no type", nearest("", plugins.names("providers")))
        plugin = plugins.load("providers", kind)
        try:
            options = plugin.options.model_validate(entry, context=self._private)
        except ValidationError as problems:
            raise _explained(name, kind, plugin.options.model_fields, problems) from None
        built: Provider = plugin.build(name, options)
        return built

    def _facts(self, name: str) -> Facts:
        try:
            return Facts.model_validate(self._settings.get(name, {}).get("facts") or {})
        except ValidationError as problems:
            raise _explained(name, "facts", Facts.model_fields, problems) from None


def _explained(name: str, kind: str, fields: Iterable[str], problems: ValidationError) -> InvalidInput:
    """Say what is wrong with an entry; never repeat its values, one of them may be a key."""
    first = problems.errors(include_url=False, include_input=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return InvalidInput(f"the provider {name!r} ({kind}) has no option {key!r}", nearest(key, fields))
    what = first["msg"].removeprefix("Value error, ")
    return InvalidInput(f"the provider {name!r} ({kind}): {key}: {what}" if key else f"the provider {name!r}: {what}")
