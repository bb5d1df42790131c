"""Traces in a browser: found by words and filters, read whole, acted on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


def test_a_trace_is_found_by_its_words_and_opened_with_the_keyboard(open_site: Any, enter: Callable[..., Any]) -> None:
    page = enter(open_site, "/traces")
    assert page.locator("tbody tr").count() >= len(open_site.traces)
    page.keyboard.press("/")
    page.keyboard.type("chess championship")
    page.keyboard.press("Enter")
    page.wait_for_url("**/traces?text=chess*")
    assert page.locator("tbody tr").count() == 1
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/traces/{open_site.traces[5]}")
    assert "Who won the chess championship in 1972?" in page.inner_text(".chat")


def test_filters_stand_in_the_address_and_nothing_found_is_told(open_site: Any, enter: Callable[..., Any]) -> None:
    page = enter(open_site, "/traces")
    page.select_option("select[name=status]", "blocked")
    page.click("text=Find")
    assert "status=blocked" in page.url
    assert page.locator("tbody tr").count() == 1
    assert "injection" in page.inner_text("tbody tr")
    page.goto(f"{open_site.url}/traces?where=model%3Dnobody")
    assert "Nothing matches" in page.inner_text("main")
    assert page.locator("details[open] input[name=where]").input_value() == "model=nobody"
    page.goto(f"{open_site.url}/traces?where=model")
    assert "is not attribute=value" in page.inner_text("h1")


def test_the_list_is_paged_by_the_last_one_seen(site: Any, enter: Callable[..., Any]) -> None:
    for number in range(45):
        site.chat(f"Is my bill number {number} due?", "echo@dev")
    page = enter(site, "/traces")
    first = page.locator("tbody a[data-open]").evaluate_all("all => all.map(a => a.href)")
    page.click(".turn >> text=Older")
    second = page.locator("tbody a[data-open]").evaluate_all("all => all.map(a => a.href)")
    assert len(first) == 40
    assert len({*first, *second}) == len(first) + len(second) == 45 + len(site.traces)
    assert page.locator(".turn >> text=Older").count() == 0
    page.click(".turn >> text=Newest")
    assert page.locator("tbody a[data-open]").first.evaluate("found => found.href") == first[0]


def test_each_sentence_shows_its_source_and_unsupported_ones_are_named(
    open_site: Any, enter: Callable[..., Any]
) -> None:
    page = enter(open_site, f"/traces/{open_site.traces[0]}")
    sentences = page.locator(".sentences li")
    assert sentences.count() >= 1
    assert "supported" in sentences.first.inner_text()
    assert "corpus/returns" in sentences.first.inner_text()
    sentences.first.locator("a").click()
    assert page.url.endswith("#passage-1")
    page.click("#passage-1 summary")
    assert "You can return a device within 30 days" in page.inner_text("#passage-1")


def test_why_a_request_was_blocked_is_said_in_words(open_site: Any, enter: Callable[..., Any]) -> None:
    page = enter(open_site, f"/traces/{open_site.traces[3]}")
    why = page.inner_text(".why")
    assert "Why blocked. The guard injection stopped what was asked." in why
    assert "the app's template" in page.inner_text(".answer")
    assert "stopped by injection" in page.inner_text(".falls")


def test_personal_data_is_shown_masked(open_site: Any, enter: Callable[..., Any]) -> None:
    page = enter(open_site, f"/traces/{open_site.traces[4]}")
    assert "4111" not in page.content()
    assert "<CARD>" in page.inner_text(".chat")


def test_a_held_request_leads_to_its_review(open_site: Any, enter: Callable[..., Any]) -> None:
    page = enter(open_site, f"/traces/{open_site.traces[6]}")
    page.click("text=Open the review")
    assert "/reviews/rev_" in page.url


def test_a_trace_becomes_a_scenario_that_pull_will_write(site: Any, enter: Callable[..., Any]) -> None:
    page = enter(site, f"/traces/{site.traces[0]}", role="engineer")
    page.keyboard.press("s")
    page.locator("form[action$=scenario] input[name=title]").fill("says 30 days, it is 60")
    page.locator("form[action$=scenario] textarea[name=contains]").fill("60 days")
    page.click("text=Make the scenario")
    page.wait_for_selector("text=It fails on the release that caused it", timeout=30_000)
    assert "contains: 60 days" in page.inner_text("pre.flush")
    assert "headgate pull" in page.inner_text("main")
    [offered] = site.do("proposal.list", {})["proposals"]
    assert offered["file"] == "suites/incidents.yaml"
    page.click("text=Back to the incident")
    assert "says 30 days, it is 60" in page.inner_text("h1")
    assert "Offered for suites/incidents.yaml" in page.inner_text("main")


def test_a_scenario_that_passes_is_not_offered(site: Any, enter: Callable[..., Any]) -> None:
    page = enter(site, f"/traces/{site.traces[0]}", role="engineer")
    page.keyboard.press("s")
    page.locator("form[action$=scenario] input[name=title]").fill("a false alarm")
    page.locator("form[action$=scenario] textarea[name=contains]").fill("30 days")
    page.click("text=Make the scenario")
    page.wait_for_selector("text=nothing is offered", timeout=30_000)
    assert site.do("proposal.list", {})["proposals"] == []


def test_a_scenario_that_expects_nothing_is_refused_before_anything_is_opened(
    site: Any, enter: Callable[..., Any]
) -> None:
    page = enter(site, f"/traces/{site.traces[0]}", role="engineer")
    page.keyboard.press("s")
    page.locator("form[action$=scenario] input[name=title]").fill("nothing said")
    page.click("text=Make the scenario")
    assert "nothing says what a right answer holds" in page.inner_text("h1")
    assert site.do("incident.list", {})["incidents"] == []


def test_feedback_stays_with_its_trace_and_a_correction_opens_an_incident(site: Any, enter: Callable[..., Any]) -> None:
    page = enter(site, f"/traces/{site.traces[0]}", role="reviewer")
    page.keyboard.press("f")
    page.check("input[value=up]")
    page.fill("input[name=comment]", "well said")
    page.click("form[action$=feedback] button")
    assert "well said" in page.inner_text("main")
    page.keyboard.press("f")
    page.check("input[value=down]")
    page.fill("textarea[name=correction]", "It is 60 days.")
    page.click("form[action$=feedback] button")
    page.wait_for_url("**/incidents/inc_*")
    assert "It is 60 days." in page.inner_text("main")


def _span(number: int, parent: int, name: str, begin_ms: int, end_ms: int, **more: Any) -> dict[str, Any]:
    start = 1_795_000_000_000
    return {
        "traceId": "ab" * 16, "spanId": str(number) * 16, "parentSpanId": str(parent) * 16 if parent else "",
        "name": name, "kind": 1, "startTimeUnixNano": str((start + begin_ms) * 1_000_000),
        "endTimeUnixNano": str((start + end_ms) * 1_000_000), "attributes": [], **more,
    }  # fmt: skip


def test_a_trace_of_somebody_else_is_a_tree_of_spans(site: Any, enter: Callable[..., Any]) -> None:
    spans = [
        _span(1, 0, "agent planner", 0, 900),
        _span(2, 1, "chat stand-in", 10, 400),
        _span(3, 1, "execute_tool flights", 410, 800, status={"code": 2, "message": "the airline is silent"}),
        _span(4, 3, "GET /flights <b>", 420, 790),
    ]
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "planner"}}]}
    body = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {"name": "x"}, "spans": spans}]}]}
    status, answer, _ = site.served.request("POST", "/v1/traces", body, key=site.served.keys["admin"])
    assert status == 200, answer
    page = enter(site, "/traces?source=otlp", role="engineer")
    page.locator("tbody a[data-open]").click()
    page.wait_for_url("**/traces/" + "ab" * 16)
    names = page.locator(".falls.tree li .name").all_inner_texts()
    assert [name.split("\n")[0].strip() for name in names] == [
        "agent planner", "chat stand-in", "execute_tool flights error", "GET /flights <b>"
    ]  # fmt: skip
    assert page.locator(".falls .depth-2").count() == 1
    assert "failed: the airline is silent" in page.inner_text(".falls")
    assert page.locator("summary >> text=Make a scenario").count() == 0  # no release of ours answered it
    assert page.locator("summary >> text=Open an incident").count() == 1


def test_who_may_not_read_conversations_sees_why(open_site: Any, enter: Callable[..., Any]) -> None:
    page = enter(open_site, f"/traces/{open_site.traces[0]}", role="viewer")
    assert "p-viewer may not run trace.show" in page.inner_text("h1")
    assert "it needs one of these roles" in page.inner_text("main")
    assert page.locator("nav >> text=Traces").count() == 0


def test_one_without_the_right_sees_no_button_that_could_only_refuse(open_site: Any, enter: Callable[..., Any]) -> None:
    page = enter(open_site, f"/traces/{open_site.traces[0]}", role="reviewer")
    assert page.locator("summary >> text=Open an incident").count() == 0
    assert page.locator("summary >> text=Give feedback").count() == 1


def test_a_trace_that_is_not_there_is_told(open_site: Any, enter: Callable[..., Any]) -> None:
    page = enter(open_site, "/traces/" + "0" * 32)
    assert "there is no trace" in page.inner_text("h1")


@pytest.mark.parametrize("number", range(7))
def test_every_trace_is_small_sealed_and_accessible(
    open_site: Any, enter: Callable[..., Any], seriously: Callable[..., list[str]], number: int
) -> None:
    page = enter(open_site)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    answer = page.goto(f"{open_site.url}/traces/{open_site.traces[number]}")
    assert len(answer.body()) <= 60_000
    page.locator("details").evaluate_all("all => all.forEach(item => { item.open = true; })")
    assert seriously(page) == []
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.emulate_media(color_scheme="dark")
    assert seriously(page) == []
    assert said == []
