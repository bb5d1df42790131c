"""Incidents in a browser: opened, read, closed; empty; denied."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from typing import Any

from headgate.cli.main import match
from headgate.cli.options import fields_of
from headgate.platform import resolve


def _open(site: Any, title: str = "says 30 days, it is 60") -> str:
    return str(site.do("incident.open", {"trace_id": site.traces[0], "title": title})["id"])


def test_nothing_open_teaches_what_would_be(open_site: Any, enter: Callable[..., Any]) -> None:
    page = enter(open_site, "/incidents")
    assert "Nothing is open" in page.inner_text("main")
    assert "watch: [error_rate" in page.inner_text("main")


def test_an_incident_is_opened_on_a_trace_and_closed_with_a_note(site: Any, enter: Callable[..., Any]) -> None:
    page = enter(site, f"/traces/{site.traces[0]}", role="operator")
    page.keyboard.press("i")
    page.locator("form[action$=incident] input[name=title]").fill("says 30 days, it is 60")
    page.click("text=Open the incident")
    page.wait_for_url("**/incidents/inc_*")
    assert "Within how many days can I return a device?" in page.inner_text("main")
    page.keyboard.press("c")
    page.fill("textarea[name=note]", "handbook corrected")
    page.click("text=Close the incident")
    assert "closed" in page.inner_text(".head")
    assert "handbook corrected" in page.inner_text("main")
    assert "p-operator" in page.inner_text("main")
    page.goto(f"{site.url}/incidents")
    assert "Closed lately" in page.inner_text("main")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/incidents/inc_*")


def test_a_breach_is_told_with_value_and_threshold(site: Any, enter: Callable[..., Any]) -> None:
    for _ in range(30):
        body = {"model": "support@prod", "messages": []}
        site.served.request("POST", "/v1/chat/completions", body, key=site.served.keys["app"])
    for _ in range(50):  # records are stored a moment after their answers
        if opened := site.do("monitor.run", {})["opened"]:
            break
        time.sleep(0.1)
    page = enter(site, "/incidents")
    assert "error_rate above its threshold" in page.inner_text("main")
    page.goto(f"{site.url}/incidents/{opened[0]}")
    told = page.inner_text("main")
    assert "at most" in told
    assert "What to do first" in told
    assert "The same from the command line" in told
    assert page.locator(".chart.interval").count() == 1


def test_the_lists_are_narrowed_by_state(site: Any, enter: Callable[..., Any]) -> None:
    first = _open(site, "the first one")
    _open(site, "the second one")
    site.do("incident.close", {"incident_id": first, "note": "done"})
    page = enter(site, "/incidents?state=open")
    assert "the second one" in page.inner_text("main")
    assert "the first one" not in page.inner_text("main")
    page.select_option("select[name=state]", "closed")
    page.click("text=Show")
    assert "the first one" in page.inner_text("main")
    assert "the second one" not in page.inner_text("main")


def test_closing_it_twice_is_told(site: Any, enter: Callable[..., Any]) -> None:
    incident = _open(site)
    page = enter(site, f"/incidents/{incident}", role="operator")
    site.do("incident.close", {"incident_id": incident})
    page.keyboard.press("c")
    page.click("text=Close the incident")
    assert "closed already" in page.inner_text("h1")


def test_a_viewer_reads_the_incident_but_not_the_conversation(site: Any, enter: Callable[..., Any]) -> None:
    page = enter(site, f"/incidents/{_open(site)}", role="viewer")
    assert "says 30 days, it is 60" in page.inner_text("h1")
    assert "Within how many days" not in page.content()
    assert "your role may not read conversations" in page.inner_text("main")
    assert page.locator("form").count() == 1  # signing out


def test_an_open_incident_is_small_and_accessible(
    site: Any, enter: Callable[..., Any], seriously: Callable[..., list[str]]
) -> None:
    page = enter(site, f"/incidents/{_open(site)}")
    page.locator("details").evaluate_all("all => all.forEach(item => { item.open = true; })")
    assert len(page.content()) <= 60_000
    assert seriously(page) == []
    page.set_viewport_size({"width": 390, "height": 844})
    page.emulate_media(color_scheme="dark")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert seriously(page) == []


def test_every_command_shown_on_these_pages_is_one(site: Any, enter: Callable[..., Any]) -> None:
    incident = _open(site)
    [review] = site.do("review.list", {})["reviews"]
    page = enter(site)
    shown: list[str] = []
    filters = "text=a%27b&status=blocked&last=1d&source=all&app=support&environment=prod&release=r&route=x"
    paths = [f"/traces?{filters}&where=a%3Db%2Cc%3Dd", f"/traces/{site.traces[0]}", f"/incidents/{incident}"]
    paths += ["/incidents?state=open&app=support", "/reviews", f"/reviews/{review['id']}", "/drift?app=support&last=1d"]
    for path in paths:
        page.goto(f"{site.url}{path}")
        shown += [line for line in (page.text_content(".same pre") or "").splitlines() if line.strip()]
    assert len(shown) >= 16
    for line in shown:
        program, *words = shlex.split(line)
        operation, rest = match(words)
        assert program == "headgate", line
        assert operation is not None, line
        known = {field.option for field in fields_of(resolve(operation).request)}
        assert {word for word in rest if word.startswith("--")} <= known, line
