"""Whether others can reach an address to listen on: what decides if a server may do without TLS.

Asked of the settings when they are read, and of the address once more when a server is about to listen there. Both must
answer alike: an address that one of them takes for this machine's own would be served in the clear.
"""

from __future__ import annotations

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is this machine's own alone; names other than localhost may turn out to be any."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]").partition("%")[0]).is_loopback
    except ValueError:
        return False
