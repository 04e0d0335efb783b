"""Browser sessions: a random id in a cookie, and what is known of it in the store, never in the log.

Only the id's hash is kept, so that whoever reads the store can use no session. A session ends after a time without use,
after a time however much it is used, when it is signed out of, and when its user's password changes
(`User.credential_version`, compared by whoever asks). Two values are kept for each: one that is written once and one that is
moved on with use; a session that was ended while another process moves it on therefore stays ended.

Answers are remembered for 15 s, so that a request costs no read of the store: within that time a session that was ended
in another process still opens here.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections import OrderedDict
from collections.abc import Callable

import msgspec

from access.viewer import now_ms
from graph.kinds import User
from graph.store import Store, StoreUnavailable

HOUR_MS = 3_600_000
LASTS_MS = 12 * HOUR_MS
IDLE_MS = 8 * HOUR_MS
RECHECKED_MS = 15_000
MOVED_ON_MS = 300_000
"""A session's use is written down at most so often."""
REMEMBERED = 10_000
_SHAPE = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a session."""

    id: str
    """The hash of the cookie's value, under which it is kept."""
    user_id: str
    credential_version: int
    """The user's when the session began."""
    created_at: int
    expires_at: int
    """UTC milliseconds: its end, however much it is used."""


class _Remembered(msgspec.Struct):
    session: Session
    checked_at: int
    used_at: int


class Sessions:
    """The sessions of one installation, as one process knows them."""

    def __init__(
        self,
        store: Store,
        *,
        clock_ms: Callable[[], int] = now_ms,
        lasts_ms: int = LASTS_MS,
        idle_ms: int = IDLE_MS,
        remembered: int = REMEMBERED,
    ) -> None:
        self._store = store
        self._clock_ms = clock_ms
        self._lasts_ms = lasts_ms
        self._idle_ms = min(idle_ms, lasts_ms)
        self._most = remembered
        self._remembered: OrderedDict[str, _Remembered] = OrderedDict()
        self._ended: OrderedDict[str, None] = OrderedDict()
        """Ended here: a look-up that was under way meanwhile must not remember them."""

    async def begin(self, user: User) -> tuple[str, Session]:
        """A new session of a user: the id for the cookie, always a new one, and what is kept of it."""
        now = self._clock_ms()
        secret = secrets.token_urlsafe(32)
        key = _key(secret)
        session = Session(
            id=key,
            user_id=user.id,
            credential_version=user.credential_version,
            created_at=now,
            expires_at=now + self._lasts_ms,
        )
        await self._store.put_ephemeral(f"session:{key}", msgspec.json.encode(session), expires_at=session.expires_at)
        await self._move_on(key, session, now)
        self._remember(key, _Remembered(session, now, now))
        return secret, session

    async def find(self, secret: str) -> Session | None:
        """The session of a cookie's id; None when there is none or it has ended.

        While the store is away a remembered session goes on. Raises StoreUnavailable for any other then.
        """
        if not _SHAPE.fullmatch(secret):
            return None
        key, now = _key(secret), self._clock_ms()
        known = self._remembered.get(key)
        if known is not None and now - known.checked_at < RECHECKED_MS and now < known.session.expires_at:
            self._remembered.move_to_end(key)
            return known.session
        try:
            return await self._ask(key, known, now)
        except StoreUnavailable:
            if known is None or now >= known.session.expires_at or now - known.used_at >= self._idle_ms:
                raise
            return known.session

    async def end(self, secret: str) -> None:
        """Ends a session; one that does not exist is no error. Raises StoreUnavailable when the store is away."""
        if not _SHAPE.fullmatch(secret):
            return
        key = _key(secret)
        self._remembered.pop(key, None)
        self._ended[key] = None
        while len(self._ended) > self._most:
            self._ended.popitem(last=False)
        await self._store.drop_ephemeral(prefix=f"session:{key}")
        await self._store.drop_ephemeral(prefix=f"session-used:{key}")

    def has_ended(self, session_id: str) -> bool:
        """Whether a session was ended in this process: what is open by it, such as a WebSocket, is to be closed."""
        return session_id in self._ended

    async def _ask(self, key: str, known: _Remembered | None, now: int) -> Session | None:
        body = await self._store.ephemeral(f"session:{key}", now=now)
        used = await self._store.ephemeral(f"session-used:{key}", now=now)
        if body is None or used is None or key in self._ended:
            self._remembered.pop(key, None)
            return None
        session = msgspec.json.decode(body, type=Session)
        used_at = max(msgspec.json.decode(used, type=int), known.used_at if known is not None else 0)
        if now >= session.expires_at:
            return None
        if now - used_at >= MOVED_ON_MS:
            await self._move_on(key, session, now)
            used_at = now
        self._remember(key, _Remembered(session, now, used_at))
        return session

    async def _move_on(self, key: str, session: Session, now: int) -> None:
        await self._store.put_ephemeral(
            f"session-used:{key}", b"%d" % now, expires_at=min(now + self._idle_ms, session.expires_at)
        )

    def _remember(self, key: str, one: _Remembered) -> None:
        if key in self._ended:
            return
        self._remembered[key] = one
        self._remembered.move_to_end(key)
        while len(self._remembered) > self._most:
            self._remembered.popitem(last=False)


def _key(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
