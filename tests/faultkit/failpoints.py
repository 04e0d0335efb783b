"""Points at which a process dies: before and after every commit and every other call of its store, and every call of its
drivers.

Nobody lists them. A store and a driver that stand before the real ones pass a point each time; a run that dies nowhere
counts them, and the same run is then made again for each of them. After its death nothing of a process reaches the store or
a backend any more, as after `kill -9`; what was under way at a backend may have been done.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from drivers.clock import Clock
from drivers.port import (
    Applied,
    Backend,
    ClusterAccess,
    Cursor,
    Driver,
    DriverProblem,
    Observation,
    ReleaseWork,
    RemovalWork,
    Removed,
    Sample,
    SamplingBackend,
)
from faultkit.hanging import Hanging
from graph.change import Commit, Record
from graph.store import RecordPage, Transaction, WriteBatch
from graph.stores.sqlite import SqliteStore
from storekit.wrappers import Wrapped

T = TypeVar("T")


class Failpoints:
    """Counts the points that are passed while it is armed, and dies at one of them.

    Observers look again and again: of their points at most so many count.
    """

    def __init__(
        self,
        *,
        die_at: int | None = None,
        observations: int = 1_000_000,
        tell: Callable[[ReleaseWork | RemovalWork], None] = lambda work: None,
    ) -> None:
        """`tell` hears of each call that is about to be made."""
        self.die_at = die_at
        """Counted from 1; None: it lives."""
        self.tell = tell
        self.die_on: str | None = None
        """The name of the point that it dies at when it comes to one."""
        self._observations = observations
        """How many more of them count."""
        self.armed = False
        self.passed: list[str] = []
        self.dead = asyncio.Event()
        self.late: list[ReleaseWork | RemovalWork] = []
        """Calls that were on their way when it died: they may reach their backend at any time."""

    async def pass_(self, name: str) -> None:
        """Returns, or never: when this is where it dies, and when it is dead already."""
        observes = name.endswith(" observe")
        if self.armed and not self.dead.is_set() and (self._observations > 0 or not observes):
            self._observations -= observes
            self.passed.append(name)
            if len(self.passed) == self.die_at or name == self.die_on:
                self.dead.set()
        if self.dead.is_set():
            await asyncio.Event().wait()


class MortalStore(Wrapped):
    """The embedded store of a process that dies."""

    def __init__(self, inner: SqliteStore, points: Failpoints) -> None:
        super().__init__(inner)
        self.points = points
        self._name = ""

    async def write(self, transaction: Transaction, batch: WriteBatch) -> None:
        self._name = "+".join(sorted({one.action for one in batch.commits})) or "records"
        await super().write(transaction, batch)

    async def leave(self, context: Any, kind: Any, problem: Any, trace: Any) -> None:
        name = self._name
        try:
            await self.points.pass_(f"before commit of {name}")
        except BaseException as killed:
            await context.__aexit__(type(killed), killed, None)
            raise
        await context.__aexit__(kind, problem, trace)
        await self.points.pass_(f"after commit of {name}")

    async def record(self, collection: str, record_id: str) -> Record | None:
        return await self._between(f"reading {collection}", lambda: self.inner.record(collection, record_id))

    async def records(self, page: RecordPage) -> Sequence[Record]:
        return await self._between(f"reading {page.collection}", lambda: self.inner.records(page))

    async def count_records(self, page: RecordPage) -> int:
        return await self._between(f"counting {page.collection}", lambda: self.inner.count_records(page))

    async def subjects(self, collection: str, *, after: str = "", limit: int = 1_000) -> Sequence[str]:
        return await self._between(
            f"subjects of {collection}", lambda: self.inner.subjects(collection, after=after, limit=limit)
        )

    async def commits_after(self, revision: int, *, limit: int = 1_000) -> Sequence[Commit]:
        return await self._between("following", lambda: self.inner.commits_after(revision, limit=limit))

    async def private(self, key: str) -> bytes | None:
        return await self._between("reading what is private", lambda: self.inner.private(key))

    async def put_ephemeral(self, key: str, value: bytes, *, expires_at: int) -> None:
        await self._between("keeping what expires", lambda: self.inner.put_ephemeral(key, value, expires_at=expires_at))

    async def ephemeral(self, key: str, *, now: int) -> bytes | None:
        return await self._between("reading what expires", lambda: self.inner.ephemeral(key, now=now))

    async def take_ephemeral(self, key: str, *, now: int) -> bytes | None:
        return await self._between("taking what expires", lambda: self.inner.take_ephemeral(key, now=now))

    async def drop_ephemeral(self, *, prefix: str) -> None:
        await self._between("dropping what expires", lambda: self.inner.drop_ephemeral(prefix=prefix))

    async def compact(self, *, keep_commits: int, keep_after: int) -> int:
        return await self._between(
            "compaction", lambda: self.inner.compact(keep_commits=keep_commits, keep_after=keep_after)
        )

    async def prune(self, collection: str, *, before: int) -> int:
        return await self._between(f"pruning {collection}", lambda: self.inner.prune(collection, before=before))

    async def prune_subject(self, collection: str, subject_id: str, **given: Any) -> int:
        return await self._between(
            f"pruning {collection} of one", lambda: self.inner.prune_subject(collection, subject_id, **given)
        )

    async def _between(self, what: str, call: Callable[[], Awaitable[T]]) -> T:
        await self.points.pass_(f"before {what}")
        done = await call()
        await self.points.pass_(f"after {what}")
        return done

    async def close(self) -> None:
        """A process that was killed tidies nothing up."""
        if self.points.dead.is_set():
            await self.inner._close()
        else:
            await self.inner.close()


class MortalDriver:
    """A driver in a process that dies, before clusters that have a clock of their own."""

    def __init__(
        self,
        inner: Driver,
        points: Failpoints,
        *,
        clock: Clock,
        observed_after_s: float = 0.0,
        hanging: Hanging | None = None,
    ) -> None:
        """`observed_after_s`: how late what was observed arrives; `hanging`: whether the clusters answer at all."""
        self.inner = inner
        self.hanging = hanging or Hanging()
        self.clock = clock
        self.observed_after_s = observed_after_s
        self.points = points
        self.open: list[Backend] = []
        self.name = inner.name
        self.artifacts = inner.artifacts

    def check(self, configuration: Mapping[str, Any]) -> None:
        self.inner.check(configuration)

    @contextlib.asynccontextmanager
    async def connect(self, access: ClusterAccess) -> AsyncIterator[Backend]:
        await self.points.pass_("before connect")
        await self.hanging.answers()
        async with self.inner.connect(dataclasses.replace(access, clock=self.clock)) as backend:
            await self.points.pass_("after connect")
            self.open.append(backend)
            yield MortalBackend(backend, self.points, observed_after_s=self.observed_after_s, hanging=self.hanging)


class MortalBackend:
    """A connection of such a process."""

    def __init__(self, inner: Backend, points: Failpoints, *, observed_after_s: float, hanging: Hanging) -> None:
        self.inner = inner
        self.hanging = hanging
        self.points = points
        self.observed_after_s = observed_after_s

    async def ensure(self, work: ReleaseWork) -> Applied:
        await self._sent("before ensure", work)
        applied = await self.hanging.called(partial(self.inner.ensure, work))
        await self.points.pass_("after ensure")
        return applied

    async def remove(self, work: RemovalWork) -> Removed:
        await self._sent("before remove", work)
        removed = await self.hanging.called(partial(self.inner.remove, work))
        await self.points.pass_("after remove")
        return removed

    async def observe(self, *, after: Cursor | None) -> Observation:
        await self.points.pass_("before observe")
        observation = await self.hanging.looked(partial(self.inner.observe, after=after))
        await asyncio.sleep(self.observed_after_s)
        await self.points.pass_("after observe")
        return observation

    async def samples(self, *, names: Sequence[str] = ()) -> Sequence[Sample]:
        assert isinstance(self.inner, SamplingBackend)
        await self.points.pass_("before samples")
        samples = await self.hanging.looked(partial(self.inner.samples, names=names))
        await self.points.pass_("after samples")
        return samples

    async def _sent(self, name: str, work: ReleaseWork | RemovalWork) -> None:
        self.points.tell(work)
        try:
            await self.points.pass_(name)
        finally:
            if self.points.dead.is_set():
                self.points.late.append(work)


async def arrive(late: Sequence[ReleaseWork | RemovalWork], backend: Backend) -> int:
    """Lets calls of a dead process reach the backend; says how many did anything."""
    effective = 0
    for work in late:
        try:
            if isinstance(work, ReleaseWork):
                effective += (await backend.ensure(work)).changed
            else:
                await backend.remove(work)
        except DriverProblem:
            continue
    return effective
