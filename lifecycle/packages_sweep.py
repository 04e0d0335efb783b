"""The sweep of packages: those that nothing has referred to for long go, and blobs that no package names.

The graph decides and the store of blobs follows. A package is removed by a commit, at head, and its blob after it; should
this process end in between, the blob is found later as one that no package names. Such a blob may as well be of an upload
that is not committed yet, so it is left alone for a day, while an upload that takes longer than an hour is refused.
"""

from __future__ import annotations

import itertools

import structlog

from drivers.clock import Clock
from drivers.packages.blobs import Blob, BlobsUnavailable
from graph.edit import Edit
from graph.ledger import Ledger
from graph.refusal import Refusal, Unavailable
from graph.store import StoreProblem
from lifecycle.packages import Packages
from lifecycle.packages_kept import collect, unused_changed
from lifecycle.plans_sweep import made_at_ms
from lifecycle.requests import own_request

log = structlog.get_logger(__name__)
EVERY_S = 600.0
ORPHANED_MS = 86_400_000
UNFINISHED_MS = 3_600_000
BLOBS_AT_ONCE = 1_000
"""Blobs whose packages are looked up in one commit."""


class PackageSweep:
    """Removes packages and blobs that are not needed. A worker of the lifecycle."""

    def __init__(self, ledger: Ledger, packages: Packages, *, keep_ms: int, clock: Clock) -> None:
        """`keep_ms` is how long a package stays that nothing refers to."""
        self._ledger = ledger
        self._packages = packages
        self._keep_ms = keep_ms
        self._clock = clock

    async def run(self) -> None:
        """Works until it is cancelled; a store that is away is tried again in the next round."""
        while True:
            try:
                await self.once()
            except (StoreProblem, Unavailable, BlobsUnavailable) as problem:
                log.info("packages.sweep_waits", reason=str(problem))
            except Refusal:
                log.exception("packages.sweep_refused")
            await self._clock.sleep(EVERY_S)

    async def once(self) -> int:
        """One round; says how many packages and blobs were removed. Raises StoreProblem, Unavailable or BlobsUnavailable."""
        now = self._ledger.now_ms()
        removed = 0
        while unused_changed(self._ledger.view, at=now, keep_ms=self._keep_ms):
            committed = await self._ledger.commit(
                lambda edit: (collect(edit, keep_ms=self._keep_ms), len(edit.changes)),
                own_request("lifecycle.collect"),
            )
            gone, changed = committed.value
            for blob in gone:
                await self._packages.forget(blob)
            removed += len(gone)
            if not changed:  # the graph's clock is behind this process's
                break
        removed += await self._orphans(now)
        await self._packages.blobs.clean(before_ms=self._clock.now_ms() - UNFINISHED_MS)
        return removed

    async def _orphans(self, now: int) -> int:
        removed = 0
        suspects = [
            one
            async for one in self._packages.blobs.all()
            if made_at_ms(one.package_id) < now - ORPHANED_MS and self._ledger.view.get(one.package_id) is None
        ]
        for start in itertools.count(0, BLOBS_AT_ONCE):
            some = suspects[start : start + BLOBS_AT_ONCE]
            if not some:
                return removed
            for blob in await self._nameless(some):
                await self._packages.blobs.delete(blob)
                log.info("packages.orphan_removed", digest=blob.digest, package=blob.package_id)
                removed += 1
        return removed

    async def _nameless(self, blobs: list[Blob]) -> list[Blob]:
        """Those whose package is not there at head."""

        def change(edit: Edit) -> list[Blob]:
            return [one for one in blobs if edit.get(one.package_id) is None]

        return (await self._ledger.commit(change, own_request("lifecycle.orphans"))).value
