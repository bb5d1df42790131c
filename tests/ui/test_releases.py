"""Releases in a browser: gates read, approved by somebody else, promoted, rolled back; stale pages, forged forms."""

from __future__ import annotations

import re
import shlex
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headgate.cli.main import match
from headgate.cli.options import fields_of
from headgate.platform import resolve


def _better(site: Any, note: str = "says it shortly", role: str = "engineer") -> str:
    """A release that passes, made and judged by one person."""
    prompt = Path(site.served.root) / "prompts/answer.md"
    prompt.write_text(prompt.read_text(encoding="utf-8").replace("cite them", "be short, cite them"), encoding="utf-8")
    corpus = Path(site.served.root) / "corpus/returns.md"
    corpus.write_text(corpus.read_text(encoding="utf-8").replace("fourteen days", "30 days"), encoding="utf-8")
    digest = str(site.do("release.create", {"app": "support", "note": note}, role)["digest"])
    site.do("eval", {"release": digest}, role)
    return digest


def _prod(site: Any) -> dict[str, Any]:
    found: dict[str, Any] = site.do("environment.show", {"environment": "prod", "app": "support"})["environments"][0]
    return found


def _yes(page: Any) -> list[str]:
    """Say yes to every question the page asks, and remember the questions."""
    asked: list[str] = []

    def agree(dialog: Any) -> None:
        asked.append(dialog.message)
        dialog.accept()

    page.on("dialog", agree)
    return asked


def test_the_timeline_tells_how_each_release_was_judged_and_what_moved(
    open_site: Any, enter: Callable[..., Any]
) -> None:
    page = enter(open_site, "/releases?app=support", role="viewer")
    rows = page.locator(".releases li").all_inner_texts()
    assert ["shorter returns" in rows[0], "the first release" in rows[1]] == [True, True]
    assert "prod fail" in rows[0]
    assert "in dev in prod in staging" in " ".join(rows[1].split())
    assert "4 of 4 passed" in rows[1]
    moves = page.inner_text(".moves")
    assert "prod serves" in moves
    assert "approved by p-reviewer" in moves
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/releases/{open_site.bad}")


def test_a_failed_gate_is_read_rule_by_rule(open_site: Any, enter: Callable[..., Any]) -> None:
    page = enter(open_site, f"/releases/{open_site.bad}?environment=prod")
    assert "rule fails" in page.inner_text(".verdict") or "rules fail" in page.inner_text(".verdict")
    first = page.locator(".rule").first
    assert "no scenario of suites/golden tagged critical fails" in first.inner_text()
    assert "1 of 1 failed; 0 allowed" in " ".join(first.inner_text().split())
    first.locator("summary").click()
    assert first.locator("code").inner_text() == "returns"
    rate = page.locator(".rule", has_text="at least 40 % of suites/golden pass")
    drawn = rate.locator("svg.interval")
    assert drawn.is_visible()
    assert drawn.locator(".bar").count() == 1
    assert "is likely" in drawn.get_attribute("aria-label")
    assert "bar 40 % · n 4" in rate.inner_text()
    assert "It cannot move: the gate fails" in page.inner_text(".next")
    assert page.locator("text=Promote to").count() == 0


def test_what_differs_and_the_cases_that_did_not_pass(open_site: Any, enter: Callable[..., Any]) -> None:
    page = enter(open_site, f"/releases/{open_site.bad}?environment=prod")
    assert "retrieval/handbook" in page.inner_text("section[aria-labelledby=difference]")
    case = page.locator(".case", has_text="returns").first
    case.locator("summary").click()
    assert "does not hold '30 days'" in case.inner_text()
    assert "fourteen days" in case.locator(".said-text").inner_text()
    page.click(".dense a:text-is('suites/golden')")
    assert "suite=suites%2Fgolden" in page.url or "suite=suites/golden" in page.url
    assert "local/extractive" in page.inner_text("section[aria-labelledby=pins]")


