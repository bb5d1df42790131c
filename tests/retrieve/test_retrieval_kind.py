"""The kind `retrieval`: identity from texts and settings, planted mistakes named with file, line and key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from headgate.kernel import Draft, HeadgateError, InvalidInput, blob_digest, plugins
from headgate.retrieve import compile_retrieval

SETTINGS = """# how pages are found
corpus: [corpus/*.md]
chunker: {type: markdown, max_tokens: 160}
top_k: 4
"""
PAGES = {
    "corpus/returns.md": "# Returns\n\nYou can return a device within 30 days.\n",
    "corpus/bills.md": "# Bills\n\nA bill is due 14 days after it is issued. Café.\n",
}


def write(root: Path, settings: str = SETTINGS, pages: dict[str, str] = PAGES) -> Path:
    for name, text in {"retrieval/handbook.yaml": settings, **pages}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(text.encode())
    return root


def parse(root: Path) -> Draft:
    found: Draft = plugins.load("kinds", "retrieval").parse(root, "retrieval/handbook")
    return found


def test_a_draft_holds_settings_pages_and_their_texts(tmp_path: Path) -> None:
    draft = parse(write(tmp_path))
    text = PAGES["corpus/bills.md"].encode()
    assert draft.document == {
        "corpus": [
            {"path": "corpus/bills", "digest": blob_digest(text)},
            {"path": "corpus/returns", "digest": blob_digest(PAGES["corpus/returns.md"].encode())},
        ],
        "chunker": {"type": "markdown", "behaviour": 1, "max_tokens": 160},
        "embedder": {"type": "hashed", "behaviour": 1},
        "store": {"type": "embedded", "behaviour": 1},
        "fusion": {"type": "rrf", "behaviour": 1},
        "top_k": 4,
    }
    assert draft.blobs[blob_digest(text)] == text


def test_identity_is_of_content_not_of_form(tmp_path: Path) -> None:
    plain = parse(write(tmp_path / "a")).digest
    windows = {name: text.replace("\n", "\r\n") for name, text in PAGES.items()}
    decomposed = {name: text.replace("é", "e\u0301") for name, text in PAGES.items()}
    commented = "# other words\n" + SETTINGS.replace("top_k: 4", "top_k:   4  # few").replace("\n", "\r\n")
    defaults = SETTINGS + "embedder: hashed\nstore: {type: embedded}\nfusion: {type: rrf, k: 10}\n"
    assert parse(write(tmp_path / "b", pages=windows)).digest == plain
    assert parse(write(tmp_path / "c", pages=decomposed)).digest == plain
    assert parse(write(tmp_path / "d", commented)).digest == plain
    assert parse(write(tmp_path / "e", defaults)).digest == plain
    assert parse(write(tmp_path / "f", SETTINGS.replace("[corpus/*.md]", "corpus/*.md"))).digest == plain


@pytest.mark.parametrize(
    "change",
    [
        {"pages": {**PAGES, "corpus/returns.md": "# Returns\n\nYou can return a device within 31 days.\n"}},
        {"pages": {**PAGES, "corpus/new.md": "# New\n"}},
        {"pages": {"corpus/returns.md": PAGES["corpus/returns.md"]}},
        {"settings": SETTINGS.replace("160", "161")},
        {"settings": SETTINGS.replace("top_k: 4", "top_k: 5")},
        {"settings": SETTINGS + "fusion: {k: 60}\n"},
        {"settings": SETTINGS + "embedder: {type: hashed, dimensions: 512}\n"},
    ],
)
def test_anything_that_can_change_an_answer_changes_the_digest(tmp_path: Path, change: dict[str, Any]) -> None:
    assert parse(write(tmp_path / "a")).digest != parse(write(tmp_path / "b", **change)).digest


@pytest.mark.parametrize(
    ("settings", "place", "message"),
    [
        ("corpus: [pages/*.md]\n", "retrieval/handbook.yaml:1: corpus[0]", "matches no file"),
        ("top_k: 4\ncorpus:\n  - corpus/*.md\n  - corpus/*.pdf\n", ":4: corpus[1]", "holds .md files"),
        ("corpus: [../*.md]\n", ":1: corpus[0]", "not a path inside the project"),
        ("corpus: [/etc/*]\n", ":1: corpus[0]", "not a path inside the project"),
        ("corpus: []\n", ":1: corpus", "at least 1"),
        ("top_k: 4\n", ":1: corpus", "is missing"),
        (SETTINGS + "topk: 5\n", ":5: topk", "did you mean 'top_k'"),
        (SETTINGS + "embedder: hashd\n", ":5: embedder", "did you mean 'hashed'"),
        (SETTINGS.replace("max_tokens", "max_token"), ":3: chunker", "did you mean 'max_tokens'"),
        (SETTINGS.replace("160", "1"), ":3: chunker", "greater than or equal to 20"),
        (SETTINGS.replace("top_k: 4", "top_k: 0"), ":4: top_k", "expected 1 or more"),
        (SETTINGS + "store: {dimensions: 3}\n", ":5: store", "has no type"),
        (SETTINGS + "fusion: {type: sum}\n", ":5: fusion.type", "rrf"),
        ("corpus: [corpus/*.md\n", ":2", "not valid YAML"),
    ],
)
def test_a_planted_mistake_is_named_with_its_place(tmp_path: Path, settings: str, place: str, message: str) -> None:
    with pytest.raises(HeadgateError) as caught:
        parse(write(tmp_path, settings))
    assert place in str(caught.value)
    assert message in str(caught.value)
    assert caught.value.exit_code in (2, 4)


def test_two_files_that_would_be_one_page_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "corpus: [corpus/*]\n", {**PAGES, "corpus/bills.txt": "Bills."})
    with pytest.raises(InvalidInput, match="would both be the page corpus/bills"):
        parse(tmp_path)


def test_pages_that_are_no_text_or_lie_outside_are_refused(tmp_path: Path) -> None:
    root = write(tmp_path / "project")
    (tmp_path / "secret.md").write_text("secret")
    (root / "corpus/link.md").symlink_to(tmp_path / "secret.md")
    with pytest.raises(InvalidInput, match="link to a place outside"):
        parse(root)
    (root / "corpus/link.md").unlink()
    (root / "corpus/bad.md").write_bytes(b"caf\xe9\n")
    with pytest.raises(InvalidInput, match=r"corpus/bad.md:1: is not UTF-8"):
        parse(root)


def test_a_stored_document_compiles_from_its_blobs_alone(tmp_path: Path) -> None:
    draft = parse(write(tmp_path))
    retriever = compile_retrieval(draft.document, draft.blobs.__getitem__)
    passages = retriever.search("When is a bill due?")
    assert passages[0].source == "corpus/bills"
    assert passages[0].heading == "Bills"
    assert passages[0].digest == draft.document["corpus"][0]["digest"]
    assert retriever.pages == ("corpus/bills", "corpus/returns")


def test_differences_are_told_in_words(tmp_path: Path) -> None:
    explain = plugins.load("kinds", "retrieval").explain
    old = parse(write(tmp_path / "a")).document
    pages = {"corpus/returns.md": "# Returns\n\nNever.\n", "corpus/new.md": "# New\n"}
    settings = SETTINGS.replace("160", "80").replace("top_k: 4", "top_k: 6") + "fusion: {vectors: 0}\n"
    new = parse(write(tmp_path / "b", settings, pages)).document
    assert explain(old, new) == [
        "1 page added: corpus/new",
        "1 page removed: corpus/bills",
        "1 page changed: corpus/returns",
        "chunker.max_tokens: 160 → 80",
        "fusion.vectors: default → 0.0",
        "passages per question (top_k): 4 → 6",
    ]
    assert explain(old, old) == []
    other = {**old, "embedder": {"type": "onnx", "behaviour": 1}, "store": {"type": "embedded", "behaviour": 2}}
    assert explain(old, other) == [
        "embedder: hashed → onnx",
        "store embedded works differently in this version of Headgate",
    ]
