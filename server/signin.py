"""Signing in and out with a browser: by name and password, or by a one-time link.

What guards it, and why each is there:
- A new session has a new id and the one before is ended, so an id that was planted is worth nothing.
- Forms carry a token that only a page of this server can know, and the browser's word on the origin is checked as well:
  another site can neither sign somebody in as somebody else nor out.
- After signing in, the browser goes to a path of this server and nowhere else.
- A link works once, however it is raced, and is not used up by a browser that loads ahead of its user. It is the only
  secret in an address: a server's access log must leave out what follows the question mark.
Programs sign in at /auth/session (server/signin_tokens.py); who is calling is found out in server/authentication.py.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Literal

from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from access.audit import Audit
from access.links import LINK_PATH, redeem_link
from access.password_check import PasswordCheck, SignInProblem, TooManyTries
from access.passwords import Passwords
from access.sessions import Sessions
from access.throttle import Throttle
from access.viewer import Viewer, now_ms
from graph.kinds import User
from graph.ledger import Ledger
from graph.refusal import Unavailable
from graph.store import StoreUnavailable
from resolvers.problems import StoreAway
from server.authentication import Authenticator
from server.signin_page import link_page, login_page
from server.signin_requests import HEADERS, BadBody, address_of, csrf_of, form_of, is_own_path, plain
from server.signin_tokens import TokenSignIn

CSRF_HEADER = "x-edgeatlas-csrf"
STALE = "This page was open too long. Please try again."
_RANDOM = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_Handler = Callable[[Request], Awaitable[Response]]


class SignIn:
    """Everything under /auth, and the questions that the rest of the server asks of it."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        sessions: Sessions,
        passwords: Passwords,
        audit: Audit,
        throttle: Throttle | None = None,
        public_url: str = "",
        allowed_origins: frozenset[str] = frozenset(),
        clock_ms: Callable[[], int] = now_ms,
        home: str = "/",
    ) -> None:
        self._ledger = ledger
        self._sessions = sessions
        self._clock_ms = clock_ms
        self._home = home
        self._who = Authenticator(
            ledger, sessions, public_url=public_url, allowed_origins=allowed_origins, clock_ms=clock_ms
        )
        self.passwords = PasswordCheck(ledger, passwords=passwords, audit=audit, throttle=throttle or Throttle())
        """Compares and changes passwords, for mutations too."""
        self._tokens = TokenSignIn(ledger, authenticator=self._who, check=self.passwords, clock_ms=clock_ms)

    def routes(self) -> list[BaseRoute]:
        """/auth/login, /auth/link, /auth/logout and /auth/session."""
        return [
            Route("/auth/login", _guarded(self._login_form), methods=["GET"]),
            Route("/auth/login", _guarded(self._login), methods=["POST"]),
            Route(LINK_PATH, _guarded(self._follow_link), methods=["GET"]),
            Route(LINK_PATH, _guarded(self._follow_link_anyway), methods=["POST"]),
            Route("/auth/logout", _guarded(self._logout), methods=["POST"]),
            *self._tokens.routes(),
        ]

    async def authenticate(self, connection: HTTPConnection) -> Viewer | None:
        """The caller of a request or WebSocket upgrade, or None (`Authenticator.authenticate`)."""
        return await self._who.authenticate(connection)

    async def authenticate_token(self, token: str) -> Viewer | None:
        """The caller by a token's text, as in `connection_init`, or None."""
        return await self._who.authenticate_token(token)

    def revoked(self, viewer: Viewer) -> bool:
        """Whether a connection that a viewer opened must close (`Authenticator.revoked`)."""
        return self._who.revoked(viewer)

    def same_origin(self, connection: HTTPConnection) -> bool:
        """Whether the page that asks is of this origin, or of one that is allowed."""
        return self._who.same_origin(connection)

    # Pages

    async def _login_form(self, request: Request) -> Response:
        if request.method == "HEAD":
            return self._page(request, "", secret=None)
        viewer = await self._present(request)
        return self._login_page(request, next_path=self._next(request.query_params.get("next")), viewer=viewer)

    async def _login(self, request: Request) -> Response:
        form = await form_of(request)
        next_path = self._next(form.get("next"))
        if not self._form_is_ours(request, form):
            return self._login_page(request, next_path=next_path, message=STALE, status=403)
        name = form.get("name", "").strip()
        try:
            user = await self.passwords.user_of(name, form.get("password", ""), address=address_of(request))
        except SignInProblem as problem:
            return self._login_page(request, next_path=next_path, name=name, message=problem.message, status=401)
        except TooManyTries as problem:
            message = f"There were too many failed tries. Try again in {problem.wait_s:.0f} seconds."
            reply = self._login_page(request, next_path=next_path, name=name, message=message, status=429)
            reply.headers["Retry-After"] = f"{problem.wait_s:.0f}"
            return reply
        return await self._signed_in(request, user, next_path, action="signIn")

    async def _follow_link(self, request: Request) -> Response:
        if request.method == "HEAD":
            return self._page(request, "", secret=None)
        purposes = request.headers.get("sec-purpose", "") + request.headers.get("purpose", "")
        if "prefetch" in purposes.lower() or "prerender" in purposes.lower():
            # A browser that loads ahead of its user would use the link up.
            return Response(status_code=403, headers=HEADERS)
        next_path = self._next(request.query_params.get("next"))
        token = request.query_params.get("token", "")[:64]
        viewer = await self._present(request)
        if viewer is not None:
            csrf, secret = self._csrf(request)
            page = link_page(csrf=csrf, next_path=next_path, token=token, signed_in_as=viewer.name)
            return self._page(request, page, secret=secret)
        return await self._by_link(request, token, next_path)

    async def _follow_link_anyway(self, request: Request) -> Response:
        form = await form_of(request)
        next_path = self._next(form.get("next"))
        if not self._form_is_ours(request, form):
            return self._login_page(request, next_path=next_path, message=STALE, status=403)
        return await self._by_link(request, form.get("token", "")[:64], next_path)

    async def _by_link(self, request: Request, token: str, next_path: str) -> Response:
        user = await redeem_link(self._ledger.store, self._ledger.view, token, now=self._clock_ms())
        if user is None:
            self.passwords.noted("FAILED", None, address_of(request), code=SignInProblem.code, action="signInByLink")
            message = (
                "This sign-in link was used already, or its time is over. An administrator makes another with edgeatlas "
                "user link NAME. Whoever runs this server does too: by a restart as long as no administrator has a "
                "password, else with that command where the data is, for which a server on the embedded store is stopped."
            )
            return self._login_page(request, next_path=next_path, message=message, status=401)
        return await self._signed_in(request, user, next_path, action="signInByLink")

    async def _logout(self, request: Request) -> Response:
        by_script = bool(request.headers.get(CSRF_HEADER))
        if not self._who.same_origin(request):
            return plain("This request comes from another site.", 403)
        if not by_script and not self._form_is_ours(request, await form_of(request)):
            return plain("Sign out from a page of this server.", 403)
        secret = self._who.session_cookie(request)
        if secret is not None:
            await self._sessions.end(secret)
        reply: Response = Response(status_code=204) if by_script else RedirectResponse("/auth/login", status_code=303)
        reply.headers.update(HEADERS)
        self._set_cookie(request, reply, "session", "", max_age=0, same_site="lax")
        return reply

    async def _signed_in(self, request: Request, user: User, next_path: str, *, action: str) -> Response:
        before = self._who.session_cookie(request)
        if before is not None:
            await self._sessions.end(before)
        secret, session = await self._sessions.begin(user)
        self.passwords.noted("SUCCEEDED", user.id, address_of(request), action=action)
        reply = RedirectResponse(next_path, status_code=303, headers={**HEADERS, "Referrer-Policy": "no-referrer"})
        lasts_s = (session.expires_at - session.created_at) // 1000
        self._set_cookie(request, reply, "session", secret, max_age=lasts_s, same_site="lax")
        return reply

    async def _present(self, request: Request) -> Viewer | None:
        return None if self._who.session_cookie(request) is None else await self._who.authenticate(request)

    def _login_page(
        self,
        request: Request,
        *,
        next_path: str,
        name: str = "",
        message: str | None = None,
        status: int = 200,
        viewer: Viewer | None = None,
    ) -> Response:
        csrf, secret = self._csrf(request)
        page = login_page(
            csrf=csrf,
            next_path=next_path,
            name=name[:253],
            message=message,
            signed_in_as=viewer.name if viewer is not None else None,
        )
        return self._page(request, page, secret=secret, status=status)

    def _page(self, request: Request, page: str, *, secret: str | None, status: int = 200) -> Response:
        reply = Response(page, status_code=status, media_type="text/html", headers=HEADERS)
        if secret is not None:
            self._set_cookie(request, reply, "form", secret, max_age=86_400, same_site="strict")
        return reply

    def _csrf(self, request: Request) -> tuple[str, str]:
        """The form's token and the cookie that it is made from: a page of another origin can read neither."""
        secret = request.cookies.get(self._who.cookie_name(request, "form"), "")
        if not _RANDOM.fullmatch(secret):
            secret = secrets.token_urlsafe(32)
        return csrf_of(secret), secret

    def _form_is_ours(self, request: Request, form: Mapping[str, str]) -> bool:
        secret = request.cookies.get(self._who.cookie_name(request, "form"), "")
        return (
            self._who.same_origin(request)
            and _RANDOM.fullmatch(secret) is not None
            and hmac.compare_digest(csrf_of(secret), form.get("csrf", "").encode("ascii", "replace").decode())
        )

    def _set_cookie(
        self,
        request: Request,
        reply: Response,
        purpose: str,
        value: str,
        *,
        max_age: int,
        same_site: Literal["lax", "strict"],
    ) -> None:
        reply.set_cookie(
            self._who.cookie_name(request, purpose),
            value,
            max_age=max_age,
            path="/",
            secure=self._who.is_secure(request),
            httponly=True,
            samesite=same_site,
        )

    def _next(self, asked: str | None) -> str:
        return asked if asked is not None and is_own_path(asked) else self._home


def _guarded(handler: _Handler) -> _Handler:
    """Answers the refusals that a page's handler may raise; anything else is a bug and is raised."""

    async def guarded(request: Request) -> Response:
        try:
            return await handler(request)
        except BadBody as bad:
            return plain(str(bad), bad.status)
        except (Unavailable, StoreUnavailable, StoreAway):
            reply = plain("The server cannot sign you in or out right now. Please try again in a while.", 503)
            reply.headers["Retry-After"] = "5"
            return reply

    return guarded
