"""What the Markdown chunker makes of lists, tables, code, nesting and front matter."""

from __future__ import annotations

import pytest

from headgate.kernel import plugins
from headgate.models import sentences
from headgate.retrieve import Chunk


def cut(text: str, **options: int) -> list[Chunk]:
    plugin = plugins.load("chunkers", "markdown")
    found: list[Chunk] = plugin.build(plugin.options(**options)).cut("corpus/some-page", text)
    return found


def test_headings_nest_by_level() -> None:
    page = "# Title\n\n## A\n\none\n\n### B\n\ntwo\n\n## C\n\nthree\n"
    assert [(chunk.heading, chunk.text) for chunk in cut(page)] == [
        ("Title › A", "one"),
        ("Title › A › B", "two"),
        ("Title › C", "three"),
    ]


def test_a_page_without_heading_is_named_by_its_file() -> None:
    assert cut("Just text.")[0].heading == "Some page"


def test_front_matter_is_no_text() -> None:
    assert [chunk.text for chunk in cut("---\nowner: me\n---\n# T\n\nBody.\n")] == ["Body."]


@pytest.mark.parametrize(
    ("block", "text"),
    [
        ("- one\n- two\n  - deeper\n- three", "- one\n- two\n- deeper\n- three"),
        ("1. first\n2. second", "- first\n- second"),
        ("| Plan | Price |\n|---|---|\n| S | $1 |\n| P | $2 |", "- Plan: S; Price: $1.\n- Plan: P; Price: $2."),
        ("Some **bold**, `code` and [a link](https://x.y).", "Some bold, code and a link."),
        ("wrapped\nline", "wrapped line"),
        ("```\nx = 1\n```", "x = 1"),
        ("> quoted words", "quoted words"),
        ("<div>in <b>html</b></div>", "in html"),
        ("<script>alert(1)</script>", ""),
        ("![a picture](x.png)", "a picture"),
    ],
)  # fmt: skip
def test_blocks_become_plain_text(block: str, text: str) -> None:
    assert "".join(chunk.text for chunk in cut(f"# T\n\n{block}\n")) == text


def test_a_list_is_quoted_with_the_line_that_leads_it_in() -> None:
    chunk = cut("# T\n\nTo do so:\n\n- open it\n- close it\n")[0]
    assert sentences(chunk.text) == ["To do so: open it; close it."]


def test_a_sentence_longer_than_a_chunk_stays_whole() -> None:
    long = "Word " * 100 + "end."
    assert [chunk.text for chunk in cut(f"# T\n\nShort one. {long}", max_tokens=20)] == ["Short one.", long]
