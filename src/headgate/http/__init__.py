"""Floor 10: the HTTP edge: wires of the gateway, operations as REST, probes. It parses, calls, renders."""

from .app import App
from .server import serve

__all__ = ["App", "serve"]
