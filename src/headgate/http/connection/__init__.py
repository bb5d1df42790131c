"""One client's connection: requests in, answers out, within limits; and what becomes of clients that leave."""

from .leaving import WhileConnected
from .protocol import GuardedProtocol

__all__ = ["GuardedProtocol", "WhileConnected"]
