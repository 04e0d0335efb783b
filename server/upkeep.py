"""What grows is cut back by the settings: the log, filed records, deployments' pasts, idempotency keys, what has expired.

Runs at a slow beat in every process. Removing what is old may be done twice without harm, so processes need not agree on who
does it; each begins at another moment, that they seldom meet.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable

import structlog

from access.changes import drop_expired_tokens
from access.viewer import SYSTEM
from graph.ledger import Ledger, system_clock_ms
from graph.refusal import Refusal
from graph.request import Request
from graph.store import StoreProblem
from lifecycle.document_sets import COLLECTION as DOCUMENT_BATCHES
from lifecycle.past import DeploymentPasts
from server.settings import Settings

_REQUEST = Request(author=SYSTEM.id, action="dropExpiredTokens", audited=False)
EVERY_S = 600.0
DAY_MS = 86_400_000

log = structlog.get_logger(__name__)


class Upkeep:
    """Cuts the store back to what the settings keep."""

    def __init__(
        self,
        ledger: Ledger,
        settings: Settings,
        *,
        clock_ms: Callable[[], int] = system_clock_ms,
        every_s: float = EVERY_S,
    ) -> None:
        self._ledger = ledger
        self._settings = settings
        self._clock_ms = clock_ms
        self._every_s = every_s
        self._pasts = DeploymentPasts(
            ledger,
            revisions=settings.revisions_per_deployment,
            gone_for_ms=int(settings.operation_retention_days * DAY_MS),
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keeps on in the background until the context ends."""
        task = asyncio.create_task(self.run(), name="upkeep")
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def run(self) -> None:
        """Goes on until it is cancelled; a store that is away is tried again at the next beat."""
        while True:
            await asyncio.sleep(self._every_s * random.uniform(0.5, 1.0))  # noqa: S311 - only spreads the work
            try:
                await self.once()
            except (StoreProblem, Refusal) as problem:
                log.warning("upkeep.waits", reason=str(problem))
            except Exception:
                log.exception("upkeep.failed")

    async def once(self) -> int:
        """One round; says how many commits and records were removed. Raises StoreProblem."""
        settings, store, now = self._settings, self._ledger.store, self._clock_ms()
        removed = await store.compact(
            keep_commits=settings.log_retention_commits, keep_after=now - int(settings.log_retention_days * DAY_MS)
        )
        kept_days = {
            "Event": settings.event_retention_days,
            "Operation": settings.operation_retention_days,
            DOCUMENT_BATCHES: settings.operation_retention_days,
            "audit": settings.audit_retention_days,
            "idempotency": settings.idempotency_retention_days,
        }
        for collection, days in kept_days.items():
            removed += await store.prune(collection, before=now - int(days * DAY_MS))
        removed += await store.prune("ephemeral", before=now)
        removed += await self._pasts.cut(now=now)
        removed += (await self._ledger.commit(drop_expired_tokens, _REQUEST)).value
        if removed:
            log.info("upkeep.done", removed=removed)
        return removed
