"""The lock file: one text for one content, mistakes named by line, replaced in one step."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.artifacts import FILE, DatasetEntry, Lock, ModelEntry
from headgate.kernel import InvalidInput, normalise, parse_yaml, validate

DIGEST = "sha256:" + "1" * 64
DATASET = DatasetEntry(digest=DIGEST, source="data/a.csv", content=DIGEST, expectations=DIGEST, rows=3)
MODEL = ModelEntry(
    digest=DIGEST, data="data/a", dataset=DIGEST, code=DIGEST, seed=0, params={"C": 20, "penalty": "l2", "note": "no"},
    environment={"python": "3.11"}, metrics={"accuracy": 0.9, "tiny": 1e-07},
)  # fmt: skip


def test_a_project_without_one_has_an_empty_lock(tmp_path: Path) -> None:
    assert Lock.read(tmp_path) == Lock()
    assert Lock().dataset("data/a") is None
    assert Lock().model("models/a") is None


def test_the_text_is_canonical_whatever_the_order(tmp_path: Path) -> None:
    one = Lock().with_entry("datasets", "data/b", DATASET).with_entry("datasets", "data/a", DATASET)
    other = Lock().with_entry("datasets", "data/a", DATASET).with_entry("datasets", "data/b", DATASET)
    assert one.text() == other.text()
    assert one.text().startswith("headgate: 1\n")
    assert one.with_entry("models", "models/a", MODEL).text() == other.with_entry("models", "models/a", MODEL).text()


def test_what_is_written_is_read_again_also_with_crlf(tmp_path: Path) -> None:
    lock = Lock().with_entry("datasets", "data/a", DATASET).with_entry("models", "models/a", MODEL)
    lock.write(tmp_path)
    assert Lock.read(tmp_path) == lock
    (tmp_path / FILE).write_bytes(lock.text().replace("\n", "\r\n").encode())
    assert Lock.read(tmp_path) == lock
    Lock.read(tmp_path).write(tmp_path)
    assert (tmp_path / FILE).read_bytes() == lock.text().encode()
    assert [file.name for file in tmp_path.iterdir()] == [FILE]


_SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12).map(normalise)
_VALUES = st.recursive(
    _SCALARS | _TEXTS | st.sampled_from(["no", "1e5", "0o17", "~", "a: b", "#", "-", "y", "null", "1_0", "2026-01-01"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(_TEXTS, _VALUES, max_size=4))
def test_any_parameters_survive(params: dict[str, object]) -> None:
    lock = Lock().with_entry("models", "models/a", MODEL.model_copy(update={"params": params}))
    assert validate(Lock, parse_yaml(normalise(lock.text()), FILE)) == lock


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("    rows: 3\n", "    rows: 3\n    rows: 3\n", 9, "written twice"),
        ("    rows: 3\n", "    rows: 3\n    rwos: 3\n", 9, "did you mean 'rows'?"),
        ("    rows: 3\n", "    rows: many\n", 8, "a whole number"),
        ("datasets:", "dataset:", 3, "did you mean 'datasets'?"),
        ("headgate: 1", "headgate: 2", 1, "1"),
        (f"    digest: {DIGEST}\n", "    digest: sha256:1\n", 6, "pattern"),
        (f"    digest: {DIGEST}\n", "", 4, "'digest' is missing"),
        ("    rows: 3\n", "<<<<<<< ours\n    rows: 3\n=======\n    rows: 4\n>>>>>>> theirs\n", 8, "unfinished merge"),
    ],
)
def test_a_mistake_names_its_line(tmp_path: Path, old: str, new: str, line: int, says: str) -> None:
    text = Lock().with_entry("datasets", "data/a", DATASET).text()
    assert old in text
    (tmp_path / FILE).write_text(text.replace(old, new, 1))
    with pytest.raises(InvalidInput) as caught:
        Lock.read(tmp_path)
    assert caught.value.where is not None
    assert (caught.value.where.file, caught.value.where.line) == (FILE, line)
    assert says in str(caught.value)


def test_numbers_that_no_file_can_hold_are_refused_and_the_file_stays(tmp_path: Path) -> None:
    Lock().write(tmp_path)
    broken = MODEL.model_copy(update={"params": {"C": float("inf")}})
    with pytest.raises(InvalidInput, match="finite"):
        Lock().with_entry("models", "models/a", broken).write(tmp_path)
    assert Lock.read(tmp_path) == Lock()
    assert [file.name for file in tmp_path.iterdir()] == [FILE]


def test_updates_at_once_lose_nothing(tmp_path: Path) -> None:
    threads = [
        threading.Thread(target=Lock.update, args=(tmp_path, "datasets", f"data/{number}", DATASET))
        for number in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(Lock.read(tmp_path).datasets) == 12
