"""Signing in: keys, sessions, forms of other sites, and what every page carries."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Callable
from typing import Any

import pytest

from headgate.ui.pages import ROUTES

EVERY = sorted(path for method, path, _ in ROUTES if method == "GET" and "{" not in path and path != "/sign-in")


def test_a_key_opens_the_pages_and_signing_out_closes_them(open_site: Any, enter: Callable[..., Any]) -> None:
    page = enter(open_site, role="viewer")
    assert page.inner_text(".who span") == "p-viewer"
    page.click("text=Sign out")
    page.goto(f"{open_site.url}/")
    assert page.url == f"{open_site.url}/sign-in?next=/"


def test_a_wrong_key_is_told_and_shows_nothing(open_site: Any, context: Any) -> None:
    page = context.new_page()
    page.goto(f"{open_site.url}/sign-in")
    page.fill("input[name=key]", "hg_nonsense")
    page.click("button.main")
    assert "not valid" in page.inner_text("[role=alert]")
    assert not context.cookies()


def test_signing_in_leads_back_to_the_page_asked_for_and_to_no_other_site(open_site: Any, context: Any) -> None:
    page = context.new_page()
    page.goto(f"{open_site.url}/?app=support&x=1")
    page.fill("input[name=key]", open_site.served.keys["admin"])
    page.click("button.main")
    assert page.url == f"{open_site.url}/?app=support&x=1"
    for away in (
        "//evil.example/",
        "https://evil.example/",
        "/\\evil.example",
        "/\t/evil.example",
        "/\x00/evil.example",
    ):
        page.goto(f"{open_site.url}/sign-in?next={urllib.parse.quote(away)}")
        assert page.get_attribute("input[name=next]", "value") == "/"


def test_the_cookie_holds_no_key_and_a_changed_one_opens_nothing(open_site: Any, enter: Callable[..., Any]) -> None:
    page = enter(open_site)
    cookie = page.context.cookies()[0]
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Lax"
    assert open_site.served.keys["admin"] not in cookie["value"]
    forged = re.sub(r"\.(\d+)\.", ".9999999999.", cookie["value"])
    changed = [
        forged,
        cookie["value"][:-1],
        "",
        "x.y.z.w",
        cookie["value"].replace(".", ""),
        cookie["value"][:-1] + "\xe9",
    ]
    for value in changed:
        status, _, headers = open_site.served.request("GET", "/", headers={"cookie": f"headgate_session={value}"})
        assert (status, headers["location"]) == (303, "/sign-in?next=/")


def test_revoking_the_key_ends_its_sessions(site: Any, enter: Callable[..., Any]) -> None:
    made = site.do("key.create", {"person": "leaver", "role": ["viewer"]})
    site.served.keys["leaver"] = made["token"]
    page = enter(site, role="leaver")
    assert "Sign out" in page.inner_text(".who")
    site.do("key.revoke", {"key_id": made["id"]})
    page.goto(f"{site.url}/")
    assert "/sign-in" in page.url


@pytest.mark.parametrize("path", EVERY)
def test_every_page_is_sealed_small_and_accessible(
    open_site: Any, enter: Callable[..., Any], seriously: Callable[..., list[str]], path: str
) -> None:
    page = enter(open_site, path)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    answer = page.goto(f"{open_site.url}{path}")
    assert answer.status == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert len(answer.body()) <= 60_000
    assert seriously(page) == []
    assert said == []


@pytest.mark.parametrize("path", EVERY)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_fits_a_phone(open_site: Any, enter: Callable[..., Any], path: str, theme: Any,
                                 seriously: Callable[..., list[str]]) -> None:  # fmt: skip
    page = enter(open_site, path)
    page.set_viewport_size({"width": 390, "height": 844})
    page.emulate_media(color_scheme=theme)
    page.goto(f"{open_site.url}{path}")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert seriously(page) == []


def test_axe_and_the_overflow_check_can_fail(context: Any, seriously: Callable[..., list[str]]) -> None:
    page = context.new_page()
    page.set_content("<html><body><main><img src=x><p style='color:#ccc;background:#fff'>pale</p></main></body></html>")
    assert any("color-contrast" in found for found in seriously(page))


def test_a_form_of_another_site_or_without_its_token_is_refused(site: Any) -> None:
    def post(path: str, body: str, **headers: str) -> tuple[int, Any, Any]:
        kind = {"content-type": "application/x-www-form-urlencoded", **headers}
        found: tuple[int, Any, Any] = site.served.request("POST", path, body.encode(), headers=kind)
        return found

    status, _, headers = post("/sign-in", urllib.parse.urlencode({"key": site.served.keys["admin"], "next": "/"}))
    assert status == 303
    cookie = headers["set-cookie"].split(";")[0]
    _, text, _ = site.served.request("GET", "/", headers={"cookie": cookie})
    token = re.search(r'name="csrf" value="([^"]+)"', text)
    assert token
    good = urllib.parse.urlencode({"csrf": token[1]})
    assert post("/sign-out", "", cookie=cookie)[0] == 403
    for wrong in ("wrong", "w%C3%B6ng", "%ff%00"):
        assert post("/sign-out", f"csrf={wrong}", cookie=cookie)[0] == 403
    assert post("/sign-out", good, cookie=cookie, origin="http://evil.example")[0] == 403
    assert post("/sign-out", good, cookie=cookie, **{"sec-fetch-site": "cross-site"})[0] == 403
    assert post("/sign-out", good, cookie=cookie, origin=site.url)[0] == 303


def test_a_page_that_is_not_there_is_a_page_for_people_and_json_for_programs(open_site: Any, context: Any) -> None:
    page = context.new_page()
    answer = page.goto(f"{open_site.url}/nowhere")
    assert answer.status == 404
    assert "There is no page" in page.inner_text("h1")
    status, body, _ = open_site.served.request("GET", "/nowhere")
    assert (status, body["code"]) == (404, "not_found")


def test_other_host_names_are_not_answered(open_site: Any) -> None:
    assert open_site.served.request("GET", "/", headers={"host": "evil.example"})[0] == 421


def test_without_keys_this_machine_needs_none_and_other_sites_cannot_send_forms(
    built: Any, tmp_path: Any, context: Any
) -> None:
    import shutil

    from headgate.testing.served import do, serving

    root = tmp_path / "fresh"
    shutil.copytree(built[0], root, ignore=shutil.ignore_patterns(".headgate"))
    do(root, "check", {})
    with serving(root) as served:
        page = context.new_page()
        page.goto(served.url)
        assert "Sign out" not in page.inner_text("header")
        assert page.title().startswith("Overview")
        kind = {"content-type": "application/x-www-form-urlencoded", "origin": "http://evil.example"}
        assert served.request("POST", "/sign-out", b"csrf=x", headers=kind)[0] in (303, 403)
