"""What a server asks before it answers: who calls, which release is meant, what surrounds it. Called by the edges."""

from .environments import Environments, Pin
from .gateway import Gateway, Turn, build_gateway

__all__ = ["Environments", "Gateway", "Pin", "Turn", "build_gateway"]
