"""Our own requests handed on to an OTLP collector, from a thread of its own. Made by the gateway's wiring.

`record` is called on the request path: it appends to a bounded queue, or drops and counts. A collector that is slow,
broken or gone costs a request nothing and the process a bounded amount of memory.
"""

from __future__ import annotations

import gzip
import http.client
import logging
import random
import re
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from msgspec.structs import replace

from headgate.kernel import InvalidInput, Recorder, RequestRecord
from headgate.observe import spans_of
from headgate.platform.settings import TelemetrySettings

from .encoding import encode

log = logging.getLogger("headgate.otlp")
CAPACITY = 4096
"""Requests that wait at most."""
_CAPACITY_BYTES = 16 * 2**20
_BATCH = 256
_LINGER_S = 1.0
_TIMEOUT_S = 10.0
_PATIENCE_S = 60.0
_CLOSING_S = 5.0
_AGAIN = frozenset({408, 429, 502, 503, 504})
_PATH = "/v1/traces"
_OF_WORKER = re.compile(r'\{worker="\d+"\}')


@dataclass(frozen=True, slots=True)
class Tee:
    """Records into the store, and hands the same record to the exporter."""

    store: Recorder
    exporter: Exporter

    def record(self, record: RequestRecord) -> None:
        self.store.record(record)
        self.exporter.record(record)


class Exporter:
    """Sends requests to one collector. `sent` and `dropped` count requests since the process started."""

    def __init__(self, endpoint: str, headers: Mapping[str, str], *, content: bool = False) -> None:
        """endpoint: `http://host:4318`, or with a path. headers: never logged. Raises InvalidInput for no URL."""
        parts = urlsplit(endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidInput("HEADGATE_OTLP_ENDPOINT is no URL", "for example http://localhost:4318")
        self.host = parts.netloc.rpartition("@")[2]
        self._secure, path = parts.scheme == "https", parts.path.rstrip("/")
        self._path = path if path.endswith(_PATH) else path + _PATH
        self._headers = {"content-type": "application/x-protobuf", "content-encoding": "gzip", **headers}
        self._content = content
        self.sent = self.dropped = 0
        self._waiting: deque[tuple[RequestRecord, int]] = deque()
        self._bytes = 0
        self._lock = threading.Lock()
        self._wake, self._stop = threading.Event(), threading.Event()
        self._connection: http.client.HTTPConnection | None = None
        self._thread = threading.Thread(target=self._run, name="headgate-otlp-out", daemon=True)
        self._thread.start()

    def record(self, record: RequestRecord) -> None:
        """Take a request, or drop and count it when too many wait; never waits."""
        if not self._content:
            record = replace(record, payload={})
        size = _size(record)
        with self._lock:
            if len(self._waiting) >= CAPACITY or self._bytes + size > _CAPACITY_BYTES or self._stop.is_set():
                self.dropped += 1
                return
            self._waiting.append((record, size))
            self._bytes += size
            full = len(self._waiting) >= _BATCH
        if full and not self._wake.is_set():
            self._wake.set()

    def reach(self) -> bool:
        """Whether the collector takes an export of nothing, now. It blocks: for `headgate doctor` alone."""
        return 200 <= self._post(gzip.compress(encode(())))[0] < 300

    def close(self) -> None:
        """Send what waits, for a few seconds at most; what is left is dropped and counted."""
        self._stop.set()
        self._wake.set()
        self._thread.join(_CLOSING_S + 1)

    def _run(self) -> None:
        while True:
            self._wake.wait(_LINGER_S)
            self._wake.clear()
            ending = time.monotonic() + _CLOSING_S if self._stop.is_set() else 0.0
            while batch := self._batch():
                self._deliver(batch, ending)
            if self._stop.is_set():
                self._hang_up()
                return

    def _batch(self) -> list[RequestRecord]:
        with self._lock:
            taken = [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]
            self._bytes -= sum(size for _, size in taken)
        return [record for record, _ in taken]

    def _deliver(self, batch: list[RequestRecord], ending: float) -> None:
        """Send one batch; try again while that can help, for a minute at most, or until `ending`."""
        try:
            body = gzip.compress(encode(span for record in batch for span in spans_of(record, self._content)), 1)
        except Exception:  # a record that cannot be told must not end the thread: the boundary of a job
            log.exception("requests could not be encoded for the collector")
            self._count(0, len(batch))
            return
        until, wait = ending or time.monotonic() + _PATIENCE_S, 0.5
        while True:
            status, after = self._post(body)
            if 200 <= status < 300:
                self._count(len(batch), 0)
                return
            pause = after or wait * (0.75 + random.random() / 2)
            again = status == 0 or status in _AGAIN
            if not again or time.monotonic() + pause > until or (self._stop.wait(pause) and not ending):
                log.warning(
                    "the collector did not take traces", extra={"facts": {"status": status, "lost": len(batch)}}
                )
                self._count(0, len(batch))
                return
            wait = min(wait * 2, 15.0)

    def _post(self, body: bytes) -> tuple[int, float]:
        """Return the status, 0 when nobody answers, and how many seconds the collector asks to wait."""
        try:
            if self._connection is None:
                kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
                self._connection = kind(self.host, timeout=_TIMEOUT_S)
            self._connection.request("POST", self._path, body, self._headers)
            answer = self._connection.getresponse()
            answer.read(65_536)
            if answer.will_close or not answer.isclosed():
                self._hang_up()
            told = answer.headers.get("retry-after", "")
            return answer.status, min(float(told), _PATIENCE_S) if told.isdigit() else 0.0
        except (OSError, http.client.HTTPException):
            self._hang_up()
            return 0, 0.0

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _count(self, sent: int, dropped: int) -> None:
        with self._lock:
            self.sent += sent
            self.dropped += dropped


def exporter_of(settings: TelemetrySettings) -> Exporter | None:
    """Return the exporter that the settings ask for; None when they name no collector."""
    if not settings.endpoint:
        return None
    return Exporter(settings.endpoint, _headers(settings.headers), content=settings.content == "1")


def metrics_of(url: str) -> dict[str, float]:
    """Return the plain figures of a server's `/metrics` by name, its workers' added up; none when it does not tell."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=2.0)
    try:
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode("utf-8", "replace").splitlines()
    except (OSError, http.client.HTTPException):
        return {}
    finally:
        connection.close()
    found: dict[str, float] = {}
    for line in lines:
        name, _, value = _OF_WORKER.sub("", line).partition(" ")
        if name and name != "#" and "{" not in name:
            found[name] = found.get(name, 0.0) + float(value)
    return found


def _headers(told: str) -> dict[str, str]:
    """Read `name=value,name=value`, values percent-encoded, as OpenTelemetry's own setting is written."""
    headers = {}
    for pair in told.split(","):
        name, equals, value = pair.partition("=")
        if equals and name.strip():
            headers[name.strip().lower()] = unquote(value.strip())
        elif pair.strip():
            raise InvalidInput("HEADGATE_OTLP_HEADERS is not name=value,name=value", "percent-encode commas in values")
    return headers


def _size(record: RequestRecord) -> int:
    """Estimate how much a record holds in memory; its conversation is most of it."""
    size = 4_000
    for turn in record.payload.get("messages", ()):
        size += len(turn["content"])
    return size + sum(len(item["text"]) for item in record.payload.get("passages", ()))
