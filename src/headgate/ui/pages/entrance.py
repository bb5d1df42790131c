"""Signing in with a key, and out again."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from headgate.kernel import Denied
from headgate.ui.visit import COOKIE, Visit, own_path


async def ask(visit: Visit) -> Response:
    """Show the form."""
    return visit.page("sign_in.html", next=own_path(visit.query("next", "/")))


async def enter(visit: Visit) -> Response:
    """Open a session for the holder of the key that was sent."""
    await visit.open_form()
    back = own_path(visit.field("next", "/"))
    try:
        cookie = await run_in_threadpool(visit.sessions.open, visit.field("key"))
    except Denied as problem:
        return visit.page("sign_in.html", 401, next=back, problem=problem)
    response = RedirectResponse(back, 303)
    secure = visit.request.url.scheme == "https"
    response.set_cookie(COOKIE, cookie, httponly=True, samesite="lax", path="/", secure=secure)
    return response


async def leave(visit: Visit) -> Response:
    """Forget the session."""
    response = RedirectResponse("/sign-in", 303)
    response.delete_cookie(COOKIE, path="/")
    return response
