"""A server that is told to stop under load (P26): it says so first, breaks no answer, and is gone in time."""

from __future__ import annotations

import http.client
import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from headgate.testing.served import Served, do, serving
from headgate.testing.upstream import Upstream, running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
DELAY_S = 1.5


@pytest.fixture
def slow_lab() -> Iterator[tuple[str, Upstream]]:
    """A provider that thinks for two seconds."""
    with running(Upstream(latency_s=2.0)) as (url, upstream):
        yield url, upstream


@pytest.fixture
def project(copied: Path, slow_lab: tuple[str, Upstream]) -> Path:
    """Served in prod: an app whose model takes two calls at a time; everybody else waits in its queue."""
    config, app = copied / "headgate.yaml", copied / "apps/support.yaml"
    lines = config.read_text(encoding="utf-8").splitlines()
    lines = [line.partition("base_url")[0] + f'base_url: "{slow_lab[0]}", price: {{input: $1, output: $1}}}}'
             if "base_url" in line else line for line in lines]  # fmt: skip
    config.write_text("\n".join(lines) + "\n", encoding="utf-8")
    chain = "{targets: [lab/stand-in], limits: {lab/stand-in: {concurrent: 2, wait: 20s}}}"
    text = app.read_text(encoding="utf-8").replace("[lab/stand-in, local/extractive]", chain)
    app.write_text(text, encoding="utf-8")
    made = do(copied, "release.create", {"app": "support"})
    do(copied, "release.promote", {"release": made["digest"], "environment": "prod"})
    return copied


class Asking(threading.Thread):
    """One request in a thread of its own; `status`, `headers` and `text` tell how it went, `problem` why it did not."""

    def __init__(self, server: Served, body: dict[str, Any]) -> None:
        super().__init__(daemon=True)
        self.server, self.body = server, body
        self.status, self.text, self.problem, self.ended = 0, "", "", 0.0
        self.start()

    def run(self) -> None:
        try:
            self.status, self.text, _ = self.server.request("POST", "/v1/chat/completions", self.body)
        except (OSError, http.client.HTTPException) as problem:
            self.problem = repr(problem)
        self.ended = time.monotonic()


def kept(server: Served) -> http.client.HTTPConnection:
    """Open a connection that stays, used once."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("GET", "/readyz")
    answer = connection.getresponse()
    answer.read()
    assert (answer.status, answer.getheader("connection")) == (200, None)
    return connection


def asked(connection: http.client.HTTPConnection, path: str) -> tuple[int, str | None]:
    connection.request("GET", path)
    answer = connection.getresponse()
    answer.read()
    return answer.status, answer.getheader("connection")


def text_of(stream: str) -> str:
    lines = [json.loads(line[6:]) for line in stream.split("\n") if line.startswith("data: {")]
    return "".join(choice["delta"].get("content") or "" for line in lines for choice in line["choices"])


def test_under_load_nothing_is_broken(
    project: Path, slow_lab: tuple[str, Upstream], wait_for: Callable[..., Any]
) -> None:
    with serving(project, HEADGATE_DRAIN_DELAY=f"{DELAY_S}s") as server:
        idle, busy = kept(server), kept(server)
        asking = [Asking(server, server.chat(stream=number % 2 == 0)) for number in range(6)]
        assert wait_for(lambda: slow_lab[1].active == 2), "two run, four wait"
        told = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert wait_for(lambda: server.request("GET", "/readyz")[0] == 503, DELAY_S / 2)
        assert asked(busy, "/healthz") == (200, "close"), "whoever keeps a connection is told to open another elsewhere"
        late = Asking(server, server.chat())
        assert not wait_for(lambda: refused(server), DELAY_S - (time.monotonic() - told) - 0.3)
        assert wait_for(lambda: refused(server), 2.0), "after the delay nobody is taken in"
        assert server.process.poll() is None
        idle.sock.settimeout(5)
        assert idle.sock.recv(1) == b"", "a connection without a request is closed"
        idle.close()
        busy.close()
        for each in [*asking, late]:
            each.join(30)
            assert (each.status, each.problem) == (200, ""), each.text
        for each in asking[::2]:
            assert each.text.endswith("data: [DONE]\n\n")
            assert "30 days" in text_of(each.text)
        assert server.process.wait(10) == 0
        last = max(each.ended for each in asking)
        assert last - told > 3.0, "those who waited were still served"
    assert slow_lab[1].requests == 7
    assert (slow_lab[1].active, slow_lab[1].left) == (0, 0)


def refused(server: Served) -> bool:
    try:
        server.raw().close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.alone
def test_what_does_not_end_is_ended_as_its_wire_does(
    project: Path, slow_lab: tuple[str, Upstream], wait_for: Callable[..., Any]
) -> None:
    """A model that falls silent: 27 s after the signal its streams get their end, and all is over in 30 s."""
    slow_lab[1].latency_s = 0
    slow_lab[1].misbehave("stall", 100)
    with serving(project) as server:
        streams = [Asking(server, server.chat(stream=True)) for _ in range(2)]
        assert wait_for(lambda: slow_lab[1].active == 2)
        time.sleep(0.3)
        told = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(40) == 0
        assert 26 < time.monotonic() - told <= 30
        for each in streams:
            each.join(5)
            assert (each.status, each.problem) == (200, "")
            assert each.text.count("data: [DONE]\n\n") == 1
            assert each.text.endswith("data: [DONE]\n\n")
            assert '"stopping"' in each.text
    assert wait_for(lambda: slow_lab[1].active == 0), "the provider was told"


def test_a_second_signal_does_not_wait(
    project: Path, slow_lab: tuple[str, Upstream], wait_for: Callable[..., Any]
) -> None:
    slow_lab[1].misbehave("stall", 100)
    with serving(project) as server:
        Asking(server, server.chat(stream=True))
        assert wait_for(lambda: slow_lab[1].active == 1)
        server.process.send_signal(signal.SIGTERM)
        assert wait_for(lambda: refused(server))
        told = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(10) == 0
        assert time.monotonic() - told < 8


@pytest.mark.parametrize(("delay", "said"), [("soon", "HEADGATE_DRAIN_DELAY"), ("-1s", "HEADGATE_DRAIN_DELAY")])
def test_a_delay_that_is_none_is_refused(project: Path, delay: str, said: str) -> None:
    with pytest.raises(AssertionError, match=said), serving(project, HEADGATE_DRAIN_DELAY=delay):
        pass
