"""For users' own tests: a fake clock, a scripted model, stores in memory. Nothing of it runs in production."""

from .clock import FakeClock
from .model import ScriptedModel
from .stores import in_memory_store

__all__ = ["FakeClock", "ScriptedModel", "in_memory_store"]
