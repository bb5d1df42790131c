"""What a client is told when a model bears no more calls, and what the meters then show."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from headgate.testing.served import do, serving

MAIN = "  main: [lab/stand-in, local/extractive]\n"
NARROW = "  main: {targets: [lab/stand-in], idle: 2s, limits: {lab/stand-in: {concurrent: 1, queue: 0, wait: 3s}}}\n"


@pytest.fixture(scope="module")
def narrow(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A server whose model bears one call at a time and lets nobody wait."""
    root = Path(shutil.copytree(built, tmp_path_factory.mktemp("narrow") / "project"))
    app = root / "apps/support.yaml"
    app.write_text(app.read_text().replace(MAIN, NARROW))
    assert "concurrent" in app.read_text()
    made = do(root, "release.create", {"app": "support"})
    do(root, "release.promote", {"release": made["digest"], "environment": "prod"})
    with serving(root) as found:
        yield found


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_without_a_place_is_told_when_to_come_back(
    narrow: Any, lab: Any, behave: Callable[..., None], wait_for: Callable[..., Any], stream: bool
) -> None:
    behave("stall", 1)
    before = lab[1].active
    first = threading.Thread(target=narrow.request, args=("POST", "/v1/chat/completions", narrow.chat(stream=True)))
    first.start()
    assert wait_for(lambda: lab[1].active > before)
    status, body, headers = narrow.request("POST", "/v1/chat/completions", narrow.chat(stream=stream))
    first.join()
    _, text, _ = narrow.request("GET", "/metrics")
    assert 'headgate_breaker_open{target="lab/stand-in"} 0.0' in text
    assert 'headgate_calls_waiting{target="lab/stand-in"} 0.0' in text
    assert (status, headers["retry-after"]) == (503, "3")
    assert body["error"]["code"] == "queue_full"
    assert "model" in body["error"]["message"]
    status, body, _ = narrow.request("POST", "/v1/chat/completions", narrow.chat())
    assert status == 200
    assert "30 days" in body["choices"][0]["message"]["content"]


def test_what_went_wrong_with_models_is_counted(
    server: Any, behave: Callable[..., None], wait_for: Callable[..., Any]
) -> None:
    behave("filtered", 1)
    server.request("POST", "/v1/chat/completions", server.chat())
    _, text, _ = server.request("GET", "/metrics")
    wanted = 'headgate_model_troubles_total{app="support",environment="prod",why="content_filter"}'
    assert any(line.startswith(wanted) and float(line.split()[1]) >= 1 for line in text.splitlines())
