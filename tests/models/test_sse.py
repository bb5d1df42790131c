"""Event streams, cut at every byte."""

from __future__ import annotations

import pytest

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
