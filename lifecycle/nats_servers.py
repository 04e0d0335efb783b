"""Which NATS servers a setting names. Apart from the connection, for settings are read without the client's library."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

SCHEMES = ("nats", "tls")


def servers_of(urls: str, *, password: str = "") -> list[str]:
    """The servers that a setting names, separated by commas; `password` stands in where a URL has a user alone.

    Raises ValueError, whose text shows no password, when one is no URL of NATS.
    """
    found = []
    for url in urls.split(","):
        parsed = urlsplit(url.strip())
        try:
            port = parsed.port or 4222
        except ValueError:
            raise ValueError("has a port that is no number from 0 to 65535") from None
        if parsed.scheme not in SCHEMES or not parsed.hostname or parsed.path.strip("/") or parsed.query:
            raise ValueError("is none of nats://user@host:port or tls://user@host:port, or several with commas between")
        host = f"[{parsed.hostname}]" if ":" in parsed.hostname else parsed.hostname
        secret = parsed.password or password
        user = f"{parsed.username}:{secret}@" if parsed.username and secret else ""
        user = user or (f"{parsed.username}@" if parsed.username else "")
        found.append(urlunsplit((parsed.scheme, f"{user}{host}:{port}", "", "", "")))
    return found


def without_passwords(urls: str) -> str:
    """The servers as they may be logged."""
    try:
        found = [urlsplit(one) for one in servers_of(urls)] if urls else []
    except ValueError:
        return "***"
    return ",".join(f"{one.scheme}://{one.netloc.rpartition('@')[2]}" for one in found)
