"""The heavy public names of `headgate.platform`, found when first asked for (PEP 562); `__init__.pyi` types them.

`headgate --help` and every command's start import this package for the table alone, and must not pay for a database.
"""

from __future__ import annotations

import importlib
from typing import Any

_MODULES = {
    "connection": ("LiveServer", "Remote", "connect", "live_server", "run_operation"),
    "doctor": ("Finding", "examine"),
    "gateway": (
        "Asked",
        "Checked",
        "Edge",
        "Embedding",
        "Gateway",
        "Inference",
        "Prediction",
        "Served",
        "StreamEncoder",
        "Turn",
        "build_gateway",
    ),
    "identity": ("Caller", "Identity", "Known", "unauthenticated"),
    "jobs": ("Clerk", "JobShow", "JobShown", "Worker", "show_job"),
    "perform": ("Performer",),
    "problems": ("error_of", "problem_of"),
    "roles": ("ROLES", "authorise", "permits"),
    "sessions": ("Session", "Sessions"),
    "telemetry": ("Exporter", "Sent", "Telemetry"),
    "target": ("Target", "is_list", "read_request", "resolve"),
    "wiring": ("Embedded", "open_project"),
    "workspace": ("FOLDER", "SERVER_FILE", "Connection", "Desk", "find_root"),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"headgate.platform has no {name!r}")
    return getattr(importlib.import_module(f"headgate.platform.{_HOME[name]}"), name)
