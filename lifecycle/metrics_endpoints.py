"""The Prometheus servers that an operator declares, each for one tenant or for all.

A tenant is meant by its id. Its name is its administrator's to change: one who took a name that another tenant had, or was
to get, would be let into that one's metrics, and at the latest by the next start.

Apart from what asks them, so that the settings can be read without an HTTP client.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

EVERYBODY = "*"
_TENANT = re.compile(r"tenant_[0-9A-HJKMNP-TV-Z]{26}")


class WrongEndpoint(ValueError):
    """A declaration of a server that cannot be meant."""


@dataclass(frozen=True, slots=True)
class MetricsEndpoint:
    """A Prometheus server that an operator declared."""

    tenant_id: str
    """The tenant that may ask it, or `*` for all."""
    name: str
    url: str

    @classmethod
    def parse(cls, text: str) -> MetricsEndpoint:
        """From `TENANT/NAME=URL`, with the tenant's id or `*` for all tenants. Raises WrongEndpoint."""
        address, _, url = text.partition("=")
        tenant_id, _, name = address.partition("/")
        if not tenant_id or not name or "/" in name:
            raise WrongEndpoint("is not TENANT/NAME=URL")
        if tenant_id != EVERYBODY and not _TENANT.fullmatch(tenant_id):
            raise WrongEndpoint("names a tenant by what is not its id: a name can be changed to another tenant's")
        try:
            parts = urlsplit(url)
            right = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            right = False
        if not right or parts.username is not None or parts.password is not None or parts.query or parts.fragment:
            raise WrongEndpoint("has no http:// or https:// URL without credentials, query and fragment")
        return cls(tenant_id, name, url.rstrip("/"))
