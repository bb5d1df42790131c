"""The pages as one ASGI application: routes, security headers, errors as pages. Mounted by the server beside the API.

Every page is made by a function of `pages/` from the results of operations; whoever may not run an operation sees
neither its page nor its button work. Nothing here knows a table, and nothing decides.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from headgate.kernel import HeadgateError, NotFound
from headgate.platform import Caller, Identity, Performer, Sessions

from .pages import ROUTES, Page
from .rendering import Renderer
from .visit import COOKIE, SAID, Visit

if TYPE_CHECKING:
    from headgate.platform import Embedded

log = logging.getLogger("headgate.ui")

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
"""The content security policy of every page: own files only, no inline script, no inline style, no frames."""
_HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
_STATIC = Path(__file__).parent / "static"
_DAY_S = 86_400


class Pages:
    """The pages of one server. `names` are the first segments of the paths that it answers."""

    def __init__(self, performer: Performer, sessions: Sessions, project: str) -> None:
        self.performer, self.sessions = performer, sessions
        self.renderer = Renderer(project)
        routes: list[Route | Mount] = [
            Route(path, self._route(page), methods=[method], name=f"{method} {path}") for method, path, page in ROUTES
        ]
        routes.append(Mount("/static", StaticFiles(directory=_STATIC), name="static"))
        self.names = frozenset({"static", *(path.split("/")[1] for _, path, _ in ROUTES)})
        self._app = Starlette(routes=routes, exception_handlers={404: self._nowhere, 405: self._nowhere})

    def owns(self, path: str, accept: str) -> bool:
        """Whether a path is a page's or a file of theirs; of what is nobody's, whether a person asks for it."""
        ours = path.split("/", 2)[1] in self.names and not path.startswith("//")
        return ours or accept.startswith("text/html")

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def sealed(message: Any) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message["headers"])
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                kept = f"public, max-age={_DAY_S}" if scope["path"].startswith("/static/") else "no-store"
                headers.setdefault("cache-control", kept)
                message["headers"] = headers.raw
            await send(message)

        await self._app(scope, receive, sealed)

    def _route(self, page: Page) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            return await self._answer(page, request)

        return answer

    async def _answer(self, page: Page, request: Request) -> Response:
        caller: Caller = request.scope["headgate.caller"]
        visit = Visit(request, self.performer, self.sessions, self.renderer)
        try:
            if page.open:
                return await page.make(visit)
            cookie = request.cookies.get(COOKIE, "")
            visit.session = await run_in_threadpool(self.sessions.read, cookie, caller)
            if request.method == "POST":
                await visit.check_form()
            return _once_said(request, await page.make(visit))
        except HeadgateError as problem:
            return self._problem(visit, problem)
        except Exception:  # the boundary of a request
            log.exception("page failed", extra={"facts": {"path": request.url.path[:200]}})
            return self._problem(visit, HeadgateError("this page could not be made", "the server's log says why"))

    async def _nowhere(self, request: Request, _: Exception) -> Response:
        visit = Visit(request, self.performer, self.sessions, self.renderer)
        return self._problem(visit, NotFound("There is no page at this address", "the pages begin at the overview"))

    def _problem(self, visit: Visit, problem: HeadgateError) -> Response:
        if problem.status == 401:
            return RedirectResponse(f"/sign-in?next={visit.here}", 303)
        return visit.page("problem.html", status=problem.status, problem=problem)


def _once_said(request: Request, response: Response) -> Response:
    """Forget what was said once a page has shown it."""
    if SAID in request.cookies and request.method == "GET":
        response.delete_cookie(SAID, path="/")
    return response


def build_pages(embedded: Embedded, identity: Identity) -> Pages:
    """Build the pages of a server's project."""
    sessions = Sessions(identity, embedded.store.secret, embedded.clock)
    return Pages(embedded.performer, sessions, embedded.name)
