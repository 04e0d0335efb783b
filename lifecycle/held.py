"""Work that one process does at a time: it runs while its key is in the process's share, and not otherwise.

What is cut short when the key goes has committed whole steps only, and whoever has the key next begins from the graph.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from lifecycle.share import Share


async def while_held(work: Callable[[], Awaitable[None]], *, key: str, share: Share) -> None:
    """Runs `work` whenever the share holds the key, until it is cancelled. Raises what the work raises."""
    while True:
        await share.until(lambda: share.holds(key))
        running = asyncio.ensure_future(work())
        lost = asyncio.ensure_future(share.until(lambda: not share.holds(key)))
        try:
            await asyncio.wait((running, lost), return_when=asyncio.FIRST_COMPLETED)
        finally:
            lost.cancel()
            ended = running.done()
            running.cancel()
            await asyncio.wait((running, lost))
        if ended:
            running.result()


class WhileHeld:
    """A worker of the lifecycle that is run by one process at a time, under a name of its own."""

    def __init__(self, work: Callable[[], Awaitable[None]], *, name: str, share: Share) -> None:
        self._work = work
        self.name = name
        self._share = share

    async def run(self) -> None:
        """Works while the name is in this process's share."""
        await while_held(self._work, key=self.name, share=self._share)
