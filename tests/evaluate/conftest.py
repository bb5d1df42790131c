"""Evaluation is tested on the same small project as releases are."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

_spec = importlib.util.spec_from_file_location("release_world", Path(__file__).parents[1] / "release" / "conftest.py")
assert _spec is not None
assert _spec.loader is not None
_module = sys.modules["release_world"] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)

world, empty_records = _module.world, _module.empty_records
