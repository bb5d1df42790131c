"""Reviews in a browser: decided with the keyboard alone, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def _asked(site: Any, count: int) -> list[str]:
    for number in range(count):
        site.chat(f"Someone took over my number, case {number}!", "desk@dev")
    return [review["id"] for review in site.do("review.list", {})["reviews"]]


def test_held_requests_are_decided_with_the_keyboard_alone(site: Any, enter: Callable[..., Any]) -> None:
    first, second, third = _asked(site, 2)
    page = enter(site, "/reviews", role="reviewer")
    assert page.locator("tbody tr").count() == 3
    page.keyboard.press("b")
    page.wait_for_url(f"**/reviews/{first}")
    assert "Someone took over my number!" in page.inner_text(".chat")
    assert "A person will answer you." in page.inner_text(".sent")
    page.keyboard.press("s")
    page.wait_for_url(f"**/reviews/{second}")
    page.keyboard.press("a")
    page.keyboard.type("Your line is locked, we call you. s d a")
    page.keyboard.press("Escape")
    page.keyboard.press("d")
    page.wait_for_url(f"**/reviews/{third}")
    assert "The answer is kept for the app to fetch. 2 left." in page.inner_text(".said")
    page.keyboard.press("a")
    page.keyboard.type("We call you.")
    page.keyboard.press("Control+Enter")
    page.wait_for_url(f"**/reviews/{first}")
    decided = site.do("review.show", {"review_id": second}, "reviewer")
    assert decided["decision"]["answer"] == "Your line is locked, we call you. s d a"
    assert decided["person"] == "p-reviewer"
    page.keyboard.press("a")
    page.keyboard.type("Last.")
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/reviews")
    assert "The queue is empty" in page.inner_text("main")
    assert page.locator("text=Decided lately").count() == 1


def test_what_somebody_else_decided_is_told_and_not_overwritten(site: Any, enter: Callable[..., Any]) -> None:
    first, second = _asked(site, 1)
    page = enter(site, f"/reviews/{first}", role="reviewer")
    site.do("review.decide", {"review_id": first, "answer": "Mine was first."})
    page.fill("textarea[name=answer]", "Too late.")
    page.click("text=Send the answer")
    page.wait_for_url(f"**/reviews/{second}")
    assert "Yours was not kept" in page.inner_text(".said.warn")
    assert site.do("review.show", {"review_id": first})["decision"]["answer"] == "Mine was first."
    page.goto(f"{site.url}/reviews/{first}")
    assert "Decided by p-admin" in page.inner_text("main")
    assert page.locator("textarea").count() == 0


def test_who_may_not_review_sees_why(open_site: Any, enter: Callable[..., Any]) -> None:
    page = enter(open_site, "/reviews", role="engineer")
    assert "p-engineer may not run review.list" in page.inner_text("h1")
    assert "admin, reviewer" in page.inner_text("main")
    assert page.locator("nav >> text=Reviews").count() == 0


def test_a_review_is_small_and_accessible(
    open_site: Any, enter: Callable[..., Any], seriously: Callable[..., list[str]]
) -> None:
    [review] = open_site.do("review.list", {})["reviews"]
    page = enter(open_site, f"/reviews/{review['id']}")
    assert len(page.content()) <= 60_000
    assert seriously(page) == []
    page.set_viewport_size({"width": 390, "height": 844})
    page.emulate_media(color_scheme="dark")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert seriously(page) == []
