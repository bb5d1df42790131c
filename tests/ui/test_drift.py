"""Drift in a browser: nothing that moved, a new topic that did, and the labels that people are asked for."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from headgate.testing.served import Served, do, serving

ROUTER = """from headgate.train import Pipeline

model = Pipeline(dataset="data/questions", target="intent", features=["text"])


@model.fit
def fit(train, params):
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    words = TfidfVectorizer(token_pattern=r"[a-zA-Z0-9]+")
    return make_pipeline(words, LogisticRegression(C=10)).fit(train.column("text"), train.column("intent"))
"""
FILES = {
    "headgate.yaml": """headgate: 1
project: acme
providers:
  local: {type: extractive}
environments:
  prod: {watch: [drift]}
""",
    "apps/support.yaml": """contract: contracts/support
route:
  model: models/router
  to:
    default: {llm: main, prompt: prompts/answer}
llms:
  main: [local/extractive]
fallback: prompts/safe
""",
    "contracts/support.yaml": "latency: {p95: 2s}\n",
    "prompts/answer.md": "# system\nYou help.\n# user\n{{ question }}\n",
    "prompts/safe.md": "A person will answer you.\n",
    "models/router.py": ROUTER,
    "data/questions.yaml": """source: data/questions.csv
columns:
  text: {type: string, required: true}
  intent: {type: string, required: true}
""",
}
WORDS = {"billing": "bill invoice charge pay refund", "outage": "down slow broken network signal"}
FILLERS = ("my", "the", "is", "it", "why", "please")


def _questions(words: str, count: int, seed: int) -> list[str]:
    chance = random.Random(seed)
    return [" ".join([*chance.sample(words.split(), 2), *chance.sample(FILLERS, 3)]) for _ in range(count)]


@pytest.fixture(scope="module")
def drifted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """An app whose router knows bills and outages, and is asked about drones. Nobody has a key, so nobody needs one."""
    root: Path = tmp_path_factory.mktemp("drifted") / "project"
    rows = [f"{text},{intent}" for intent, words in WORDS.items() for text in _questions(words, 150, len(intent))]
    for name, text in {**FILES, "data/questions.csv": "\n".join(["text,intent", *rows]) + "\n"}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    do(root, "environment.apply", {})
    do(root, "data.add", {"dataset": "data/questions"})
    do(root, "train.run", {"model": "models/router"})
    digest = do(root, "release.create", {"app": "support"})["digest"]
    do(root, "release.promote", {"release": digest, "environment": "prod"})
    with serving(root) as served:
        for text in _questions("drone propeller battery camera flight", 80, 7):
            status, answer, _ = served.request("POST", "/v1/chat/completions", served.chat(text))
            assert status == 200, answer
        yield served


def test_nothing_to_compare_teaches_what_would_be(open_site: Any, enter: Callable[..., Any]) -> None:
    page = enter(open_site, "/drift")
    assert "Nothing to compare yet" in page.inner_text("main")
    assert "No model was trained again yet" in page.inner_text("main")
    assert "headgate retrain" in page.inner_text("main")


def test_the_window_stands_in_the_address(open_site: Any, enter: Callable[..., Any]) -> None:
    page = enter(open_site, "/drift")
    page.select_option("select[name=last]", "1d")
    page.click("text=Show")
    assert "last=1d" in page.url
    assert page.locator("select[name=last]").input_value() == "1d"


def test_a_new_topic_is_seen_and_leads_to_the_requests_that_show_it(
    drifted: Served, context: Any, seriously: Callable[..., list[str]]
) -> None:
    page = context.new_page()
    page.goto(f"{drifted.url}/drift")
    first = page.locator("section.panel").first
    assert "models/router" in first.inner_text()
    assert "moved" in first.inner_text()
    said = page.locator("article.signal", has_text="drone")
    assert said.locator(".chart.pair").count() >= 1
    assert "quiet up to" in said.first.inner_text()
    assert len(page.content()) <= 60_000
    page.locator("details").evaluate_all("all => all.forEach(item => { item.open = true; })")
    assert seriously(page) == []
    page.set_viewport_size({"width": 390, "height": 844})
    page.emulate_media(color_scheme="dark")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert seriously(page) == []
    page.locator(".examples a").first.click()
    page.wait_for_url("**/traces/*")
    assert page.locator(".chat").count() == 1


def test_the_incident_of_a_drift_asks_for_labels_and_they_are_given_with_the_keyboard(
    drifted: Served, context: Any, seriously: Callable[..., list[str]]
) -> None:
    _, found, _ = drifted.request("POST", "/api/monitor/run", {})
    [incident] = found["opened"]
    page = context.new_page()
    page.goto(f"{drifted.url}/incidents/{incident}")
    assert "What moved" in page.inner_text("main")
    assert "drone" in page.inner_text(".signals")
    assert seriously(page) == []
    page.fill("input[name=count]", "3")
    page.click("text=Ask for labels >> nth=-1")
    page.wait_for_url("**/reviews")
    assert "3 label questions for models/router are in the queue." in page.inner_text(".said")
    page.keyboard.press("b")
    page.wait_for_url("**/reviews/rev_*")
    assert "What is this about?" in page.inner_text("h1")
    assert "1" in page.inner_text("button[value=billing]")
    assert seriously(page) == []
    asked = []
    for key in ("1", "2", "u"):
        asked.append(page.url.rsplit("/", 1)[-1])
        page.keyboard.press(key)
        page.wait_for_url(lambda url, seen=asked[-1]: seen not in url)
    assert "Labelled unclear. The queue is empty." in page.inner_text(".said")
    given = [drifted.request("POST", "/api/review/show", {"review_id": name})[1]["decision"]["label"] for name in asked]
    assert given == ["billing", "outage", "unclear"]
