"""Who is calling: a bearer token or a browser's session becomes a viewer, or nobody.

A token comes in the Authorization header or in a WebSocket's `connection_init`, never in an address, which is logged and
remembered in many places. A browser's cookie counts on a WebSocket only when the page that opened it is of this origin,
for a browser sends the cookie whichever page asks. There is no anonymous caller.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from access.sessions import Sessions
from access.tokens import find_token, token_hash
from access.viewer import Viewer, now_ms, renewed, viewer_of
from access.visibility import PERSONAL
from graph.change import Commit
from graph.ledger import Ledger
from graph.store import StoreUnavailable
from resolvers.problems import StoreAway

MAX_TOKEN_CHARS = 256
MOST_KEPT = 20_000
"""Viewers, and tokens, that are remembered between two changes of people."""


class Remembered:
    """What was found out about callers and holds until people, tokens or roles change: a follower of the view.

    Who a token is and whether a connection must close is asked for each request and for each event of each subscriber, and
    the answer takes 10 us from the bindings; nearly always it is the one that was given before.
    """

    def __init__(self) -> None:
        self.viewers: dict[str, Viewer] = {}
        """By the hash of their token."""
        self.current: set[Any] = set()
        """Viewers whose rights are those that they had."""

    def applied(self, commit: Commit) -> None:
        """A commit was applied; one of people, tokens or roles makes everything be asked anew."""
        for change in commit.changes:
            if change.kind in PERSONAL:
                self.reloaded()
                return

    def reloaded(self) -> None:
        """Nothing holds any more."""
        self.viewers.clear()
        self.current.clear()

    def keep_viewer(self, token: str, viewer: Viewer) -> None:
        """Remembers whose token it is, by its hash."""
        if len(self.viewers) < MOST_KEPT:
            self.viewers[token] = viewer

    def keep_current(self, viewer: Viewer) -> None:
        """Remembers that a viewer's rights are those that it had."""
        if len(self.current) < MOST_KEPT:
            self.current.add(_standing(viewer))


def _standing(viewer: Viewer) -> Any:
    """All of a viewer on which its rights depend, but for the time."""
    return viewer.id, viewer.token_id, viewer.credential_version, viewer.permission_key


class Authenticator:
    """Finds out who is calling, from the graph and the sessions."""

    def __init__(
        self,
        ledger: Ledger,
        sessions: Sessions,
        *,
        public_url: str = "",
        allowed_origins: frozenset[str] = frozenset(),
        clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        self._ledger = ledger
        self._sessions = sessions
        self._public = urlsplit(public_url)
        self._allowed = allowed_origins
        self._clock_ms = clock_ms
        self._remembered = Remembered()
        ledger.view.follow(self._remembered)

    async def authenticate(self, connection: HTTPConnection) -> Viewer | None:
        """The caller of a request or of a WebSocket's upgrade; None when nobody is signed in.

        A bearer token that is no good is not made up for by a cookie. Raises resolvers.problems.StoreAway when a session
        cannot be looked up.
        """
        authorization = connection.headers.get("authorization")
        if authorization is not None:
            scheme, _, token = authorization.partition(" ")
            return await self.authenticate_token(token.strip()) if scheme.lower() == "bearer" else None
        secret = self.session_cookie(connection)
        if secret is None:
            return None
        if connection.scope["type"] == "websocket" and not self.same_origin(connection):
            return None
        return await self._by_session(secret)

    async def authenticate_token(self, token: str) -> Viewer | None:
        """The caller by a token's text, as in `connection_init`; None when it is unknown, revoked or over."""
        if len(token) > MAX_TOKEN_CHARS:
            return None
        digest, now = token_hash(token), self._clock_ms()
        known = self._remembered.viewers.get(digest)
        if known is not None:
            return None if known.expires_at is not None and known.expires_at <= now else known
        view = self._ledger.view
        found = find_token(view, token)
        if found is None:
            return None
        viewer = viewer_of(view, found.owner_id, token=found, at_ms=now)
        if viewer is not None:
            self._remembered.keep_viewer(digest, viewer)
        return viewer

    def revoked(self, viewer: Viewer) -> bool:
        """Whether a connection that was opened by a viewer must close: signed out, expired, disabled, its token or
        password changed, or its rights not the same any more."""
        if viewer.session_id is not None and self._sessions.has_ended(viewer.session_id):
            return True
        now = self._clock_ms()
        if _standing(viewer) in self._remembered.current:
            return viewer.expires_at is not None and viewer.expires_at <= now
        found = renewed(viewer, self._ledger.view, at_ms=now)
        if found is None or found.permission_key != viewer.permission_key:
            return True
        self._remembered.keep_current(viewer)
        return False

    async def _by_session(self, secret: str) -> Viewer | None:
        try:
            session = await self._sessions.find(secret)
        except StoreUnavailable:
            raise StoreAway("the store does not answer, so your session cannot be looked up") from None
        if session is None:
            return None
        viewer = viewer_of(
            self._ledger.view,
            session.user_id,
            via_cookie=True,
            session_id=session.id,
            expires_at=session.expires_at,
            at_ms=self._clock_ms(),
        )
        if viewer is None or viewer.credential_version != session.credential_version:
            return None
        return viewer

    # What a browser sends

    def is_secure(self, connection: HTTPConnection) -> bool:
        """Whether the browser reaches the server by TLS, here or at a proxy before it."""
        return connection.scope.get("scheme", "http") in ("https", "wss") or self._public.scheme == "https"

    def cookie_name(self, connection: HTTPConnection, purpose: str = "session") -> str:
        """A cookie's name. By TLS the browser itself holds it to this host (RFC 6265bis, `__Host-`); without, the port
        is part of it, for two servers on one machine share their cookies."""
        if self.is_secure(connection):
            return f"__Host-edgeatlas-{purpose}"
        server = connection.scope.get("server") or ("", 0)
        return f"edgeatlas-{purpose}-{server[1] or 0}"

    def session_cookie(self, connection: HTTPConnection) -> str | None:
        """The session id that the browser sent, if any."""
        if "cookie" not in connection.headers:
            return None
        return connection.cookies.get(self.cookie_name(connection))

    def same_origin(self, connection: HTTPConnection) -> bool:
        """Whether the page that asks is of this server's origin or of one that the settings allow.

        By Sec-Fetch-Site and Origin (Fetch standard), which pages cannot set; who sends neither is no browser's page, or
        a browser so old that its cookies are guarded by SameSite and by the tokens of forms alone.
        """
        origin = connection.headers.get("origin")
        if origin is not None:
            return origin in self._allowed or self._own_origin(origin, connection)
        return connection.headers.get("sec-fetch-site", "none") in ("same-origin", "none")

    def _own_origin(self, origin: str, connection: HTTPConnection) -> bool:
        if self._public.netloc and origin.lower() == f"{self._public.scheme}://{self._public.netloc}".lower():
            return True
        try:
            asked = urlsplit(origin)
        except ValueError:
            return False
        if asked.path or asked.query or asked.fragment or asked.scheme not in ("http", "https"):
            return False
        if connection.scope.get("scheme", "http") in ("https", "wss") and asked.scheme != "https":
            return False
        return asked.netloc.lower() == connection.headers.get("host", "").lower() != ""
