"""One-time sign-in links: how the first administrator gets in, and whoever lost a password.

A link holds 256 random bits whose hash is kept in the store until the link is used or its time is over. Using it takes the
value out in one step, so of two who follow the same link one gets in.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from urllib.parse import urlencode

import msgspec

from graph.kinds import User
from graph.store import Store
from graph.view import Reader, get_as

LINK_LASTS_MS = 3_600_000
LINK_PATH = "/auth/link"
_SHAPE = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    user_id: str
    credential_version: int


async def issue_link(
    store: Store, user: User, *, base_url: str, now: int, lasts_ms: int = LINK_LASTS_MS, next_path: str | None = None
) -> str:
    """A link that signs a user in once, until `now + lasts_ms` (UTC milliseconds) or until its password changes.

    `base_url` is where browsers reach the server, without a slash at its end. Raises StoreUnavailable.
    """
    secret = secrets.token_urlsafe(32)
    kept = _Kept(user_id=user.id, credential_version=user.credential_version)
    await store.put_ephemeral(_key(secret), msgspec.json.encode(kept), expires_at=now + lasts_ms)
    query = {"token": secret} | ({"next": next_path} if next_path is not None else {})
    return f"{base_url.rstrip('/')}{LINK_PATH}?{urlencode(query)}"


async def redeem_link(store: Store, reader: Reader, secret: str, *, now: int) -> User | None:
    """The user whom a link's token signs in, once; None when it was used, is over or never was. Raises StoreUnavailable."""
    if not _SHAPE.fullmatch(secret):
        return None
    body = await store.take_ephemeral(_key(secret), now=now)
    if body is None:
        return None
    kept = msgspec.json.decode(body, type=_Kept)
    user = get_as(reader, User, kept.user_id)
    if user is None or user.disabled or user.credential_version != kept.credential_version:
        return None
    return user


def _key(secret: str) -> str:
    return f"link:{hashlib.sha256(secret.encode()).hexdigest()}"
