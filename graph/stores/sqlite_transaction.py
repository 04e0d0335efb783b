"""One attempt to write to the embedded store: its lock, its head, and one batch that is written when the attempt ends."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import TracebackType

from graph.change import Commit, IdempotencyRecord
from graph.store import Head, StoreProblem, StoreUnavailable, Transaction, WriteBatch
from graph.stores.sqlite_commits import Commits

LOCK_WAIT_S = 30.0


class SqliteTransaction:
    """One attempt to write. The store's lock is held from `head` to the end of the context."""

    __slots__ = ("_batch", "_commits", "_head")

    def __init__(self, commits: Commits) -> None:
        self._commits = commits
        self._head: Head | None = None
        self._batch: WriteBatch | None = None

    async def __aenter__(self) -> Transaction:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._head is None:
            return
        try:
            if kind is None and self._batch is not None:
                await self._commits.commit(self._batch, self._head)
        finally:
            self._head = None
            self._commits.lock.release()

    async def head(self, *, after: int | None = None) -> Head:
        """Takes the store's lock and says where it stands. Raises StoreUnavailable when the lock is held for 30 s.

        Nobody else commits to this store, so there is nothing to be read along.
        """
        if self._head is not None:
            return self._head
        lock = self._commits.lock
        if lock.locked():
            try:
                async with asyncio.timeout(LOCK_WAIT_S):
                    await lock.acquire()
            except TimeoutError:
                raise StoreUnavailable(f"another transaction has held the store for {LOCK_WAIT_S:.0f} s") from None
        else:
            await lock.acquire()
        try:
            self._head = await self._commits.current_head()
        except BaseException:
            lock.release()
            raise
        return self._head

    async def commits_after(self, revision: int) -> Sequence[Commit]:
        """Commits since; there are none unless the caller's view is behind its own process."""
        return await self._commits.after(revision)

    async def done_before(self, draft_ids: Sequence[str]) -> dict[str, int]:
        """Revisions of those drafts that were committed already."""
        return await self._commits.done_before(draft_ids)

    async def idempotency(self, keys: Sequence[str]) -> dict[str, IdempotencyRecord]:
        """What the keys made before."""
        return await self._commits.idempotency(keys)

    async def write(self, batch: WriteBatch) -> None:
        """Takes the batch, which is written when the context ends. Raises StoreProblem when it does not follow the head."""
        if self._head is None:
            raise StoreProblem("a transaction asks for the head before it writes")
        if self._batch is not None:
            raise StoreProblem("a transaction writes one batch")
        self._commits.check_writable()
        for expected, commit in enumerate(batch.commits, self._head.revision + 1):
            if commit.revision != expected:
                raise StoreProblem(f"commit {commit.revision} does not follow; the next is {expected}")
        self._batch = batch
