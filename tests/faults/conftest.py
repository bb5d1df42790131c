"""Faults are planted in the small project that serving is tested on."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

_spec = importlib.util.spec_from_file_location("fault_world", Path(__file__).parents[1] / "serve" / "conftest.py")
assert _spec is not None
assert _spec.loader is not None
_module = sys.modules["fault_world"] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)

world, first = _module.world, _module.first
