"""The kind `dataset`: rows that were checked against their expectations. A release pins what the lock holds."""

from __future__ import annotations

from pathlib import Path

from headgate.data.ingest import DatasetDocument, explain, locked, read_batch
from headgate.kernel import Draft, Kind


def parse(root: Path, path: str) -> Draft:
    """Read, check and draft a dataset. Raises InvalidInput with the first problems of a bad batch."""
    return read_batch(root, path).accepted().draft()


plugin = Kind("dataset", 1, DatasetDocument, parse, explain, locked)
