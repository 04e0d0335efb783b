"""The newest commits in memory: what subscriptions and other followers of one process read from.

Followers ask for the commits after a revision. The newest are here; older ones are in the store's log, and those that
are gone from there as well are a typed error.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from itertools import islice

from graph.change import Commit
from graph.store import Compacted

KEPT_COMMITS = 16_384
KEPT_CHANGES = 131_072


class Feed:
    """A ring of the newest commits, bounded by their number and by their changes, and a bell for the next one."""

    def __init__(
        self, *, revision: int = 0, kept_commits: int = KEPT_COMMITS, kept_changes: int = KEPT_CHANGES
    ) -> None:
        self._revision = revision
        self._commits: deque[Commit] = deque()
        self._changes = 0
        self._kept_commits = kept_commits
        self._kept_changes = kept_changes
        self._bell = asyncio.Event()

    @property
    def revision(self) -> int:
        """The newest applied revision."""
        return self._revision

    def publish(self, commit: Commit) -> None:
        """Adds the next commit and wakes whoever waits. The view has taken it in already."""
        self._commits.append(commit)
        self._changes += len(commit.changes)
        self._revision = commit.revision
        while len(self._commits) > self._kept_commits or (
            self._changes > self._kept_changes and len(self._commits) > 1
        ):
            self._changes -= len(self._commits.popleft().changes)
        self._ring()

    def restart(self, revision: int) -> None:
        """Forgets all commits, as after a reload: followers behind `revision` must begin anew."""
        self._commits.clear()
        self._changes = 0
        self._revision = revision
        self._ring()

    def since(self, revision: int) -> Sequence[Commit]:
        """The commits after `revision`, in order. Raises Compacted when they are no longer in memory."""
        missing = self._revision - revision
        if missing <= 0:
            return ()
        kept = len(self._commits)
        if missing > kept:
            raise Compacted(asked=revision, oldest=self._revision - kept)
        return list(islice(self._commits, kept - missing, kept))

    async def wait(self, revision: int) -> int:
        """The newest revision, as soon as it is greater than `revision`; at once when it is."""
        while self._revision <= revision:
            await self._bell.wait()
        return self._revision

    def _ring(self) -> None:
        bell, self._bell = self._bell, asyncio.Event()
        bell.set()
