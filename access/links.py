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

from access.audit import COLLECTION, AuditBody
from access.rights import check_manages_person
from access.viewer import Viewer, at_head
from access.visible import VisibleView
from graph.change import Record
from graph.edit import Edit
from graph.identifiers import new_id
from graph.kinds import User
from graph.refusal import InvalidState, NotFound
from graph.store import Store
from graph.view import Reader, get_as

LINK_LASTS_MS = 3_600_000
LINK_PATH = "/auth/link"
_SHAPE = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    user_id: str
    credential_version: int


def allow_link(
    edit: Edit, viewer: Viewer, user_id: str, *, action: str, correlation_id: str = "", path: str = "input.userId"
) -> User:
    """The user for whom the viewer may have a link made, and the audit record of it.

    Who follows a link acts as that user, so it takes what setting another's password takes, for one's own link too: a token
    that may less than its owner is not to become a session that may all. Raises NotFound, Forbidden, or InvalidState for
    a disabled user.
    """
    viewer = at_head(viewer, edit, at_ms=edit.at)
    user = VisibleView(edit, viewer).get(user_id)
    if not isinstance(user, User):
        raise NotFound("User", user_id, path=path)
    check_manages_person(viewer, edit, user, path=path)
    if user.disabled:
        raise InvalidState(f"user {user.name!r} is disabled", remedy="enable it first", path=path)
    body = AuditBody(author=viewer.id, action=action, outcome="SUCCEEDED", correlation_id=correlation_id)
    edit.file(
        Record(
            collection=COLLECTION,
            id=new_id("audit", at_ms=edit.at),
            tenant_id=None,
            subject_id=user.id,
            at=edit.at,
            body=msgspec.Raw(msgspec.json.encode(body)),
        )
    )
    return user


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
