"""Traces over OTLP: foreign ones taken in, our own handed on. Called by the HTTP edge and by the wiring."""

from headgate.observe import Sent

from .encoding import encode
from .exporter import Exporter, Tee, exporter_of, metrics_of
from .ingest import Telemetry

__all__ = ["Exporter", "Sent", "Tee", "Telemetry", "encode", "exporter_of", "metrics_of"]