def test_approved_by_a_second_person_promoted_and_rolled_back(
    site: Any, enter: Callable[..., Any], browser: Any
) -> None:
    digest = _better(site)
    engineer = enter(site, f"/releases/{digest}?environment=prod", role="engineer")
    assert "It cannot move yet: 1 more approval needed" in engineer.inner_text(".next")
    assert "You cannot approve: p-engineer is an author" in engineer.inner_text(".next")
    assert engineer.locator("button:has-text('Approve')").count() == 0

    other = browser.new_context()
    reviewer = other.new_page()
    reviewer.goto(f"{site.url}/sign-in")
    reviewer.fill("input[name=key]", site.served.keys["reviewer"])
    reviewer.click("button.main")
    reviewer.goto(f"{site.url}/releases/{digest}?environment=prod")
    _yes(reviewer)
    reviewer.fill("input[name=note]", "reads well")
    reviewer.click("text=Approve for prod")
    assert "Approved for prod. It may be promoted now." in reviewer.inner_text(".said")
    assert "reads well" in reviewer.inner_text(".given")
    assert reviewer.locator("button:has-text('Promote')").count() == 0
    assert "Promoting takes the role" in reviewer.inner_text(".next")
    other.close()

    asked = _yes(engineer)
    engineer.reload()
    engineer.click("text=Promote to prod")
    assert f"prod of support serves {digest[7:19]}" in engineer.inner_text(".said")
    assert asked == [f"Serve {digest[7:19]} in prod of support, in place of {site.good[7:19]}?"]
    assert _prod(site)["stable"] == digest

    engineer.click(".act summary")
    engineer.fill("input[name=reason]", "too short")
    engineer.click("button:has-text('Roll back prod')")
    assert f"prod of support serves {site.good[7:19]} again" in " ".join(engineer.inner_text(".said").split())
    assert _prod(site)["stable"] == site.good
    assert "“too short”" in engineer.inner_text(".moves")


def test_nothing_moves_when_the_question_is_answered_with_no(site: Any, enter: Callable[..., Any]) -> None:
    page = enter(site, f"/releases/{site.good}?environment=dev", role="operator")
    other = _better(site)
    page.goto(f"{site.url}/releases/{other}?environment=staging")
    page.on("dialog", lambda dialog: dialog.dismiss())
    page.click("text=Promote to staging")
    page.goto(f"{site.url}/releases/{other}?environment=staging")
    assert "generation 2" in page.inner_text(".next")


def test_a_stale_page_moves_and_approves_nothing(site: Any, enter: Callable[..., Any]) -> None:
    digest = _better(site)
    site.do("release.approve", {"release": digest, "environment": "prod"}, "reviewer")
    page = enter(site, f"/releases/{digest}?environment=prod", role="admin")
    _yes(page)
    approving = page.context.new_page()
    approving.goto(page.url)
    _yes(approving)
    site.do("release.promote", {"release": digest, "environment": "prod"}, "engineer")
    site.do("release.rollback", {"app": "support", "environment": "prod", "reason": "no"}, "operator")
    moved = _prod(site)["generation"]
    page.click("text=Promote to prod")
    assert "Not moved: prod of support was changed by somebody else meanwhile" in page.inner_text(".said")
    assert f"generation {moved}" in page.inner_text(".next")
    approving.click("text=Approve for prod")
    assert "Not approved: prod of support was changed by somebody else" in approving.inner_text(".said")
    assert (_prod(site)["generation"], _prod(site)["stable"]) == (moved, site.good)


@pytest.fixture
def posted(site: Any) -> Callable[..., tuple[int, str]]:
    """Return a function that sends a form as a role, past every page; it gives the status and what was said."""

    def post(role: str, path: str, token: str | None = None, **fields: str) -> tuple[int, str]:
        kind = {"content-type": "application/x-www-form-urlencoded"}
        body = urllib.parse.urlencode({"key": site.served.keys[role], "next": "/"}).encode()
        _, _, headers = site.served.request("POST", "/sign-in", body, headers=kind)
        cookie = headers["set-cookie"].split(";")[0]
        _, text, _ = site.served.request("GET", "/", headers={"cookie": cookie})
        found = re.search(r'name="csrf" value="([^"]+)"', text)
        assert found
        fields["csrf"] = found[1] if token is None else token
        form = urllib.parse.urlencode(fields).encode()
        status, answer, headers = site.served.request("POST", path, form, headers={**kind, "cookie": cookie})
        return status, urllib.parse.unquote(headers.get("set-cookie", "")) + str(answer)

    return post


def test_a_promotion_that_its_gate_stops_is_told(site: Any, posted: Callable[..., tuple[int, str]]) -> None:
    status, said = posted("engineer", f"/releases/{site.bad}/promote", environment="prod", generation="")
    assert status == 303
    assert "Not moved: the gate says fail: no scenario of suites/golden tagged critical fails" in said
    assert _prod(site)["stable"] == site.good


