"""The release kind: a manifest of pins, itself an artifact. Called by the loader of kinds and by the registry."""

from __future__ import annotations

from pathlib import Path

from headgate.kernel import Draft, Kind
from headgate.release.build import Manifest, build


def parse(root: Path, path: str) -> Draft:
    """Build the release of the app that `path` (`releases/<app>`) names. Raises what `build` raises."""
    return build(root, path.rpartition("/")[2]).release


plugin = Kind(name="release", schema=1, model=Manifest, parse=parse)
