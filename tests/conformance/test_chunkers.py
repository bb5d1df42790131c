"""What every chunker promises: no word is lost, sizes hold, order is reading order, headings come along."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from headgate.kernel import plugins

PAGE = """# Returning a device

Intro with *emphasis* and a [link](https://example.com).

## Time limit

You can return a device within 30 days. A device bought in a store: 14 days.

### Exceptions

- opened earphones
- broken screens

## Plans

| Plan | Price |
|------|-------|
| Start | $15 |
| Plus | $25 |
"""


@pytest.fixture(params=sorted(plugins.names("chunkers")))
def plugin(request: pytest.FixtureRequest) -> Any:
    found = plugins.load("chunkers", request.param)
    assert isinstance(found.behaviour, int)
    return found


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text)


def test_every_word_of_the_text_is_in_a_chunk_in_order(plugin: Any) -> None:
    chunks = plugin.build(plugin.options()).cut("corpus/device-returns", PAGE)
    text = " ".join(chunk.text for chunk in chunks)
    for phrase in ("Intro with emphasis and a link", "within 30 days", "opened earphones", "Start", "$15", "$25"):
        assert phrase in text
    assert text.index("emphasis") < text.index("30 days") < text.index("earphones") < text.index("$15")


def test_chunks_know_page_title_and_headings(plugin: Any) -> None:
    chunks = plugin.build(plugin.options()).cut("corpus/device-returns", PAGE)
    assert {chunk.source for chunk in chunks} == {"corpus/device-returns"}
    assert {chunk.title for chunk in chunks} == {"Returning a device"}
    assert any("Time limit" in chunk.heading for chunk in chunks)


def test_sizes_hold_and_sentences_stay_whole(plugin: Any) -> None:
    sentence = "This is sentence number {} of a long page about nothing at all."
    page = "# Long\n\n" + " ".join(sentence.format(number) for number in range(200))
    chunks = plugin.build(plugin.options(max_tokens=60)).cut("corpus/long", page)
    assert len(chunks) > 10
    assert all(len(chunk.text) <= 60 * 4 for chunk in chunks)
    assert all(chunk.text.endswith("at all.") for chunk in chunks)


@pytest.mark.parametrize("page", ["", "\n\n", "# Only a title", "---\nfront: matter\n---\n"])
def test_a_page_without_text_gives_no_chunks(plugin: Any, page: str) -> None:
    assert plugin.build(plugin.options()).cut("corpus/empty", page) == []


def test_a_real_handbook_is_cut_without_losing_words(plugin: Any) -> None:
    folder = Path(__file__).parents[2] / "../shared/data/docs/18f_handbook"
    if not folder.is_dir():
        pytest.skip("the handbook of shared/data is absent")
    chunker = plugin.build(plugin.options())
    for file in sorted(folder.glob("*.md"))[:40]:
        text = file.read_text(encoding="utf-8")
        chunks = chunker.cut(f"docs/{file.stem}", text)
        assert len(chunks) >= (1 if len(text) > 2000 else 0), file
        said = set(words(" ".join(f"{chunk.heading} {chunk.text}" for chunk in chunks)))
        assert all(len(chunk.text) > 0 for chunk in chunks)
        plain = re.sub(r"<[^>]*>|\]\([^)]*\)|\{[^}]*\}|https?://\S+|^---.*?^---", " ", text, flags=re.S | re.M)
        wanted = {word for word in words(plain) if word.isalpha() and len(word) > 6}
        assert len(wanted - said) <= max(0.05 * len(wanted), 2), (file, sorted(wanted - said)[:10])
