"""P13: nobody can write traces for a while. Answers go on, what waits is bounded, what is lost is counted and marked;
what must not be lost, money and the log, fails closed when its own database is away."""

from __future__ import annotations

import http.client
import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from headgate.kernel import RequestRecord
from headgate.store import Records, SpanQuery, Spans, tables
from headgate.store.spans import writer
from headgate.testing.served import Served, do, serving
from headgate.testing.upstream import Upstream, running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
FILES = {
    "headgate.yaml": "headgate: 1\nproject: acme\nproviders:\n  lab: {{type: openai, base_url: '{url}', "
    "price: {{input: $1, output: $4}}}}\nenvironments: {{prod: {{}}}}\n",
    "apps/support.yaml": "contract: contracts/support\n"
    "route: {{to: {{default: {{llm: main, prompt: prompts/answer}}}}}}\n"
    "llms: {{main: [lab/stand-in]}}\nfallback: prompts/safe\n",
    "contracts/support.yaml": "limits: {{app: [$0.01/day]}}\n",
    "prompts/answer.md": "---\nparameters: {{max_tokens: 50}}\n---\n# user\n{{{{ question }}}}\n",
    "prompts/safe.md": "A person will answer you.\n",
}


@contextmanager
def held(file: Path) -> Iterator[None]:
    """Hold a database so that nobody else can write to it."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield
        connection.execute("ROLLBACK")


def patient(served: Served, path: str, body: Any) -> int:
    """Send one request and return its status, however long others wait for the same lock: ten seconds each."""
    with closing(http.client.HTTPConnection("127.0.0.1", served.port, timeout=120)) as connection:
        connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        return answer.status


@pytest.fixture
def world(tmp_path: Path) -> Iterator[tuple[Served, Upstream]]:
    """A gateway whose app has so little money that the ledger decides about each request."""
    with running() as (url, upstream):
        root = tmp_path / "project"
        for name, text in FILES.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text.format(url=url), encoding="utf-8")
        do(root, "environment.apply", {})
        release = do(root, "release.create", {"app": "support"})["digest"]
        do(root, "release.promote", {"release": release, "environment": "prod"})
        with serving(root) as served:
            yield served, upstream


def test_without_traces_answers_go_on_and_without_a_ledger_they_do_not(world: tuple[Served, Upstream]) -> None:
    served, upstream = world
    folder = served.root / ".headgate"
    with held(folder / "spans.db"):
        for _ in range(3):
            assert served.request("POST", "/v1/chat/completions", served.chat())[0] == 200
        asked = upstream.requests
        with held(folder / "records.db"):
            status, body, headers = served.request("POST", "/v1/chat/completions", served.chat())
            assert (status, body["error"]["code"], headers["retry-after"]) == (503, "ledger_busy", "2")
            status, body, headers = served.request("POST", "/v1/messages", served.chat(stream=True, max_tokens=500))
            assert (status, body["type"], headers["retry-after"]) == (503, "error", "2")
            assert upstream.requests == asked, "a request that nobody reserved for has reached a model"
            assert patient(served, "/api/key/create", {"person": "p", "role": ["viewer"]}) == 503
        assert served.request("POST", "/v1/chat/completions", served.chat())[0] == 200
    with closing(Records(f"sqlite:///{folder}/records.db")) as records, records.read() as tx:
        assert not tx.all(tables.api_key.select()), "what the log could not tell of was done all the same"
    deadline = time.monotonic() + 15
    with closing(Spans(f"sqlite:///{folder}/spans.db", writer=False)) as spans:
        while len(spans.find(SpanQuery("acme", status="answered"))) < 4 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert len(spans.find(SpanQuery("acme", status="answered"))) == 4, "what waited is stored afterwards"
        assert spans.dropped == 0
    assert do(served.root, "audit.verify", {})["ok"]


def record(number: int) -> RequestRecord:
    names = ("environment", "release", "source", "route", "label", "model", "status", "reason")
    return RequestRecord(f"{number:032x}", "acme", 1_800_000_000.0 + number, "support", *names)


def test_what_waits_is_bounded_and_what_is_lost_is_marked(tmp_path: Path) -> None:
    """As many requests as ten minutes at 100 a second bring."""
    sent = 60_000
    spans = Spans(f"sqlite:///{tmp_path}/spans.db", writer=True)
    try:
        spans.record(record(0))
        spans.flush()
        with held(tmp_path / "spans.db"):
            for number in range(1, sent):
                spans.record(record(number))
            lost = spans.dropped
            assert sent - lost <= writer.CAPACITY + 1
            assert lost >= sent - 2 * writer.CAPACITY, "everything was stored: the store was never away"
        spans.flush()
        assert spans.dropped == lost
    finally:
        spans.close()
    with closing(Spans(f"sqlite:///{tmp_path}/spans.db", writer=False)) as stored:
        assert stored.dropped == lost, "the gap in the store says how many are missing"
        with closing(sqlite3.connect(tmp_path / "spans.db")) as connection:
            [kept] = connection.execute("SELECT count(*) FROM request").fetchone()
            [(since, until)] = connection.execute("SELECT min(since), max(until) FROM gap")
    assert kept == sent - lost
    assert until == 1_800_000_000.0 + sent - 1
    assert since > 1_800_000_000.0
