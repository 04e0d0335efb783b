"""The one writer of a process: change functions in, commits out, the process's own copy of the graph kept current.

A change function runs at head under the store's lock (`Transaction.head` takes it and the view is brought up to it first),
so what it checks is true when it is written. Up to 64 drafts share a transaction, for a flush to disk or a round trip is
what a commit costs; those that came while the lock was waited for are among them. Each keeps its own revision, answer and
refusal. What somebody waits for is not queued behind the system's own work (`graph.draft_queue`), which also stands still
while it is decided (`graph.courtesy`). A draft that breaks its group's transaction fails alone: the group is tried again one
by one. A commit whose reply was lost is sent again under the same draft ids.

While the store is away reads go on from the view, marked stale, and commits are refused as retryable.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any, TypeVar

import structlog
from opentelemetry import trace

from graph import courtesy
from graph.change import Commit
from graph.draft_queue import DraftQueue
from graph.drafts import Draft, Group, run_group
from graph.edit import Edit
from graph.feed import Feed
from graph.graph_time import GraphTime
from graph.refusal import Refusal, Unavailable
from graph.replica import Replica
from graph.request import Committed, Idempotency, Request, answered_before
from graph.store import SCHEMA_NUMBER, Compacted, SchemaTooNew, Store, StoreProblem, StoreUnavailable, UnknownOutcome
from graph.view import View

R = TypeVar("R")
Answer = tuple[Draft, Committed[Any] | BaseException]
GROUP_SIZE = 64
QUEUE_SIZE = 4_096
GATHER_S = 0.020
"""So long after a transaction the system's own changes are gathered while others write: each has all of them wait."""
BACKGROUND_SHARE = 0.75
"""Of the queue the system's own changes take so much at most; the rest is for what somebody asks for."""
RESEND_FOR_S = 8.0
LOST = "the store's answer was lost and it does not answer again: the change may or may not be made"
LOST_REMEDY = "read it again before you repeat it; with the same idempotencyKey it is never made twice"
STOPPING = "the server is stopping"

log = structlog.get_logger(__name__)
_tracer = trace.get_tracer("edgeatlas")


def system_clock_ms() -> int:
    """UTC milliseconds by the system's clock."""
    return time.time_ns() // 1_000_000


