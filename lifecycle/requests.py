"""The requests that the lifecycle makes of the ledger on its own behalf: not audited, for nobody asked for them, and written
after what somebody waits for.

What a user asked for is audited with the mutation that began it; what follows is told by events and operations.
"""

from __future__ import annotations

from graph.request import Request
from lifecycle.events import AUTHOR


def own_request(action: str) -> Request:
    """A request of the lifecycle itself, such as `lifecycle.claim`."""
    return Request(author=AUTHOR, action=action, audited=False, background=True)
