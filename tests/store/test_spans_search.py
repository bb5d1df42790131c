"""Words and attributes are found at once and for good, before and after rows are indexed; what is asked is data."""

from __future__ import annotations

import random
import time
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text
from tests.store.test_spans_received import CHAT, ROOT, TRACE

from headgate.kernel import RequestRecord, new_trace_id
from headgate.store import SpanQuery, Spans
from headgate.store.spans import words, writer


@pytest.fixture
def spans(spans_url: str) -> Iterator[Spans]:
    """A writer, once on each database."""
    opened = Spans(spans_url, writer=True)
    yield opened
    opened.close()


@pytest.fixture
def sqlite_spans(tmp_path: Any) -> Iterator[Spans]:
    opened = Spans(f"sqlite:///{tmp_path}/spans/spans.db", writer=True)
    yield opened
    opened.close()


def request(number: int, said: str = "", **changes: Any) -> RequestRecord:
    plain: dict[str, Any] = {
        "trace_id": new_trace_id(), "project": "acme", "at": 1000.0 + number, "app": "support", "environment": "prod",
        "release": "", "source": "live", "route": "default", "label": "", "model": "m", "status": "answered",
        "reason": "", "payload": {"messages": [{"role": "user", "content": said}]},
    }  # fmt: skip
    return RequestRecord(**{**plain, **changes})


def store(spans: Spans, *records: RequestRecord) -> None:
    for record in records:
        spans.record(record)
    spans.flush()


def found(spans: Spans, asked: str, **more: Any) -> list[int]:
    return [int(record.at - 1000) for record in spans.find(SpanQuery("acme", text=asked, **more))]


def waiting(spans: Spans) -> int:
    """Return how many rows wait to be indexed; none in PostgreSQL, which indexes as it stores."""
    assert spans._writer is not None
    with spans._guard, spans._reads.connect() as connection:
        if connection.dialect.name != "sqlite":
            return 0
        return int(connection.execute(text("SELECT count(*) FROM unindexed")).scalar() or 0)


def indexed(spans: Spans) -> None:
    end = time.monotonic() + 20
    while waiting(spans):
        assert time.monotonic() < end
        time.sleep(0.01)


SAID = [
    "Where is my parcel, please?",
    "My parcel arrived. Where are the two words",
    "Roaming in ÉIRE: was kostet das Gerät?",
    "我的路由器坏了",
    "two other words: semi-automatic, v2.5",
    'he said "two words" OR NOT, 100% \\_ * NEAR(parcel)',
]
ASKED: dict[str, list[int]] = {
    "parcel": [5, 1, 0],
    "PARCEL where": [1, 0],
    '"two words"': [5, 1],
    "two words": [5, 4, 1],
    '"words two"': [],
    "eire": [2],
    "Éire gerät": [2],
    "gerat": [2],
    "路由器": [3],
    "坏": [3],
    "semi automatic": [4],
    "semi-automatic": [4],
    "v2.5": [4],
    "parc": [],
    "OR": [5],
    "NOT parcel": [5],
    "NEAR(parcel)": [5],
    "parcel*": [5, 1, 0],
    '"parcel': [5, 1, 0],
    '"': [],
    "100%": [5],
    "_%_": [],
    "' OR 1=1 --": [],
    "document : parcel": [],
    "parcel AND": [],
}


