"""Drift in a browser: what moved, and nothing that moved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


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
