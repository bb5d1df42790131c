"""Every code that an error can have, and every header of an answer, is explained to whoever meets it."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src/headgate"
GATEWAY = ("serve", "models", "http", "platform", "store", "guard", "kernel")
CODE = re.compile(
    r"""\bcode(?:: str)?\s*=\s*"([a-z][a-z_]+)"|_UNTHREADED = "([a-z_]+)"|_crowded\("([a-z_]+)\""""
    r"""|_pass_over\(\w+, "([a-z_]+)\""""
)
CHOSEN = re.compile(r"""code="([a-z_]+)" if [^"]+"[a-z]+" else "([a-z_]+)\"""")
OF_TRACES = {"less_strict", "no_target"}
"""Codes that no `code=` names where they arise."""


def written() -> set[str]:
    text = "\n".join(path.read_text() for folder in GATEWAY for path in (SOURCE / folder).rglob("*.py"))
    found = {code for match in CODE.findall(text) for code in match if code}
    return found | {code for match in CHOSEN.findall(text) for code in match}


def explained() -> dict[str, tuple[str, str, str]]:
    sections = runpy.run_path(str(ROOT / "docs/error_codes.py"))["SECTIONS"]
    return {code: row for _, rows in sections.values() for code, row in rows.items()}


def test_every_code_is_explained_and_none_that_is_gone() -> None:
    found, told = written(), explained()
    assert len(found) > 40, "the expressions above find nothing any more"
    assert found - told.keys() == set()
    assert told.keys() - found - OF_TRACES == set()
    assert all(all(cells) for cells in told.values())


def test_every_header_is_explained() -> None:
    text = "\n".join(path.read_text() for path in (SOURCE / "http").rglob("*.py"))
    headers = set(re.findall(r"x-headgate-[a-z-]+[a-z]", text)) - {"x-headgate-local"}
    page = (ROOT / "docs/how-to/find-out-why-a-request-failed.md").read_text()
    assert len(headers) >= 8
    assert [name for name in sorted(headers) if f"`{name}`" not in page] == []
