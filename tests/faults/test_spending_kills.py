"""P5 with real processes: gateways at their limit, clients that leave, a provider that fails, and `kill -9`.

The stand-in keeps its own bill, on disk before the first byte of an answer. Whatever happens, the bill is within the
limit, the ledger never says more than the limit, and what was leaked is back once the leases have ended.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from headgate.kernel import units
from headgate.models import Price
from headgate.platform import plain_environment
from headgate.serve.budget import LEASE_S
from headgate.store import Records, ledger, tables
from headgate.testing.served import do
from headgate.testing.upstream import Upstream, running

CONCURRENT = 200
SECONDS = 12.0
FILES = {
    "headgate.yaml": "headgate: 1\nproject: acme\nproviders:\n  lab: {{type: openai, base_url: '{url}', "
    "price: {{input: $10, output: $400}}}}\nenvironments: {{dev: {{}}}}\n",
    "apps/support.yaml": "contract: contracts/support\n"
    "route: {{to: {{default: {{llm: main, prompt: prompts/answer}}}}}}\n"
    "llms: {{main: [lab/stand-in]}}\nfallback: prompts/safe\n",
    "contracts/support.yaml": "limits: {{app: [$4/day, $12/month, 20M tokens/day, 9000 requests/day], "
    "user: [5000 requests/day], loops: 0}}\n",
    "prompts/answer.md": "---\nparameters: {{max_tokens: 100}}\n---\n# user\n{{{{ question }}}}\n",
    "prompts/safe.md": "A person will answer you.\n",
}
LIMITS = {"cost": 4 * units.NANO, "tokens": 20_000_000, "requests": 9_000}
FAULTS = ("500", "no_usage", "cut_after", "cut_before", "garbage", "error_mid")


class Gateways:
    """Gateway processes on one database, started again whenever one was killed."""

    def __init__(self, root: Path, environment: dict[str, str], number: int) -> None:
        self.root, self.environment = root, environment
        self.running = [self._start() for _ in range(number)]
        self.urls = [self._url(process) for process in self.running]
        self.killed = 0

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "headgate", "serve", "--port", "0", "--project", str(self.root)]
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=plain_environment(**self.environment)
        )

    def _url(self, process: subprocess.Popen[bytes]) -> str:
        assert process.stdout is not None
        said = process.stdout.readline().decode()
        assert "serves on " in said, said
        return said.split("serves on ")[1].split()[0]

    def kill(self, which: int) -> None:
        """Kill one with `kill -9` and start another in its place."""
        old = self.running[which]
        os.kill(old.pid, signal.SIGKILL)
        old.wait()
        if old.stdout is not None:
            old.stdout.close()
        self.killed += 1
        self.running[which] = self._start()
        self.urls[which] = self._url(self.running[which])

    def stop(self) -> None:
        for process in self.running:
            process.terminate()
        for process in self.running:
            process.wait(60)
            if process.stdout is not None:
                process.stdout.close()


async def clients(gateways: Gateways, until: float) -> Counter[str]:
    """200 clients for each gateway ask until the time is over; a tenth leave before their answer is there."""
    seen: Counter[str] = Counter()
    numbers = itertools.count()

    async def one(session: aiohttp.ClientSession, which: int, chance: random.Random) -> None:
        while time.monotonic() < until:
            text = f"How long may I take, number {next(numbers)}?"
            body: dict[str, Any] = {
                "model": "support@dev",
                "messages": [{"role": "user", "content": text}],
                "user": f"u{which}",
            }
            body["stream"] = chance.random() < 0.5
            patience = chance.uniform(0.01, 0.3) if chance.random() < 0.1 else 30.0
            try:
                async with asyncio.timeout(patience):
                    url = f"{gateways.urls[which]}/v1/chat/completions"
                    async with session.post(url, json=body) as answer:
                        await answer.read()
                        seen[str(answer.status)] += 1
                        pause = 0.5 if answer.status == 429 else 0.0
            except TimeoutError:
                seen["left"] += 1
                pause = 0.0
            except aiohttp.ClientError:
                seen["cut"] += 1
                pause = 0.2
            await asyncio.sleep(pause)

    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as group:
        for number in range(CONCURRENT * len(gateways.urls)):
            group.create_task(one(session, number % len(gateways.urls), random.Random(number)))
    return seen


def look(records: Records, at: str) -> None:
    """Check the books as they stand at a commit."""
    with records.read() as tx:
        for unit, most in LIMITS.items():
            found = ledger.balance(tx, "acme", "app:support", unit, at)
            assert found.settled + found.reserved <= most, (unit, found)
            assert not found.frozen, unit


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[dict[str, str], int]]:
    """Where the gateways keep their records, and how many of them there are."""
    if request.param == "sqlite":
        yield {}, 1
        return
    url = str(request.getfixturevalue("postgres_url"))
    yield {"HEADGATE_DATABASE": url, "HEADGATE_SPANS": url}, 4


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.timeout(180)
def test_nothing_is_overspent_and_nothing_leaks(database: tuple[dict[str, str], int], tmp_path: Path) -> None:
    environment, number = database
    bill = tmp_path / "bill.jsonl"
    upstream = Upstream(bill, latency_s=0.02, price=Price(input="$10", output="$400"))
    with ExitStack() as stack:
        url, _ = stack.enter_context(running(upstream))
        root = tmp_path / "project"
        for name, text in FILES.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text.format(url=url), encoding="utf-8")
        do(root, "environment.apply", {}, **environment)
        release = do(root, "release.create", {"app": "support"}, **environment)["digest"]
        assert do(root, "release.promote", {"release": release, "environment": "dev"}, **environment)["moved"]
        records = Records(environment.get("HEADGATE_DATABASE") or f"sqlite:///{root}/.headgate/records.db")
        stack.callback(records.close)
        gateways = Gateways(root, environment, number)
        stack.callback(gateways.stop)
        seen, looks = _trouble(gateways, upstream, records)
    _ended(records, bill)
    assert gateways.killed >= 2
    assert looks > 5
    # Whoever is asked first may reserve nearly all of the limit for 200 clients at once, and die with it.
    assert seen["200"] > 15, seen
    assert seen["429"] > 50, "the clients reached the limit"
    assert seen["left"] > 5


def _trouble(gateways: Gateways, upstream: Upstream, records: Records) -> tuple[Counter[str], int]:
    """Let clients ask while the provider fails now and then and gateways die; look at the books all the time."""
    today = time.strftime("%Y-%m-%d", time.gmtime())
    end, seen = time.monotonic() + SECONDS, Counter[str]()
    asking = threading.Thread(target=lambda: seen.update(asyncio.run(clients(gateways, end))))
    asking.start()
    kills = [end - SECONDS * 0.75, end - SECONDS * 0.4]
    looks = 0
    for fault in itertools.cycle(FAULTS):
        if time.monotonic() >= end:
            break
        upstream.misbehave(fault, 4)  # type: ignore[arg-type]
        if kills and time.monotonic() > kills[0]:
            kills.pop(0)
            gateways.kill(looks % len(gateways.urls))
        look(records, today)
        looks += 1
        time.sleep(0.2)
    asking.join()
    look(records, today)
    return seen, looks


def _ended(records: Records, bill: Path) -> None:
    """Compare with the provider's bill, and let the leases of the dead end."""
    billed: list[dict[str, Any]] = [json.loads(line) for line in bill.read_text(encoding="utf-8").splitlines()]
    cost = sum(int(line["cost_nano"]) for line in billed)
    today = time.strftime("%Y-%m-%d", time.gmtime())
    records = Records(records.url)
    with records.read() as tx:
        stands = ledger.balance(tx, "acme", "app:support", "cost", today)
    assert 0 < cost <= LIMITS["cost"], "the provider billed more than the limit"
    assert cost <= stands.settled + stands.reserved, "what the ledger knows of covers the bill"
    with records.begin() as tx:
        ledger.expire(tx, "acme", time.time() + LEASE_S + 1)
        while ledger.expire(tx, "acme", time.time() + LEASE_S + 1):
            pass
        assert not tx.all(tables.budget.select().where(tables.budget.c.reserved != 0)), "nothing is leaked"
    dead = units.usd(stands.reserved)
    print(f"\nbilled ${units.usd(cost)}, settled ${units.usd(stands.settled)}, held by the dead ${dead}")
    records.close()
