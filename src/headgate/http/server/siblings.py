"""The meters of all workers of one address, shown by whichever of them is asked. Called by `working`.

A scrape reaches any worker, so each must tell of all: it asks the others over sockets in a folder that only this user
can enter, and puts a label `worker` on every figure. Who does not answer within a second counts as down.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

_PATIENCE_S = 1.0


class Siblings:
    """The workers of one address, as one of them sees the others. `own` renders this one's meters."""

    def __init__(self, folder: Path, number: int, count: int, own: Callable[[], bytes]) -> None:
        self._folder, self._number, self._count, self._own = folder, number, count, own
        self._server: asyncio.Task[asyncio.AbstractServer] | None = None

    def start(self) -> None:
        """Tell the others from now on; call on the loop that serves."""
        path = self._path(self._number)
        path.unlink(missing_ok=True)
        self._server = asyncio.create_task(asyncio.start_unix_server(self._tell, path))

    async def render(self) -> bytes:
        """Return the meters of all workers, in Prometheus' text format."""
        others = [number for number in range(self._count) if number != self._number]
        told = await asyncio.gather(*(self._ask(number) for number in others))
        texts = {self._number: self._own()} | dict(zip(others, told, strict=True))
        return await asyncio.to_thread(merged, texts)

    async def _tell(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(self._own())
            await writer.drain()
        except OSError:  # the other one has left
            pass
        finally:
            writer.close()

    async def _ask(self, number: int) -> bytes:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                reader, writer = await asyncio.open_unix_connection(self._path(number))
                try:
                    return await reader.read()
                finally:
                    writer.close()
        except OSError:  # TimeoutError too
            return b""

    def _path(self, number: int) -> Path:
        return self._folder / f"{number}.sock"


def merged(texts: Mapping[int, bytes]) -> bytes:
    """Put the meters of several workers together, each figure with its worker's number; an empty text is one down."""
    registry = CollectorRegistry()
    registry.register(_All(texts))
    return generate_latest(registry)


class _All(Collector):
    def __init__(self, texts: Mapping[int, bytes]) -> None:
        self._texts = texts

    def collect(self) -> Iterable[Metric]:
        families: dict[str, Metric] = {}
        up = GaugeMetricFamily("headgate_worker_up", "1 for a worker that answers", labels=["worker"])
        for number, text in sorted(self._texts.items()):
            up.add_metric([str(number)], bool(text))
            for found in text_string_to_metric_families(text.decode()):
                family = families.setdefault(found.name, Metric(found.name, found.documentation, found.type))
                for sample in found.samples:
                    labels = {**sample.labels, "worker": str(number)}
                    family.add_sample(sample.name, labels, sample.value, sample.timestamp, sample.exemplar)
        return [up, *families.values()]
