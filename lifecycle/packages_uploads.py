"""Leave to upload: a URL that is signed, ends, and is used once.

Leave is asked for by a mutation, with the digest and size of what is to come; the bytes then go by plain HTTP, outside
GraphQL. The URL is all that the sender needs, so it is worth a password: it holds 256 random bits, of which the store keeps
a hash, and a signature, so that a made-up one is refused without asking the store. Taking the leave removes it in one step;
of two who send by the same URL one is heard. Whether the one who asked still may is asked again when the package is kept.
"""

from __future__ import annotations

import hashlib
import re
import secrets

import msgspec

from access.sealing import Sealer
from access.viewer import SYSTEM, Viewer
from graph.refusal import InvalidState
from graph.store import Store

LASTS_MS = 900_000
"""How long a leave can be used to begin an upload."""
_PURPOSE = "upload"
_TOKEN = re.compile(r"(?P<secret>[A-Za-z0-9_-]{43})\.(?P<expires>[0-9]{1,15})\.(?P<signature>[A-Za-z0-9_.-]{1,200})")


class UploadGone(InvalidState):
    """The URL of an upload was used, is over, or never was."""

    code = "UPLOAD_GONE"


class Leave(msgspec.Struct, frozen=True, kw_only=True):
    """What may be uploaded, and in whose name."""

    viewer_id: str
    viewer_name: str
    token_id: str | None
    credential_version: int
    ends_at: int | None
    """When the sign-in ends that it was asked with, UTC milliseconds."""
    tenant_id: str
    file_name: str
    digest: str
    size_bytes: int
    correlation_id: str

    @property
    def viewer(self) -> Viewer:
        """Who asked, without rights: those that he has at head are asked for there (`access.viewer.at_head`)."""
        if self.viewer_id == SYSTEM.id:
            return SYSTEM
        return Viewer(
            id=self.viewer_id,
            name=self.viewer_name,
            grants=frozenset(),
            token_id=self.token_id,
            expires_at=self.ends_at,
            credential_version=self.credential_version,
        )


async def give_leave(store: Store, sealer: Sealer, leave: Leave, *, now: int) -> tuple[str, int]:
    """The token of a leave and when it ends, UTC milliseconds. Raises StoreUnavailable."""
    secret, expires = secrets.token_urlsafe(32), now + LASTS_MS
    await store.put_ephemeral(_key(secret), msgspec.json.encode(leave), expires_at=expires)
    return f"{secret}.{expires}.{sealer.sign(_PURPOSE, _signed(secret, expires))}", expires


async def take_leave(store: Store, sealer: Sealer, token: str, *, now: int) -> Leave:
    """The leave of a token, once. Raises UploadGone or StoreUnavailable."""
    gone = UploadGone("this upload was begun already, or its time is over", remedy="ask for another: requestUpload")
    found = _TOKEN.fullmatch(token)
    if found is None or int(found["expires"]) <= now:
        raise gone
    if not sealer.has_signed(_PURPOSE, _signed(found["secret"], int(found["expires"])), found["signature"]):
        raise gone
    body = await store.take_ephemeral(_key(found["secret"]), now=now)
    if body is None:
        raise gone
    return msgspec.json.decode(body, type=Leave)


def _signed(secret: str, expires: int) -> bytes:
    return f"{secret}.{expires}".encode()


def _key(secret: str) -> str:
    return f"upload:{hashlib.sha256(secret.encode()).hexdigest()}"
