"""The kind `model`: a trained classical model. A release pins what the lock holds and never trains."""

from __future__ import annotations

from pathlib import Path

from headgate.kernel import Draft, InvalidInput, Kind, Where
from headgate.train.lineage import ModelDocument, explain, locked


def parse(root: Path, path: str) -> Draft:
    """Refuse: a model is made by training it, not by reading its file."""
    raise InvalidInput("a model is trained, not read", f"run `headgate train {path}`", where=Where(f"{path}.py"))


plugin = Kind("model", 1, ModelDocument, parse, explain, locked)
