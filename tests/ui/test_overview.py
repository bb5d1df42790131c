"""The overview in a browser: what waits, what is served, what it costs; rules agreed to; opened by `serve --open`."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from headgate.platform import plain_environment
from headgate.ui.attention import waiting


def _said(page: Any, where: str = "main") -> str:
    return " ".join(page.inner_text(where).split())


def test_each_environment_tells_what_it_serves_and_how_it_does(open_site: Any, enter: Callable[..., Any]) -> None:
    page = enter(open_site, role="viewer")
    prod = page.locator("article[aria-label='support in prod']")
    text = " ".join(prod.inner_text().split())
    assert open_site.good[7:19] in text
    assert "the first release" in text
    assert "gate pass" in text
    assert "by p-engineer" in text
    assert re.search(r"newer \w{12} shorter returns fail", text)
    numbers = dict(zip(prod.locator("dt").all_inner_texts(), prod.locator("dd").all_inner_texts(), strict=True))
    live = len(open_site.traces) - 1
    assert numbers["requests"] == str(live), numbers
    assert numbers["errors"] == "0"
    assert re.fullmatch(r"[\d.]+ %", numbers["blocked"])
    assert re.fullmatch(r"[\d.]+ m?s", numbers["p95"])
    assert numbers["cost"].startswith("$")
    assert prod.locator("svg.bars rect").count() >= 1
    assert "of $5 today" in _said(page, "section#support header")
    prod.locator("dd a").first.click()
    assert page.url.startswith(f"{open_site.url}/traces?app=support&environment=prod") or "sign" in page.url


def test_what_waits_stands_first_worst_first_and_leads_there(site: Any, enter: Callable[..., Any]) -> None:
    incident = site.do("incident.open", {"trace_id": site.traces[0], "title": "says 30 days, it is 60"})["id"]
    page = enter(site, role="reviewer")
    lines = page.locator(".first li").all_inner_texts()
    assert "says 30 days, it is 60" in lines[0]
    assert any("1 request waits for a person's answer" in line for line in lines[1:])
    assert f"{len(lines)} things wait" in _said(page, ".head")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/incidents/{incident}")


def test_it_is_quiet_when_nothing_waits(site: Any, enter: Callable[..., Any]) -> None:
    for review in site.do("review.list", {"state": "open"})["reviews"]:
        site.do("review.decide", {"review_id": review["id"], "answer": "We block it now."}, "reviewer")
    page = enter(site)
    assert page.locator(".first").count() == 0
    assert "all is well" in _said(page)
    assert "nothing waits for anybody" in _said(page)


def test_waiting_rules_are_read_and_agreed_to_by_somebody_else(site: Any, enter: Callable[..., Any]) -> None:
    rules = [{"suite": "suites/golden", "failures": 1}]
    asked = {"app": "support", "environment": "prod", "rules": {"gate": "release", "approvals": 1, "rules": rules}}
    assert site.do("environment.set", asked, "engineer")["state"] == "pending"
    page = enter(site, role="engineer")
    page.click(".pending summary")
    assert page.locator(".pending button").count() == 0
    assert "at most 1 scenarios of suites/golden fail" in page.inner_text(".pending ins")
    page.click("text=Sign out")
    page = enter(site, role="reviewer")
    page.on("dialog", lambda dialog: dialog.accept())
    page.click(".pending summary")
    page.click("text=Agree to the new rules")
    assert "Agreed: new rules bind prod of support" in page.inner_text(".said")
    bound = site.do("environment.show", {"environment": "prod", "app": "support"})["environments"][0]
    assert bound["rules"] == ["at most 1 scenarios of suites/golden fail"]
    assert page.locator(".pending").count() == 0


def test_an_empty_project_is_taught_its_first_release(enter: Callable[..., Any], fresh: Any) -> None:
    page = enter(fresh)
    assert "Nothing is served yet" in _said(page)
    assert "headgate release promote RELEASE dev" in page.inner_text("main pre >> nth=0")


def test_facts_become_lines_worst_first() -> None:
    release = {"digest": "sha256:" + "c" * 64, "note": "n", "created_at": 9.0, "serves": ["dev"]}
    gate = {"judged": True, "outcome": "pass", "stopped": []}
    row = {
        "environment": "prod", "stable": "sha256:" + "b" * 64, "gate": {**gate, "outcome": "fail"}, "pending": None,
        "newer": release, "newer_gate": gate, "approvals": 1,
    }  # fmt: skip
    app = {"name": "support", "budget": {"frozen": True, "left": "0"}, "environments": [row]}
    incidents = [
        {"id": f"inc_{number}", "app": "support", "environment": "prod", "title": "x", "opened_at": "2026-01-01T00:00Z"}
        for number in range(7)
    ]
    found = waiting([app], incidents, [], [{"id": "p"}])
    assert [item.sort for item in found] == ["bad"] * 7 + ["warn"] + ["info"] * 2
    assert "2 more incidents are open" in found[5].words
    assert "budget is frozen" in found[6].words
    assert "its gate fails what it serves now" in found[7].words
    assert [item.words for item in found[8:]] == [
        "1 proposal waits for headgate pull", "cccccccccccc n passes and may go to prod once it is approved",
    ]  # fmt: skip
    unjudged = {**row, "gate": gate, "newer_gate": {**gate, "judged": False, "outcome": "review"}}
    assert waiting([{**app, "budget": None, "environments": [unjudged]}], [], [], []) == []
    unjudged = {**unjudged, "newer": {**release, "serves": []}}
    [left] = waiting([{**app, "budget": None, "environments": [unjudged]}], [], [], [])
    assert left.words == "cccccccccccc n was not judged yet"
    quiet = {"name": "a", "budget": None, "environments": [{**row, "gate": gate, "newer": None, "newer_gate": None}]}
    assert waiting([quiet], [], [], []) == []


def test_serve_opens_the_pages_in_a_browser_when_asked(built: Any, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    looks = tmp_path / "browser"
    looks.write_text(f'#!/bin/sh\nprintf %s "$1" > {seen}\n', encoding="utf-8")
    looks.chmod(0o755)
    root = tmp_path / "project"
    root.mkdir()
    (root / "headgate.yaml").write_bytes((built[0] / "headgate.yaml").read_bytes())
    command = [sys.executable, "-m", "headgate", "serve", "--open", "--port", "0", "--project", str(root)]
    environment = plain_environment(BROWSER=f"{looks} %s")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment) as server:
        try:
            assert server.stdout is not None
            said = server.stdout.readline().decode()
            until = time.monotonic() + 20
            while not (seen.exists() and seen.read_text()) and time.monotonic() < until:
                time.sleep(0.05)
            assert seen.read_text() in said
            assert seen.read_text().startswith("http://127.0.0.1:")
        finally:
            os.kill(server.pid, signal.SIGTERM)
