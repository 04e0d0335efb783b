"""Which store the setting `store` means: the embedded SQLite file, or a Neo4j server.

The URL may carry a password, so what is parsed here shows itself without it: a target may be logged, the URL may not.
"""

from __future__ import annotations

import urllib.parse
from pathlib import Path
from typing import Literal

import msgspec

_NEO4J_SCHEMES = ("bolt", "bolt+s", "bolt+ssc", "neo4j", "neo4j+s", "neo4j+ssc")
FORMS = "sqlite:///path/to/file, bolt://user@host:port or neo4j://user@host:port"


class StoreTarget(msgspec.Struct, frozen=True, kw_only=True):
    """A parsed store URL. `path` is set for SQLite alone; `url` (without user and password), `user` for Neo4j alone."""

    kind: Literal["sqlite", "neo4j"]
    path: Path | None = None
    url: str = ""
    user: str = ""
    password: str = ""

    def __repr__(self) -> str:
        """Without the password."""
        return f"StoreTarget({self})"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        """Without the password, for rich."""
        return [("store", str(self))]

    def __str__(self) -> str:
        """How logs and messages name the store: never with a password."""
        return f"sqlite:///{self.path}" if self.kind == "sqlite" else self.url


def parse_store(url: str, *, embedded: Path, password: str = "") -> StoreTarget:
    """The store that `url` names; "" is SQLite in the file `embedded`. `password` stands in for one missing in the URL.

    Raises ValueError, whose text never shows the URL's password, when the URL names no store.
    """
    if not url:
        return StoreTarget(kind="sqlite", path=embedded)
    scheme, _, rest = url.partition("://")
    if scheme == "sqlite" and rest.startswith("/") and len(rest) > 1:
        return StoreTarget(
            kind="sqlite", path=Path(urllib.parse.unquote(rest[1:] if rest[1] in "/~" else rest)).expanduser()
        )
    if scheme not in _NEO4J_SCHEMES:
        raise ValueError(f"is none of {FORMS}")
    parsed = urllib.parse.urlsplit(url)
    try:
        port = parsed.port
    except ValueError as error:
        raise ValueError(f"has a port that is no number from 0 to 65535: use {FORMS}") from error
    if not parsed.hostname:
        raise ValueError(f"names no host: use {FORMS}")
    if parsed.path.strip("/") or parsed.query or parsed.fragment:
        raise ValueError(f"has something after the host and port, which has no meaning here: use {FORMS}")
    host = f"[{parsed.hostname}]" if ":" in parsed.hostname else parsed.hostname
    return StoreTarget(
        kind="neo4j",
        url=f"{scheme}://{host}:{port or 7687}",
        user=urllib.parse.unquote(parsed.username or "neo4j"),
        password=urllib.parse.unquote(parsed.password) if parsed.password else password,
    )
