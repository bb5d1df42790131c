"""What a server asks before it answers: who calls, which release is meant, what surrounds it. Called by the edges."""

from headgate.models import Asked, Edge, Prediction, StreamEncoder
from headgate.serve import Checked, Embedding

from .environments import Environments, Pin
from .gateway import Gateway, Turn, build_gateway
from .inference import Inference, Served

__all__ = [
    "Asked", "Checked", "Edge", "Embedding", "Environments", "Gateway", "Inference", "Pin", "Prediction", "Served",
    "StreamEncoder", "Turn", "build_gateway",
]  # fmt: skip
