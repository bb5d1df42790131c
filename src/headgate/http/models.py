"""`GET /v1/models` and `GET /v1/models/{name}`: the apps that a key may name as `model`. Called by the app.

One shape serves the clients of OpenAI and of Anthropic: each reads its own fields.
"""

from __future__ import annotations

import time
from typing import Any

from headgate.kernel import NotFound, nearest
from headgate.platform import Gateway, Known

from .exchange import Exchange

PATH = "/v1/models"


class Models:
    """The list of one gateway."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.started = int(time.time())

    async def list(self, exchange: Exchange, known: Known) -> None:
        data = [self._shown(name) for name in self.gateway.models(known)]
        ends = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data else {"first_id": None, "last_id": None}
        await exchange.json(200, {"object": "list", "data": data, "has_more": False, **ends})

    async def show(self, exchange: Exchange, known: Known) -> None:
        """Answer with one name. Raises NotFound with the nearest."""
        name = exchange.path.removeprefix(f"{PATH}/")
        names = self.gateway.models(known)
        if name not in names:
            raise NotFound(f"there is no model called {name[:200]!r}", nearest(name, names), code="model_not_found")
        await exchange.json(200, self._shown(name))

    def _shown(self, name: str) -> dict[str, Any]:
        created_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.started))
        openai = {"id": name, "object": "model", "created": self.started, "owned_by": "headgate"}
        return {**openai, "type": "model", "display_name": name, "created_at": created_at}
