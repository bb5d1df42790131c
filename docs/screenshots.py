"""Take the pictures of the README: the pages of the project that `make demo` left behind, in Chromium.

Run by `make screenshots`. It serves a copy, so that the demo's project stays as it is.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from headgate.testing.served import do, serving

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "pictures"
_FLAGS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync",
          "--disable-component-update", "--disable-quic", "--hide-scrollbars")  # fmt: skip
_SIZE: Any = {"width": 1180, "height": 720}


def main() -> int:
    demo, chromium = ROOT / "demo", shutil.which("chromium") or shutil.which("google-chrome")
    if not (demo / "headgate.yaml").exists() or chromium is None:
        print("the pictures show the project of `make demo` in Chromium: run the demo, install chromium, try again")
        return 1
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        project = Path(shutil.copytree(demo, Path(folder) / "demo", ignore=shutil.ignore_patterns("server*.json")))
        key = do(project, "key.create", {"person": "engineer", "role": ["engineer", "reviewer"]})["token"]
        with serving(project) as served, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=list(_FLAGS))
            page = browser.new_page(viewport=_SIZE, color_scheme="light")
            page.goto(f"{served.url}/sign-in")
            page.fill("input[name=key]", key)
            page.click("button.main")
            take(page, f"{served.url}/", "overview")
            take(page, f"{served.url}/releases/{stopped(served.url, page)}?environment=prod", "gate")
            browser.close()
    return 0


def stopped(url: str, page: Page) -> str:
    """Return the digest of a release that its gate stopped: the demo makes some."""
    page.goto(f"{url}/releases")
    link = page.locator("[data-row]:has(.state.bad) a[href*='/releases/']").first
    return str(link.get_attribute("href")).split("/releases/")[1].split("?")[0]


def take(page: Page, address: str, name: str) -> None:
    page.goto(address)
    file = PICTURES / f"{name}.png"
    page.screenshot(path=file)
    print(f"{file.relative_to(ROOT)}  {file.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    sys.exit(main())
