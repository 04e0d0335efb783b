"""Names on a backend: readable for people, unique by a hash, and the same whenever they are made.

A name is what makes a call repeatable: whoever applies a release a second time finds the first one under it. Helm release
names have at most 53 characters and Kubernetes labels and DNS labels at most 63 (RFC 1123), all of `a-z 0-9 -`.
"""

from __future__ import annotations

import base64
import hashlib
import re
import unicodedata

RELEASE_NAME_MAX = 53
INSTANCE_NAME_MAX = 63
HASH_LENGTH = 12
"""Base 32 characters: 60 bits, so that a million names meet with a chance of one in two million."""
_NOT_NAME = re.compile(r"[^a-z0-9]+")


def slug(text: str, *, limit: int) -> str:
    """`text` as a part of a DNS label: lower case, ASCII, words joined by `-`; may be empty for other scripts."""
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return _NOT_NAME.sub("-", ascii_text).strip("-")[:limit].strip("-")


def short_hash(*parts: str) -> str:
    """12 characters of `a-z 2-7` by the parts' SHA-256; the parts are kept apart: ("ab", "c") and ("a", "bc") differ."""
    digest = hashlib.sha256("\x00".join(f"{len(part)}:{part}" for part in parts).encode()).digest()
    return base64.b32encode(digest).decode().lower()[:HASH_LENGTH]


def release_name(*, deployment_name: str, component_name: str, identity: tuple[str, ...]) -> str:
    """The backend name of a release, at most 53 characters: `shop-frontend-4kq7…`.

    The names are there for people; the identity (ids that never change) is what makes it unique.
    """
    room = RELEASE_NAME_MAX - HASH_LENGTH - 2
    parts = [slug(deployment_name, limit=room // 2), slug(component_name, limit=room - room // 2)]
    readable = "-".join(part for part in parts if part)
    # A DNS label that is used as a service name begins with a letter (RFC 1035).
    if not readable or not readable[0].isalpha():
        readable = f"r-{readable}".strip("-")[: room + 1].strip("-")
    return f"{readable}-{short_hash(*identity)}"


def instance_name(release: str, *, generation: int, node: str, index: int) -> str:
    """The backend name of one replica, at most 63 characters."""
    return f"{release}-{short_hash(release, str(generation), node, str(index))[:8]}"