class Ledger:
    """The graph as one process has it: `view`, `feed` and the way to change them."""

    def __init__(
        self,
        store: Store,
        *,
        clock_ms: Callable[[], int] = system_clock_ms,
        monotonic: Callable[[], float] = time.monotonic,
        group_size: int = GROUP_SIZE,
        queue_size: int = QUEUE_SIZE,
        on_group: Callable[[int, float], None] | None = None,
    ) -> None:
        self.store = store
        self._replica = Replica(store, clock_ms=clock_ms)
        self._time = GraphTime(clock_ms, monotonic=monotonic)
        self._queue_size = queue_size
        self._queue = DraftQueue(group_size=group_size)
        self._background_room = asyncio.Semaphore(max(1, int(queue_size * BACKGROUND_SHARE)))
        self._courtesy = courtesy.Courtesy()
        self._bell: asyncio.Future[None] | None = None
        """What the writer waits on while there is nothing to write."""
        self._on_group = on_group
        """Told of each group: its drafts and its seconds; for metrics."""
        self.on_written: Callable[[int], None] | None = None
        """Told of the newest revision that this process has written, so that it may tell other processes."""
        self._crowded = False
        """Whether others have written beside the last transaction."""
        self._gather_until = 0.0
        """By the loop's clock."""
        self._late: list[Answer] = []
        """The system's own changes that were written while somebody's was decided or waited. What their answers set off
        would keep that one waiting: they come after it, but not much later."""
        self._writable = True
        self._stopping = False
        self._traced = True
        """Whether spans go anywhere, which is settled before the ledger runs."""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Ledger]:
        """Opens and loads the store, then writes and follows until the context ends; what is queued is written first."""
        head = await self._replica.open()
        self._traced = not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
        self._writable = head.schema <= SCHEMA_NUMBER
        writer = asyncio.create_task(self._write(), name="ledger-writer")
        watch = asyncio.create_task(self._replica.watch(), name="ledger-watch")
        try:
            yield self
            self._stop()
            await asyncio.wait((writer,), timeout=RESEND_FOR_S)
        finally:
            self._stop()
            for task in (writer, watch):
                task.cancel()
            await asyncio.gather(writer, watch, return_exceptions=True)
            self._answer_late()
            self._refuse(self._queue.drained(), STOPPING, "nothing was changed; try again")
            await self.store.close()

    @property
    def view(self) -> View:
        """The live graph at the newest revision that this process has."""
        return self._replica.view

    @property
    def feed(self) -> Feed:
        """The newest commits."""
        return self._replica.feed

    @property
    def stale(self) -> bool:
        """Whether the store is away, so that the view may be behind."""
        return self._replica.stale

    @property
    def writable(self) -> bool:
        """Whether commits can be accepted: the store answers and is of this program's schema number."""
        return self._writable and not self.stale

    async def until_back(self) -> None:
        """Returns once the store answers again, at once unless it is away."""
        await self._replica.until_fresh()

    async def commit(
        self,
        function: Callable[[Edit], R],
        request: Request,
        *,
        remember: Callable[[R, int], bytes] | None = None,
    ) -> Committed[R]:
        """Runs a change function at head and commits what it did; returns once this process's view has it.

        `remember` gives the JSON that is answered when the same idempotency key comes again, from the function's value
        and the revision. The function may run more than once; only the last run counts. A background request waits for room.
        Raises what the function raises, IdempotencyMismatch, LimitExceeded, or Unavailable.
        """
        if not request.background:
            return await self._commit(function, request, remember)
        async with self._background_room:
            return await self._commit(function, request, remember)

    async def _commit(
        self, function: Callable[[Edit], R], request: Request, remember: Callable[[R, int], bytes] | None
    ) -> Committed[R]:
        if not self._writable:
            raise Unavailable(
                "the store was written by a newer version: this server serves reads only", remedy="upgrade this server"
            )
        if self._stopping:
            raise Unavailable(STOPPING, remedy="try again in a moment")
        if len(self._queue) >= self._queue_size:
            raise Unavailable("too many changes are waiting to be written", remedy="try again in a moment")
        answer = asyncio.get_running_loop().create_future()
        self._queue.put(Draft(function, request, remember, answer))
        self._ring()
        committed: Committed[R] = await answer
        return committed

    @contextlib.contextmanager
    def expecting(self) -> Iterator[None]:
        """Around the making of a change that somebody waits for: the system's own are held back for a moment meanwhile."""
        clock = asyncio.get_running_loop().time
        self._courtesy.begins(now=clock())
        try:
            yield
        finally:
            self._courtesy.ends(now=clock())
            self._ring()

    async def recall(self, idempotency: Idempotency) -> bytes | None:
        """What the key's first request was answered, as `remember` gave it; None when there was none yet.

        Raises IdempotencyMismatch when it came with another body, Unavailable when the store is away.
        """
        try:
            async with self.store.begin() as transaction:
                await transaction.head()
                known = (await transaction.idempotency([idempotency.key])).get(idempotency.key)
        except StoreProblem as problem:
            raise Unavailable(f"the store is away: {problem}", remedy="nothing was changed; try again") from problem
        if known is None:
            return None
        answer = answered_before(known, idempotency)
        if isinstance(answer, Refusal):
            raise answer
        return answer.replayed

    def now_ms(self) -> int:
        """The graph's time, UTC milliseconds: what times that are written in it are to be held against."""
        return self._time.now_ms(least_ms=self.view.at)

    async def wait_for(self, revision: int, *, timeout_s: float = 5.0) -> bool:
        """Whether the view has reached a revision within the time."""
        if self.view.revision >= revision:
            return True
        try:
            async with asyncio.timeout(timeout_s):
                await self.feed.wait(revision - 1)
        except TimeoutError:
            return False
        return True

    def look(self, revision: int) -> None:
        """Has the store asked at once for what another process is said to have committed, up to a revision."""
        self._replica.look(revision)

    async def commits_after(self, revision: int, *, limit: int = 1_000) -> Sequence[Commit]:
        """Commits after a revision up to the view's own, from memory or from the store's log.

        Raises Compacted when they are no longer kept, StoreUnavailable when the store is away.
        """
        try:
            return self.feed.since(revision)[:limit]
        except Compacted:
            head = self.view.revision
            return [one for one in await self.store.commits_after(revision, limit=limit) if one.revision <= head]

    # Writing

    def _ring(self) -> None:
        if self._bell is not None and not self._bell.done():
            self._bell.set_result(None)

    def _settle(self, group: Group) -> None:
        """Answers those of a group that was written."""
        later = self._somebody_waits()
        for draft, answer in group.answers:
            if later and draft.request.background:
                if not self._late:
                    asyncio.get_running_loop().call_later(courtesy.HOLD_S, self._answer_late)
                self._late.append((draft, answer))
            else:
                draft.settle(answer)

    def _answer_late(self, count: int | None = None) -> None:
        """Answers the first so many of those that were left for later, or all."""
        late = self._late[:count]
        del self._late[:count]
        for draft, answer in late:
            draft.settle(answer)

    async def _rung(self, *, within_s: float) -> None:
        """Waits until something has come or changed; no longer than `within_s` unless that is 0."""
        loop = asyncio.get_running_loop()
        self._bell = loop.create_future()
        timer = loop.call_later(within_s, self._ring) if within_s else None
        await self._bell
        if timer is not None:
            timer.cancel()

    def _held_s(self) -> float:
        """For how long nothing is written: while nobody waits for what there is, and somebody's change is about to come or
        other processes write."""
        if self._stopping or self._queue.asked:
            return 0.0
        now = asyncio.get_running_loop().time()
        return max(self._courtesy.left_s(now=now), self._gather_until - now, 0.0)

    def _somebody_waits(self) -> bool:
        """Whether a change waits that is asked for, or is about to come."""
        return self._queue.asked or self._courtesy.left_s(now=asyncio.get_running_loop().time()) > 0

    def _stop(self) -> None:
        self._stopping = True
        self._ring()

    async def _write(self) -> None:
        queue = self._queue
        while True:
            while (held_s := self._held_s()) or not queue:
                if not self._somebody_waits():
                    self._answer_late()
                if self._stopping:
                    return
                await self._rung(within_s=held_s)
            if not self._somebody_waits():
                self._answer_late()
            late = len(self._late)
            drafts: list[Draft] = []
            began = time.perf_counter()
            try:
                await self._write_group(drafts)
            except asyncio.CancelledError:
                self._refuse(drafts, f"{STOPPING}: the change may or may not be made", LOST_REMEDY)
                raise
            except Exception as problem:
                log.exception("ledger.group_failed", drafts=len(drafts))
                for draft in drafts:
                    draft.settle(problem)
            if self._on_group is not None:
                self._on_group(len(drafts), time.perf_counter() - began)
            self._gather_until = asyncio.get_running_loop().time() + GATHER_S if self._crowded else 0.0
            # Whoever was answered, and whoever has come meanwhile, has a turn before the next functions are run.
            await asyncio.sleep(0)
            self._answer_late(late)

    async def _write_group(self, drafts: list[Draft]) -> None:
        """Writes drafts; without any, those that wait by the time at which the store's lock is held.

        What comes while other processes hold the lock then shares the transaction, and need not wait for another one.
        """
        deadline = time.monotonic() + RESEND_FOR_S
        pause = 0.02
        while True:
            try:
                group = await self._attempt(drafts)
            except UnknownOutcome:
                for draft in drafts:
                    draft.sent = True
                if time.monotonic() > deadline:
                    self._refuse(drafts, LOST, LOST_REMEDY)
                    return
                await asyncio.sleep(pause)
                pause = min(pause * 2, 1.0)
                continue
            except StoreUnavailable as problem:
                self._fill(drafts)
                if any(draft.sent for draft in drafts) and time.monotonic() < deadline:
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, 1.0)
                    continue
                self._replica.mark_stale()
                self._refuse([one for one in drafts if one.sent], LOST, LOST_REMEDY)
                unsent = [one for one in drafts if not one.sent]
                self._refuse(unsent, f"the store is away: {problem}", "nothing was changed; try again")
                return
            except SchemaTooNew as problem:
                self._fill(drafts)
                self._writable = False
                self._refuse(drafts, str(problem), "upgrade this server")
                return
            except Exception:
                self._fill(drafts)
                if len(drafts) == 1:
                    raise
                log.warning("ledger.group_split", drafts=len(drafts), exc_info=True)
                for draft in drafts:
                    try:
                        await self._write_group([draft])
                    except Exception as problem:  # a bad draft fails alone, with its own reason
                        log.exception("ledger.draft_failed", action=draft.request.action)
                        draft.settle(problem)
                return
            self._replica.take_in(group.commits)
            if group.commits and self.on_written is not None:
                self.on_written(group.commits[-1].revision)
            self._settle(group)
            return

    async def _attempt(self, drafts: list[Draft]) -> Group:
        if not self._traced:  # a span is not free, even one that goes nowhere
            return await self._transact(drafts)
        with _tracer.start_as_current_span("ledger.group", attributes={"store": self.store.name}) as span:
            try:
                return await self._transact(drafts)
            finally:
                span.set_attribute("drafts", len(drafts))

    def _fill(self, drafts: list[Draft]) -> None:
        """Takes what shares a transaction for which nothing was taken yet."""
        if not drafts:
            drafts.extend(self._queue.take())

    async def _transact(self, drafts: list[Draft]) -> Group:
        async with self.store.begin() as transaction:
            head = await transaction.head(after=self.view.revision)
            self._crowded = head.revision > self.view.revision
            await self._replica.bring_up(transaction, head)
            self._fill(drafts)
            resent = [draft.id for draft in drafts if draft.sent]
            keys = [draft.request.idempotency.key for draft in drafts if draft.request.idempotency is not None]
            group = run_group(
                drafts,
                self.view,
                head=head,
                now_ms=self._time.now_ms(least_ms=head.at),
                done=await transaction.done_before(resent) if resent else {},
                known=await transaction.idempotency(keys) if keys else {},
            )
            batch = group.batch
            if batch is not None:
                await transaction.write(batch)
        if batch is not None or self.store.shared:  # an embedded store that was asked for nothing has shown nothing
            self._replica.mark_fresh()
        return group

    def _refuse(self, drafts: Sequence[Draft], message: str, remedy: str) -> None:
        for draft in drafts:
            draft.settle(Unavailable(message, remedy=remedy))
