"""The Prometheus servers that an operator declares, each for one tenant or for all.

Apart from what asks them, so that the settings can be read without an HTTP client.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

EVERYBODY = "*"


class WrongEndpoint(ValueError):
    """A declaration of a server that cannot be meant."""


@dataclass(frozen=True, slots=True)
class MetricsEndpoint:
    """A Prometheus server that an operator declared."""

    tenant: str
    """The name of the tenant that may ask it, or `*` for all."""
    name: str
    url: str

    @classmethod
    def parse(cls, text: str) -> MetricsEndpoint:
        """From `TENANT/NAME=URL`, with `*` for all tenants. Raises WrongEndpoint."""
        address, _, url = text.partition("=")
        tenant, _, name = address.partition("/")
        if not tenant or not name or "/" in name:
            raise WrongEndpoint("is not TENANT/NAME=URL")
        try:
            parts = urlsplit(url)
            right = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            right = False
        if not right or parts.username is not None or parts.password is not None or parts.query or parts.fragment:
            raise WrongEndpoint("has no http:// or https:// URL without credentials, query and fragment")
        return cls(tenant, name, url.rstrip("/"))
