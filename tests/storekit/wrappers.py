"""Stores that fail or cheat on purpose: the faults of the suite, and its negative controls.

A control takes one defence away and must make the check fail; what cannot fail checks nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

from graph.change import Commit, IdempotencyRecord
from graph.store import Head, Store, StoreProblem, StoreUnavailable, Transaction, UnknownOutcome, WriteBatch
from graph.stores.sqlite import SqliteStore
from graph.stores.sqlite_commits import Commits


class Wrapped:
    """A store behind another, which may stand in for its transactions."""

    def __init__(self, inner: Store) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def begin(self) -> WrappedTransaction:
        return WrappedTransaction(self, self.inner.begin())

    async def leave(
        self, context: Any, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends a transaction's context."""
        await context.__aexit__(kind, problem, trace)

    async def write(self, transaction: Transaction, batch: WriteBatch) -> None:
        """Hands a batch on."""
        await transaction.write(batch)

    async def done_before(self, transaction: Transaction, draft_ids: Sequence[str]) -> dict[str, int]:
        """Asks which drafts were committed."""
        return await transaction.done_before(draft_ids)


class WrappedTransaction:
    """A transaction whose store decides how it goes."""

    def __init__(self, store: Wrapped, context: Any) -> None:
        self._store = store
        self._context = context
        self._inner: Any = None
        self.wrote: WriteBatch | None = None

    async def __aenter__(self) -> WrappedTransaction:
        self._inner = await self._context.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.wrote is None or kind is not None:
            await self._context.__aexit__(kind, problem, trace)
        else:
            await self._store.leave(self._context, kind, problem, trace)

    async def head(self, *, after: int | None = None) -> Head:
        return await self._inner.head(after=after)

    async def commits_after(self, revision: int) -> Sequence[Commit]:
        return await self._inner.commits_after(revision)

    async def done_before(self, draft_ids: Sequence[str]) -> dict[str, int]:
        return await self._store.done_before(self._inner, draft_ids)

    async def idempotency(self, keys: Sequence[str]) -> dict[str, IdempotencyRecord]:
        return await self._inner.idempotency(keys)

    async def write(self, batch: WriteBatch) -> None:
        self.wrote = batch
        await self._store.write(self._inner, batch)


class TellsOfCommits(Wrapped):
    """Sets `sent` whenever a COMMIT is sent: who waits for it goes on once the message is on its way."""

    def __init__(self, inner: Store, sent: asyncio.Event) -> None:
        super().__init__(inner)
        self._sent = sent

    async def leave(self, context: Any, kind: Any, problem: Any, trace: Any) -> None:
        self._sent.set()
        await context.__aexit__(kind, problem, trace)


class LosesReplies(Wrapped):
    """Loses the reply to some COMMITs: after they happened, or instead of them."""

    def __init__(self, inner: Store, *, lose: Callable[[int], str | None]) -> None:
        super().__init__(inner)
        self._lose = lose
        self._number = 0
        self.lost = 0

    async def leave(self, context: Any, kind: Any, problem: Any, trace: Any) -> None:
        self._number += 1
        how = self._lose(self._number)
        if how is None:
            await context.__aexit__(kind, problem, trace)
            return
        self.lost += 1
        if how == "after":
            await context.__aexit__(kind, problem, trace)
        else:
            failed = ConnectionResetError("cut")
            await context.__aexit__(type(failed), failed, None)
        raise UnknownOutcome("the reply was lost on purpose")


class ForgetsDrafts(LosesReplies):
    """Control: loses replies, and does not know which drafts were committed."""

    async def done_before(self, transaction: Transaction, draft_ids: Sequence[str]) -> dict[str, int]:
        return {}


class Away(Wrapped):
    """Refuses every transaction while `away`."""

    away = False

    async def leave(self, context: Any, kind: Any, problem: Any, trace: Any) -> None:
        if not self.away:
            await context.__aexit__(kind, problem, trace)
            return
        failed = ConnectionRefusedError("away")
        await context.__aexit__(type(failed), failed, None)
        raise StoreUnavailable("the store is away on purpose")


class AwayAsAWhole(Away):
    """The embedded store: what it would be asked outside transactions, to find out whether it is back, is refused too."""

    async def put_ephemeral(self, key: str, value: bytes, *, expires_at: int) -> None:
        if self.away:
            raise StoreUnavailable("the store is away on purpose")
        await self.inner.put_ephemeral(key, value, expires_at=expires_at)

    async def _close(self) -> None:
        await self.inner._close()


class _EarlyCommits(Commits):
    _behind: asyncio.Task[None] | None = None

    async def commit(self, batch: WriteBatch, head: Head) -> None:
        if self._behind is not None:
            await self._behind
        newest = batch.commits[-1]

        async def later() -> None:
            await asyncio.sleep(0.01)
            await Commits.commit(self, batch, head)

        self._behind = asyncio.create_task(later())
        self._head = Head(revision=newest.revision, at=newest.at, epoch=head.epoch, schema=head.schema)


class Deaf(Wrapped):
    """Hears nothing of other processes' commits while `deaf`."""

    deaf = False

    async def commits_after(self, revision: int, *, limit: int = 1_000) -> Sequence[Commit]:
        if self.deaf:
            raise StoreUnavailable("the store is not heard on purpose")
        return await self.inner.commits_after(revision, limit=limit)


class AnswersEarly(SqliteStore):
    """Control: says that a commit is durable a moment before it is written."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._commits = _EarlyCommits(self._file)


class _ForgottenCommits(Commits):
    async def commit(self, batch: WriteBatch, head: Head) -> None:
        if batch.commits:
            newest = batch.commits[-1]
            self._head = Head(revision=newest.revision, at=newest.at, epoch=head.epoch, schema=head.schema)


class WritesNothing(SqliteStore):
    """Control: says that each commit is durable, and keeps it to itself."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._commits = _ForgottenCommits(self._file)


class AnswersEarlyAway(Wrapped):
    """Control: a store in another process, which says that a commit is durable while it is still on its way there."""

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        self._behind: set[asyncio.Task[None]] = set()

    async def leave(self, context: Any, kind: Any, problem: Any, trace: Any) -> None:
        async def later() -> None:
            await asyncio.sleep(0.01)
            with contextlib.suppress(StoreProblem):
                await context.__aexit__(kind, problem, trace)

        behind = asyncio.create_task(later())
        self._behind.add(behind)
        behind.add_done_callback(self._behind.discard)


class _PartialCommits(Commits):
    async def commit(self, batch: WriteBatch, head: Head) -> None:
        newest = batch.commits[-1]
        await super().commit(WriteBatch(commits=batch.commits, bodies=batch.bodies), head)
        after = Head(revision=newest.revision, at=newest.at, epoch=head.epoch, schema=head.schema)
        await super().commit(WriteBatch(commits=(), records=batch.records, private=batch.private), after)


class WritesInParts(SqliteStore):
    """Control: writes a batch's commits and what belongs to them one after the other, each durable alone."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._commits = _PartialCommits(self._file)


class _CarelessCommits(Commits):
    async def commit(self, batch: WriteBatch, head: Head) -> None:
        try:
            await super().commit(batch, head)
        except StoreUnavailable:
            newest = batch.commits[-1]
            self._head = Head(revision=newest.revision, at=newest.at, epoch=head.epoch, schema=head.schema)


class IgnoresFullDisk(SqliteStore):
    """Control: says that a commit is durable though there was no room for it."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._commits = _CarelessCommits(self._file)
