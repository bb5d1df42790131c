"""Clients of every kind, who check each answer they get: its status, its end, and that it is of one release.

Used by `test_soak.py` and by `benchmarks/soak_gateway.py`. What is wrong is counted, and the first of each is shown.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from . import ends
from .moody import MARK
from .soaked import APPS, SOUND, WIRES, World

_LEAVE, _STREAM = 0.08, 0.5
_UPSTREAM = ("content_filter", "breaker_open")
"""Codes that speak of a provider, beside `provider_…`: what it refuses, and that it has failed too often lately."""
_QUESTIONS = (
    "Can a router be returned, case-{case}?",
    "Can a router be returned within 30 days, case-{case}?",
    "What is the weather, case-{case}?",
    "May I say FORBIDDEN here, case-{case}?",
    "Write to a.b@shop.example about case-{case}, can a router be returned?",
    "Use weather for Ulm, case-{case}.",
)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as its client knows it. left: the client went before the end."""

    app: str
    trace: str
    status: int = 0
    left: bool = False


@dataclass
class Seen:
    """What all clients saw. ours: failures that are ours, by status and code; wrong: answers that are improper."""

    asked: dict[str, Asked] = field(default_factory=dict)
    by_status: Counter[str] = field(default_factory=Counter)
    by_wire: Counter[str] = field(default_factory=Counter)
    told: Counter[str] = field(default_factory=Counter)
    ours: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    left: int = 0
    streams: int = 0
    marked: int = 0
    calls: int = 0

    @property
    def done(self) -> int:
        return sum(self.by_status.values())


def spelled(number: int) -> str:
    """Return a number in letters, so that no guard takes it for a telephone."""
    return "".join(chr(ord("a") + int(digit)) for digit in str(number))


class Traffic:
    """So many clients at once, until the time is over. seed: what each of them does."""

    def __init__(self, world: World, seed: int, clients: int) -> None:
        self.world, self.seed, self.clients = world, seed, clients
        self.seen = Seen()
        self.numbers = itertools.count(1)
        self.keys = [(key, weight) for key, weight in (("rich", 85), ("poor", 5), ("hasty", 5), ("talkative", 5))]
        self.over = False

    async def run(self, until: float) -> Seen:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as group:
            for number in range(self.clients):
                group.create_task(self._client(session, random.Random(f"{self.seed}-{number}"), until))
        return self.seen

    async def _client(self, session: aiohttp.ClientSession, chance: random.Random, until: float) -> None:
        while time.monotonic() < until and not self.over:
            number = next(self.numbers)
            case, trace = spelled(number), f"{chance.getrandbits(128):032x}"
            wire, key = chance.choice(list(ends.PATHS)), chance.choices(*zip(*self.keys, strict=True))[0]
            app = chance.choice((*APPS, "plain"))
            direct = key == "rich" and chance.random() < 0.1
            model = f"{chance.choice(WIRES)}/m" if direct else app
            body = self._body(wire, model, case, chance)
            leaves = (direct or app != SOUND) and chance.random() < _LEAVE
            headers = {"authorization": f"Bearer {self.world.keys[key]}", "traceparent": f"00-{trace}-{'1' * 16}-01"}
            if chance.random() < 0.3:
                headers["x-headgate-session"] = f"s{chance.randrange(5000)}"
            asked = Asked("" if direct else app, trace)
            self.seen.asked[case] = asked
            patience = chance.uniform(0.003, 0.4) if leaves else 60.0
            await self._ask(session, (wire, body, headers), (case, asked), patience)

    def _body(self, wire: str, model: str, case: str, chance: random.Random) -> dict[str, Any]:
        text = chance.choice(_QUESTIONS).format(case=case)
        more: dict[str, Any] = {"tools": [ends.tool(wire)]} if text.startswith("Use ") else {}
        if chance.random() < 0.2:
            user = f"u{chance.randrange(20)}"
            more |= {"metadata": {"user_id": user}} if wire == "anthropic-messages" else {"user": user}
        return ends.request(wire, model, text, stream=chance.random() < _STREAM, **more)

    async def _ask(
        self, session: aiohttp.ClientSession, sent: tuple[str, Any, Any], told: tuple[str, Asked], patience: float
    ) -> None:
        wire, body, headers = sent
        case, asked = told
        url = f"http://127.0.0.1:{self.world.port}{ends.PATHS[wire]}"
        pause = 0.0
        try:
            async with asyncio.timeout(patience), session.post(url, json=body, headers=headers) as answer:
                raw = await answer.read()
                self.seen.asked[case] = Asked(asked.app, asked.trace, answer.status)
                self._judge(wire, body, answer.status, answer.headers, raw)
                pause = 0.05 if answer.status == 429 else 0.0
        except TimeoutError:
            self.seen.asked[case] = Asked(asked.app, asked.trace, left=True)
            self.seen.left += 1
            if patience == 60.0:
                self._note(f"{wire}: no end within a minute: {body['model']} {case}")
        except aiohttp.ClientError as problem:
            self._note(f"{wire}: {type(problem).__name__}: {problem} (status so far unknown) {body['model']} {case}")
        await asyncio.sleep(pause)

    def _judge(self, wire: str, body: Mapping[str, Any], status: int, headers: Mapping[str, str], raw: bytes) -> None:
        seen = self.seen
        found = ends.ended(wire, status, headers.get("content-type", ""), raw)
        seen.by_status[str(status)] += 1
        seen.by_wire[f"{wire}{'-stream' if body['stream'] else ''}"] += 1
        seen.streams += headers.get("content-type", "").startswith("text/event-stream")
        seen.calls += found.calls
        if found.code:
            seen.told[f"{status} {found.code}"] += 1
        if found.wrong:
            self._note(f"{wire} {body['model']}: {found.wrong}")
        direct = "/" in body["model"]
        upstream = found.code.startswith("provider_") or found.code in _UPSTREAM
        if status >= 500 and not (direct and upstream):
            seen.ours[f"{status} {found.code} {'direct' if direct else 'app'}"] += 1
        if status == 200 and found.code and not upstream:
            seen.ours[f"in a stream {found.code}"] += 1
        if status not in (200, 400, 429) and status < 500:
            seen.ours[f"{status} {found.code}"] += 1
        marks = set(MARK.findall(found.text))
        release = self.world.names.get(headers.get("x-headgate-release", ""))
        seen.marked += bool(marks)
        if marks - {release}:
            self._note(f"{wire}: {marks} in an answer of {release}")

    def _note(self, what: str) -> None:
        self.seen.wrong.append(what)
