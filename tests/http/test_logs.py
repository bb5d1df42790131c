"""The log's thread: every line is written, in order, soon; nobody waits for it."""

from __future__ import annotations

import io
import json
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from headgate.http.logs import JsonHandler, LogWriter


class Slow(io.StringIO):
    """A terminal that somebody has stopped."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()

    def write(self, text: str) -> int:
        assert self.go.wait(10)
        return super().write(text)


def said(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_lines_are_gathered_and_written_in_order(wait_for: Callable[..., Any]) -> None:
    stream = io.StringIO()
    writer = LogWriter("info", stream, {"worker": 3})
    for round_ in range(3):
        for number in range(200):
            writer.put({"at": 0.5, "number": number + 200 * round_})
        assert wait_for(lambda upto=200 * (round_ + 1): len(said(stream)) == upto)
    writer.close()
    assert [line["number"] for line in said(stream)] == list(range(600))
    assert said(stream)[0] == {"at": "1970-01-01T00:00:00.500Z", "number": 0, "worker": 3}


def test_what_waits_is_written_at_the_end() -> None:
    stream = io.StringIO()
    writer = LogWriter("info", stream)
    writer.put({"at": 0.0, "last": True})
    writer.close()
    assert said(stream)[0]["last"] is True


def test_what_is_no_requests_line_does_not_wait(monkeypatch: pytest.MonkeyPatch, wait_for: Callable[..., Any]) -> None:
    monkeypatch.setattr("headgate.http.logs._GATHER_S", 60.0)
    stream = io.StringIO()
    writer = LogWriter("info", stream)
    for number in range(2):
        writer.put({"at": 0.0, "request": number})
        time.sleep(0.05)
        JsonHandler(writer).emit(logging.makeLogRecord({"name": "headgate.http", "msg": "it broke", "levelname": "E"}))
        assert wait_for(lambda upto=2 * number + 2: len(said(stream)) == upto)
    writer.close()


def test_a_stopped_terminal_stops_nobody() -> None:
    stream = Slow()
    writer = LogWriter("info", stream)
    for number in range(10_500):
        writer.put({"at": 0.0, "number": number})
    assert 400 <= writer.dropped <= 500
    stream.go.set()
    writer.close()
    assert len(said(stream)) == 10_500 - writer.dropped


def test_a_line_that_cannot_be_rendered_costs_no_other() -> None:
    stream = io.StringIO()
    writer = LogWriter("info", stream)
    for value in (1, object(), 2):
        writer.put({"at": 0.0, "value": value})
    writer.close()
    assert [line["value"] for line in said(stream)] == [1, 2]
    assert writer.dropped == 1
