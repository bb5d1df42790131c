"""The one way out to model providers over HTTP: where a call may go, and how it is made, in `post` and `stream`."""

from .client import Transport
from .private import LOCAL, PrivateHosts, private_hosts
from .reply import MAX_BYTES, Limits, Reply
from .resolving import Route, look_up
from .urls import checked_url

__all__ = [
    "LOCAL", "MAX_BYTES", "Limits", "PrivateHosts", "Reply", "Route", "Transport", "checked_url", "look_up",
    "private_hosts",
]  # fmt: skip