def test_who_may_not_sees_no_buttons_and_forged_forms_are_refused(
    site: Any, enter: Callable[..., Any], posted: Callable[..., tuple[int, str]]
) -> None:
    digest = _better(site)
    site.do("release.promote", {"release": digest, "environment": "dev"})
    for environment, told in (("staging", "Promoting takes the role"), ("dev", "Rolling back takes the role")):
        page = enter(site, f"/releases/{digest}?environment={environment}", role="viewer")
        assert page.locator("main button").count() == 0
        assert f"{told} engineer, operator or admin" in page.inner_text(".next")
    before = _prod(site)["generation"]
    forms = {
        f"/releases/{digest}/promote": {"environment": "staging", "generation": "2"},
        f"/releases/{digest}/approve": {"environment": "prod"},
        "/environments/support/prod/rollback": {"reason": "x", "release": site.good},
    }
    for path, fields in forms.items():
        assert posted("viewer", path, **fields)[0] == 403, path
        assert posted("admin", path, token="", **fields)[0] == 403, path
        assert posted("admin", path, token="wrong", **fields)[0] == 403, path
    assert _prod(site)["generation"] == before


def test_an_author_sees_why_they_may_not_approve_whatever_their_role(
    site: Any, enter: Callable[..., Any], posted: Callable[..., tuple[int, str]]
) -> None:
    digest = _better(site, role="admin")
    page = enter(site, f"/releases/{digest}?environment=prod", role="admin")
    assert "You cannot approve: p-admin is an author of it" in page.inner_text(".next")
    assert page.locator("button:has-text('Approve')").count() == 0
    status, answer = posted("admin", f"/releases/{digest}/approve", environment="prod")
    assert status == 403
    assert "p-admin is an author of" in answer
    assert site.do("release.approvals", {"release": digest, "environment": "prod"})["given"] == []


def test_a_question_for_people_says_how_many_cases_would_answer_it(site: Any, enter: Callable[..., Any]) -> None:
    rules = {"rules": [{"suite": "suites/golden", "metric": "pass_rate", "at_least": 0.9}]}
    site.do("environment.set", {"app": "support", "environment": "staging", "rules": rules})
    page = enter(site, f"/releases/{site.good}?environment=staging")
    assert "leaves the decision to people" in page.inner_text(".verdict")
    assert "no exam of fewer than 35 cases can pass this rule" in page.inner_text(".hint")


def test_notes_are_text(site: Any, enter: Callable[..., Any]) -> None:
    note = "<img src=x onerror=alert(1)>\"'><script>alert(2)</script>"
    digest = _better(site, note)
    page = enter(site, f"/releases/{digest}")
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    for path in (f"/releases/{digest}", "/releases", "/"):
        page.goto(f"{site.url}{path}")
        assert note in page.inner_text("main")
        assert page.locator("main img").count() == 0


def test_no_release_yet_teaches_the_first_one(enter: Callable[..., Any], fresh: Any) -> None:
    page = enter(fresh, "/releases")
    assert "No release yet" in page.inner_text("main")
    assert "headgate release create" in page.inner_text("main pre >> nth=0")


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_one_release_is_small_accessible_and_fits(
    open_site: Any, enter: Callable[..., Any], seriously: Callable[..., list[str]], width: int, theme: Any
) -> None:
    page = enter(open_site)
    page.set_viewport_size({"width": width, "height": 844})
    page.emulate_media(color_scheme=theme)
    for digest in (open_site.good, open_site.bad):
        answer = page.goto(f"{open_site.url}/releases/{digest}?environment=prod")
        assert len(answer.body()) <= 60_000
        page.evaluate("document.querySelectorAll('details').forEach((item) => { item.open = true })")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert seriously(page) == []


def test_every_command_shown_is_one(open_site: Any, enter: Callable[..., Any]) -> None:
    page = enter(open_site)
    shown: list[str] = []
    for path in ("/", "/releases?app=support", f"/releases/{open_site.bad}", f"/releases/{open_site.good}"):
        page.goto(f"{open_site.url}{path}")
        shown += (page.text_content(".same pre") or "").strip().splitlines()
    assert len(shown) >= 12
    for line in shown:
        program, *words = shlex.split(line)
        operation, rest = match(words)
        assert program == "headgate", line
        assert operation is not None, line
        known = {field.option for field in fields_of(resolve(operation).request)}
        assert {word for word in rest if word.startswith("--")} <= known, line
