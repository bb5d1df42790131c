"""Signing in with a key, for browsers: a signed cookie that names the key and ends. Called by `ui` only.

Nothing is stored: the cookie says which key opened it and until when, and a revoked key ends all its sessions at once.
The key itself is in no cookie. Every session carries a token that forms must send back (against cross-site requests).
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass

from headgate.kernel import Clock
from headgate.store import Secret

from .identity import Caller, Identity, Known

LIFE_S = 12 * 3600
"""How long a session lasts at most."""


@dataclass(frozen=True, slots=True)
class Session:
    """Who looks at a page, and the token that this visitor's forms must carry. `signed_in`: by a cookie."""

    known: Known
    csrf: str
    signed_in: bool


@dataclass(frozen=True, slots=True)
class Sessions:
    """Opens and reads sessions of one server; any process with the same secret reads them."""

    identity: Identity
    secret: Secret
    clock: Clock

    def open(self, token: str) -> str:
        """Return the cookie of a new session for the holder of a key. Raises Denied (401) for a key that is none."""
        known = self.identity.person(token)
        plain = f"{known.principal.key_id}.{int(self.clock.now()) + LIFE_S}.{secrets.token_hex(8)}"
        return f"{plain}.{self.secret.session(plain)}"

    def read(self, cookie: str, caller: Caller) -> Session:
        """Return who visits: the cookie's person, else whom the caller's address proves. Raises Denied (401)."""
        known = self._holder(cookie)
        if known is not None:
            return Session(known, self.secret.session(f"form.{cookie}"), True)
        found = self.identity.identify(Caller(near=caller.near))
        assert found is not None, "without a token identity answers or raises"
        return Session(found, self.secret.session("form.local"), False)

    def _holder(self, cookie: str) -> Known | None:
        plain, _, mac = cookie.rpartition(".")
        if not plain or not hmac.compare_digest(mac.encode(), self.secret.session(plain).encode()):
            return None
        key_id, _, rest = plain.partition(".")
        if int(rest.partition(".")[0]) < self.clock.now():
            return None
        return self.identity.holder(key_id)
