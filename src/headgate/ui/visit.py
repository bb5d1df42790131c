"""One visit to a page: who looks, what the page may ask for, and the ways to answer. Handed to every page."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from headgate.kernel import Denied, HeadgateError, InvalidInput
from headgate.platform import Performer, Session, Sessions, permits

from .rendering import Renderer

COOKIE = "headgate_session"
SAID = "headgate_said"
_MOST_FORM = 64 * 1024
_MOST_SAID = 600


@dataclass(slots=True)
class Visit:
    """A page asks operations through `call`, in the visitor's name, and answers with `page` or `done`."""

    request: Request
    performer: Performer
    sessions: Sessions
    renderer: Renderer
    session: Session | None = None
    form: Mapping[str, str] | None = None

    @property
    def here(self) -> str:
        """This page's own path and query, safe to put into a link."""
        url = self.request.url
        return quote(url.path + (f"?{url.query}" if url.query else ""), safe="/")

    @property
    def known(self) -> Session:
        if self.session is None:
            raise Denied("nobody is signed in", "sign in with your key", code="unauthenticated")
        return self.session

    def query(self, name: str, default: str = "") -> str:
        return self.request.query_params.get(name, default).strip()

    def part(self, name: str) -> str:
        """Return a part of the path, as the route names it."""
        return str(self.request.path_params[name])

    def field(self, name: str, default: str = "") -> str:
        """Return a field of the form that was sent."""
        return (self.form or {}).get(name, default).strip()

    def may(self, permission: str) -> bool:
        """Whether the visitor's roles carry a permission: pages show no buttons that could only refuse."""
        return permits(self.known.known.principal.roles, permission)

    async def call(self, operation: str, **request: Any) -> dict[str, Any]:
        """Run an operation in the visitor's name, off the event loop. Raises what it raises."""
        principal = self.known.known.principal
        given = {name: value for name, value in request.items() if value not in (None, "")}
        return await run_in_threadpool(self.performer.perform, principal, operation, given)

    async def ask(self, operation: str, **request: Any) -> dict[str, Any] | None:
        """Like `call`, for a part of a page that can be left out: None when the visitor may not, or it is not there."""
        try:
            return await self.call(operation, **request)
        except HeadgateError:
            return None

    async def check_form(self) -> None:
        """Read the form and prove that one of our pages sent it. Raises Denied for one that another site made."""
        headers = self.request.headers
        origin = headers.get("origin")
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none") or (
            origin is not None and urlsplit(origin).netloc != headers.get("host")
        ):
            raise Denied("this form was sent from another site", "open the page here and send it again")
        self.form = await self._read_form()
        expected = self.known.csrf if self.session else ""
        if not hmac.compare_digest(self.form.get("csrf", "").encode(), expected.encode()):
            raise Denied("this form is too old or was not made for you", "reload the page and send it again")

    async def _read_form(self) -> dict[str, str]:
        parts, size = [], 0
        async for part in self.request.stream():
            parts.append(part)
            size += len(part)
            if size > _MOST_FORM:
                raise InvalidInput("the form is larger than 64 KiB", "shorten what you wrote")
        try:
            return dict(parse_qsl(b"".join(parts).decode(), keep_blank_values=True, max_num_fields=100))
        except ValueError:
            raise InvalidInput("the form cannot be read", "send it as a page's form does") from None

    async def open_form(self) -> None:
        """Read a form that needs no session: signing in."""
        self.form = await self._read_form()

    def page(self, template: str, status: int = 200, **values: Any) -> Response:
        """Answer with a page."""
        said = unquote(self.request.cookies.get(SAID, ""))[:_MOST_SAID]
        sort, _, words = said.partition("|")
        shown = {"visit": self, "path": self.request.url.path, "said": words, "said_sort": sort, **values}
        return HTMLResponse(self.renderer.render(template, shown), status)

    def done(self, path: str, words: str = "", sort: str = "good") -> Response:
        """Answer a form: go to a page of ours, which says once what happened. sort: good, warn or bad."""
        response = RedirectResponse(path, 303)
        if words:
            kept = quote(f"{sort}|{words}"[:_MOST_SAID])
            response.set_cookie(SAID, kept, max_age=60, httponly=True, samesite="strict", path="/")
        return response


def own_path(path: str) -> str:
    """Return a path on this server that a visitor asked to come back to; anything else is the first page.

    Browsers leave tabs and line ends out of an address, so that `/<tab>/elsewhere` would lead to another site.
    """
    safe = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if safe else "/"
