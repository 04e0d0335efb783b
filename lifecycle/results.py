"""Results on their way into the graph: gathered, and written however long the store is away.

A release whose result is not written yet counts as being worked on. So nothing is called twice because the store was slow,
and what waits here is bounded by twice the calls that may be under way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog

from drivers.clock import Clock
from drivers.port import Applied
from graph.ledger import Ledger
from graph.refusal import Unavailable
from lifecycle.portions import portions
from lifecycle.requests import own_request
from lifecycle.settings import LifecycleSettings
from lifecycle.work import Result, record

log = structlog.get_logger(__name__)
REQUEST = own_request("lifecycle.record")
STORE_PAUSE_S = 0.1
STORE_PAUSE_CAP_S = 2.0


class Results:
    """A queue of results and what writes it down."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        settings: LifecycleSettings,
        clock: Clock,
        on_written: Callable[[Sequence[Result], int], None],
    ) -> None:
        """`on_written` is told of results that were written, and how many of them came too late to count."""
        self._ledger = ledger
        self._settings = settings
        self._clock = clock
        self._on_written = on_written
        self._queue: asyncio.Queue[Result] = asyncio.Queue(settings.concurrency)

    async def put(self, result: Result) -> None:
        """Has a result written."""
        await self._queue.put(result)

    async def run(self) -> None:
        """Writes until it is cancelled."""
        while True:
            results = [await self._queue.get()]
            while len(results) < self._settings.results_per_commit and not self._queue.empty():
                results.append(self._queue.get_nowait())
            for some in portions(results, weight=_weight):
                self._on_written(some, await self._write_down(some))

    async def _write_down(self, results: Sequence[Result]) -> int:
        """Commits results, however long the store is away; says how many were too late."""
        pause = STORE_PAUSE_S
        while True:
            try:
                return await self._write(results)
            except Unavailable:
                await self._clock.sleep(pause)
                pause = min(pause * 2, STORE_PAUSE_CAP_S)
            except Exception:
                log.exception("lifecycle.results_lost", results=len(results))
                # They are found again by comparing; one that cannot be written must not stop all others.
                return sum([await self._write_alone(result) for result in results])

    async def _write_alone(self, result: Result) -> int:
        try:
            return await self._write([result])
        except Exception:
            log.exception("lifecycle.result_lost", release=result.claim.release.id)
            return 0

    async def _write(self, results: Sequence[Result]) -> int:
        committed = await self._ledger.commit(lambda edit: record(edit, results, settings=self._settings), REQUEST)
        return committed.value


def _weight(result: Result) -> int:
    """About how many changes it takes to write a result."""
    observed = result.outcome.observed if isinstance(result.outcome, Applied) else None
    return 3 + (2 * len(observed.instances) if observed is not None else 0)
