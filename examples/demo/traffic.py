"""The demo's traffic: questions of the suites and of odd customers, sent with the official `openai` client."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openai
import yaml


@dataclass(frozen=True)
class Reply:
    """One answer as the client saw it."""

    question: str
    text: str
    finish_reason: str
    headers: dict[str, str]
    status: int = 200
    error: str = ""

    def header(self, name: str) -> str:
        return self.headers.get(f"x-headgate-{name}", "")


@dataclass
class Tally:
    """What came back, counted."""

    replies: list[Reply] = field(default_factory=list)

    def by(self, name: str) -> Counter[str]:
        return Counter(reply.header(name) for reply in self.replies)


def client(port: int, key: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key=key, max_retries=0, timeout=20)


def ask(api: openai.OpenAI, question: str, model: str = "support", user: str = "visitor-1") -> Reply:
    """Send one question; an error of the API is a reply too."""
    try:
        raw = api.chat.completions.with_raw_response.create(
            model=model, messages=[{"role": "user", "content": question}], user=user
        )
    except openai.APIStatusError as problem:
        return Reply(question, "", "", dict(problem.response.headers), problem.status_code, problem.message)
    choice = raw.parse().choices[0]
    return Reply(question, choice.message.content or "", str(choice.finish_reason), dict(raw.headers))


def stream(api: openai.OpenAI, question: str, model: str = "support") -> tuple[str, int]:
    """Stream one answer; returns the text and in how many pieces it came."""
    pieces = [
        chunk.choices[0].delta.content
        for chunk in api.chat.completions.create(
            model=model, messages=[{"role": "user", "content": question}], stream=True
        )
        if chunk.choices and chunk.choices[0].delta.content
    ]
    return "".join(pieces), len(pieces)


def many(api: openai.OpenAI, questions: Sequence[str], at_once: int = 8) -> Tally:
    """Send questions, several at once, as different visitors."""
    with ThreadPoolExecutor(at_once) as pool:
        futures = [
            pool.submit(ask, api, text, "support", f"visitor-{number % 40}") for number, text in enumerate(questions)
        ]
        return Tally([future.result() for future in futures])


def everyday(project: Path) -> list[str]:
    """Return what customers say every day: the words that the router was trained on, emergencies left out."""
    with (project / "data/utterances.csv").open(encoding="utf-8", newline="") as file:
        return [row["text"] for row in csv.DictReader(file) if row["intent"] != "high_risk"]


def questions(project: Path, suite: str) -> list[str]:
    """Return what the scenarios of a suite ask; conversations are left out."""
    found: list[dict[str, Any]] = yaml.safe_load((project / f"suites/{suite}.yaml").read_text(encoding="utf-8"))
    return [item["input"] for item in found if "input" in item]
