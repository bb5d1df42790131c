"""Event streams, cut at every byte."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.models.sse import EventParser, StreamBroken

STREAM = (
    "\ufeff: comment\r\ndata: one\r\n\r\nevent: x\ndata: {\"a\": \"ü🙂\"}\nid: 7\n\n"
    "data: two\ndata:lines\n\ndata\n\n\rdata: after\r\rdata: [DONE]\n\n"
).encode()  # fmt: skip
EVENTS = ["one", '{"a": "ü🙂"}', "two\nlines", "after", "[DONE]"]


def parse(pieces: list[bytes]) -> list[str]:
    parser = EventParser()
    found = [event for piece in pieces for event in parser.feed(piece)]
    return [*found, *parser.end()]


def test_a_stream_in_one_piece() -> None:
    assert parse([STREAM]) == EVENTS


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_a_stream_in_pieces_of_any_size(size: int) -> None:
    assert parse([STREAM[at : at + size] for at in range(0, len(STREAM), size)]) == EVENTS


def test_a_stream_cut_in_two_at_every_byte() -> None:
    for at in range(len(STREAM) + 1):
        assert parse([STREAM[:at], STREAM[at:]]) == EVENTS


def test_the_last_event_counts_without_its_empty_line() -> None:
    assert parse([b"data: one\n\ndata: two"]) == ["one", "two"]


def test_a_line_without_end_and_bad_text_are_refused() -> None:
    parser = EventParser(max_line=1000)
    with pytest.raises(StreamBroken, match="longer"):
        [parser.feed(b"x" * 100) for _ in range(20)]
    with pytest.raises(StreamBroken, match="longer"):
        EventParser(max_line=50).feed(b"data: 1234567890\n" * 10)
    with pytest.raises(StreamBroken, match="UTF-8"):
        EventParser().feed(b"data: \xff\xfe\n")


LINES = (b"data: one", b'data: {"a": "\xc3\xbc"}', b"data:", b"data: ", b"data", b"event: x", b": said", b"x" * 40, b"")
ENDS = (b"\n", b"\n", b"\n", b"\n\n", b"\n\n", b"\n\n", b"\n\n", b"\n\n\n", b"\r\n", b"\r")


@given(
    st.lists(st.tuples(st.sampled_from((*LINES, b"data: \xff")), st.sampled_from(ENDS)), max_size=12),
    st.lists(st.integers(0, 400), max_size=6),
    st.booleans(),
)
def test_events_that_are_taken_at_once_are_those_read_line_by_line(
    lines: list[tuple[bytes, bytes]], cuts: list[int], marked: bool
) -> None:
    raw = b"\xef\xbb\xbf" * marked + b"".join(line + end for line, end in lines)
    places = sorted({0, len(raw), *(at for at in cuts if at < len(raw))})
    pieces = [raw[start:end] for start, end in pairwise(places)]
    assert outcome(EventParser(max_line=60), pieces) == outcome(LineByLine(max_line=60), pieces)


class LineByLine(EventParser):
    """What it was before whole events were taken at once."""

    def _plain(self, chunk: bytes) -> tuple[list[str], bytes]:
        return [], chunk


def outcome(parser: EventParser, pieces: list[bytes]) -> tuple[list[str], str]:
    """Return the events, and what was wrong after them."""
    found = []
    try:
        for piece in pieces:
            found += parser.feed(piece)
        found += parser.end()
    except StreamBroken as problem:
        return found, str(problem)
    return found, ""
