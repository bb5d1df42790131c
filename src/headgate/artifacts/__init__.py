"""Floor 2: the registry of artifact versions, and the lock file. Documents are stored, verified, never understood."""

from .lock import FILE, DatasetEntry, Lock, ModelEntry
from .reading import ArtifactList, ArtifactQuery, ArtifactRow, ArtifactShow, ArtifactShown, Stored, get, listing, show
from .registry import Missing, MissingResult, Register, Version, missing, put, register
from .upload import upload

__all__ = [
    "FILE", "ArtifactList", "ArtifactQuery", "ArtifactRow", "ArtifactShow", "ArtifactShown", "DatasetEntry", "Lock",
    "Missing", "MissingResult", "ModelEntry", "Register", "Stored", "Version", "get", "listing", "missing", "put",
    "register", "show", "upload",
]  # fmt: skip