@pytest.mark.parametrize("when", ["at once", "indexed"])
def test_words_are_found(spans: Spans, when: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if when == "at once":
        monkeypatch.setattr(spans._writer._groups if spans._writer else None, "catch_up", lambda most: True)
    store(spans, *(request(number, said) for number, said in enumerate(SAID)))
    if when == "indexed":
        indexed(spans)
    assert {asked: found(spans, asked) for asked in ASKED} == ASKED


def test_what_was_stored_is_found_within_two_seconds_by_another_process(spans: Spans, spans_url: str) -> None:
    reader = Spans(spans_url, writer=False)
    for number in range(5):
        spans.record(request(number, "zebra"))
        end = time.monotonic() + 2
        while len(found(reader, "zebra")) <= number:
            assert time.monotonic() < end
            time.sleep(0.005)
    reader.close()


def test_at_every_moment_of_indexing_all_is_found_once(sqlite_spans: Spans, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "IDLE_SLICE", 7)
    store(sqlite_spans, *(request(number, "zebra") for number in range(300)))
    looks = 0
    end = time.monotonic() + 20
    while waiting(sqlite_spans):
        looks += 1
        assert time.monotonic() < end
        assert found(sqlite_spans, "zebra", limit=999) == list(range(299, -1, -1))
    assert looks > 1
    assert found(sqlite_spans, "zebra", limit=999) == list(range(299, -1, -1))


def test_a_trace_that_grows_is_found_by_what_it_says_now(spans: Spans) -> None:
    """Its old words leave the index with its old row: nothing of them stays there."""
    spans.ingest([replace(CHAT, payload={"answer": "walrus"})])
    assert [record.trace_id for record in spans.find(SpanQuery("acme", text="walrus"))] == [TRACE]
    indexed(spans)
    spans.ingest([ROOT])
    for _ in range(2):
        assert spans.find(SpanQuery("acme", text="walrus")) == []
        assert [record.trace_id for record in spans.find(SpanQuery("acme", text="parcel", source="otlp"))] == [TRACE]
        assert spans.find(SpanQuery("acme", route="answer a question"))[0].trace_id == TRACE
        indexed(spans)
    if spans.url.startswith("sqlite"):
        with spans._reads.connect() as connection:
            left = connection.execute(text("SELECT count(*) FROM words WHERE words MATCH 'walrus'")).scalar()
        assert left == 0


def test_every_filter_gives_what_a_look_at_each_row_gives(spans: Spans) -> None:
    """The same questions before anything is indexed, while a part is, and after."""
    chance = random.Random(1)
    rows = [
        request(
            number, chance.choice(["cat", "dog", "cat dog"]), status=chance.choice(["answered", "blocked"]),
            app=chance.choice("ab"), source=chance.choice(["live", "replay"]), model=chance.choice(["m", "n"]),
            attributes={"tier": chance.choice(["gold", "x=y", ""]), "n": chance.randint(1, 2)},
        )
        for number in range(120)
    ]  # fmt: skip
    store(spans, *rows[:60])
    indexed(spans)
    store(spans, *rows[60:])
    for _ in range(60):
        asked: dict[str, Any] = {
            name: chance.choice([values, None])
            for name, values in (("app", "a"), ("status", "blocked"), ("source", "live"), ("text", "dog"))
        }
        asked["attributes"] = {
            name: value for name, value in (("tier", "x=y"), ("n", "2"), ("model", "n")) if chance.random() < 0.3
        }
        asked |= {"since": 1000.0 + chance.randint(0, 50), "until": 1000.0 + chance.randint(60, 130)}
        expected = [int(row.at - 1000) for row in reversed(rows) if _fits(row, asked)]
        assert [int(row.at - 1000) for row in spans.find(SpanQuery("acme", limit=999, **asked))] == expected


def _fits(row: RequestRecord, asked: dict[str, Any]) -> bool:
    plain = all(asked[name] in (None, getattr(row, name)) for name in ("app", "status", "source"))
    said = row.payload["messages"][0]["content"].split()
    values = {**{name: str(value) for name, value in row.attributes.items()}, "model": row.model}
    return (
        plain
        and (asked["text"] is None or asked["text"] in said)
        and all(values.get(name) == value for name, value in asked["attributes"].items())
        and asked["since"] <= row.at < asked["until"]
    )


@pytest.mark.parametrize("asked", [{}, {"text": "cat"}, {"status": "answered"}])
def test_pages_follow_each_other_without_gap_or_repetition(spans: Spans, asked: dict[str, Any]) -> None:
    """Also where several requests begin at the same moment."""
    store(spans, *(request(number // 4, "a cat") for number in range(40)))
    seen: list[str] = []
    before = None
    while page := spans.find(SpanQuery("acme", limit=7, before=before, **asked)):
        seen += [record.trace_id for record in page]
        before = (page[-1].at, page[-1].trace_id)
    assert len(seen) == len(set(seen)) == 40
    gone = spans.find(SpanQuery("acme", before=(1005.0, "f" * 32), **asked))
    assert {record.at for record in gone} == {1000.0, 1001.0, 1002.0, 1003.0, 1004.0}


def test_many_requests_of_one_moment_are_all_kept(spans: Spans) -> None:
    store(spans, *(request(0) for _ in range(3000)))
    assert len(spans.find(SpanQuery("acme", limit=9999))) == 3000
    assert spans.dropped == 0


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", ""),
        ("?!", ""),
        ("Hello, World", " hello world "),
        ("snake_case x-y", " snake case x y "),
        ("ﬁancée Straße", " fiancee strasse "),
        ("İstanbul", " istanbul "),
        ("東京タワー abc", " 東 京 タ ワ ー abc "),
        ("한국어", " 한 국 어 "),
        ("Ａ１", " a1 "),
    ],
)
def test_texts_are_folded_to_words(given: str, expected: str) -> None:
    assert words.fold(given) == expected


@pytest.mark.parametrize("given", ["한국어 각", "Größe Ångström", "কো কৌ", "கொ", "ﾀﾜｰ ガ", "ffi ﬃ ㄱㅏ"])
def test_composed_and_decomposed_are_the_same_words(given: str) -> None:
    forms = {words.fold(unicodedata.normalize(form, given)) for form in ("NFC", "NFD")}
    assert len(forms) == 1
    assert {words.fold(unicodedata.normalize(form, f"{given} ᄀ")) for form in ("NFC", "NFD")} == {f"{forms.pop()}ᄀ "}


def test_folding_twice_changes_nothing() -> None:
    chance = random.Random(5)
    for _ in range(500):
        given = "".join(
            chr(chance.choice([chance.randint(32, 1500), chance.randint(0x3000, 0xAFFF)])) for _ in range(30)
        )
        assert words.fold(words.fold(given)) == words.fold(given)


def test_attributes_are_counted_over_all_that_matches_before_and_after_it_is_indexed(spans: Spans) -> None:
    told = {"observed": True, "observed.input.injection": "block"}
    both = {**told, "observed.output.pii (2)": "mask"}
    records = [request(number, attributes=told if number % 2 else both) for number in range(10)]
    store(spans, *records, request(20, attributes={"finish_reason": "stop"}), request(21, app="desk", attributes=told))
    expected = {("observed.input.injection", "block"): 10, ("observed.output.pii (2)", "mask"): 5}
    for _ in range(2):
        query = SpanQuery("acme", app="support", attributes={"observed": "true"}, limit=1000)
        assert spans.counted(query, "observed.") == expected
        assert spans.counted(replace(query, until=1004.0), "observed.input") == {
            ("observed.input.injection", "block"): 4
        }
        assert spans.counted(replace(query, project="other"), "observed.") == {}
        indexed(spans)
