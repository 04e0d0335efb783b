"""The one writer of a process: change functions in, commits out, the view and the feed kept current.

A change function runs at head under the store's lock (`Transaction.head` takes it and the view is brought up to it first),
so what it checks is true when it is written. Up to 64 drafts share a transaction, for a flush to disk or a round trip is
what a commit costs; each keeps its own revision, answer and refusal. A draft that breaks its group's transaction fails
alone: the group is tried again one by one. A commit whose reply was lost is sent again under the same draft ids.

While the store is away reads go on from the view, marked stale, and commits are refused as retryable.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import msgspec
import structlog
from opentelemetry import trace

from graph.change import MAX_COMMIT_BYTES, Commit, IdempotencyRecord, Record, encode_commit
from graph.edit import Edit
from graph.entity import SYSTEM_SOURCE, Entity, Source
from graph.feed import Feed
from graph.identifiers import new_id, new_ulid
from graph.refusal import IdempotencyMismatch, LimitExceeded, Refusal, Unavailable
from graph.store import (
    SCHEMA_NUMBER,
    Compacted,
    Head,
    SchemaTooNew,
    Store,
    StoreProblem,
    StoreUnavailable,
    Transaction,
    UnknownOutcome,
    WriteBatch,
)
from graph.view import View

R = TypeVar("R")
GROUP_SIZE = 64
QUEUE_SIZE = 4_096
ACTIVE_POLL_S = 0.020
IDLE_POLL_S = 0.250
ACTIVE_FOR_S = 2.0
PROBE_S = 1.0
RESEND_FOR_S = 8.0
AUDITED_CHANGES = 100
LOST = "the store's answer was lost and it does not answer again: the change may or may not be made"
LOST_REMEDY = "read it again before you repeat it; with the same idempotencyKey it is never made twice"
STOPPING = "the server is stopping"

log = structlog.get_logger(__name__)
_tracer = trace.get_tracer("edgeatlas")


class Idempotency(msgspec.Struct, frozen=True, kw_only=True):
    """A caller's idempotency key, under the caller's own scope, and what the same key must come with again."""

    key: str
    body_digest: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """Who asks for a change and as what; it goes into the commit and its audit record."""

    author: str
    """The id of the user, service account or part of the system."""
    action: str
    """Such as `createSite`."""
    tenant_id: str | None = None
    """Whose audit it belongs to; None: the installation's."""
    correlation_id: str = ""
    source: Source = SYSTEM_SOURCE
    idempotency: Idempotency | None = None
    audited: bool = True


@dataclass(frozen=True, slots=True)
class Committed(Generic[R]):
    """What a change function returned, and the revision that it was committed at."""

    value: R
    revision: int
    replayed: bytes | None = None
    """JSON of the first answer when the idempotency key had been used before; `value` is then None."""


@dataclass(slots=True)
class _Draft:
    function: Callable[[Edit], Any]
    request: Request
    remember: Callable[[Any, int], bytes] | None
    answer: asyncio.Future[Committed[Any]]
    id: str = field(default_factory=new_ulid)
    sent: bool = False
    """Whether an attempt to commit it had an unknown outcome."""
    attempted: Committed[Any] | None = None
    """What the last attempt would have answered."""


@dataclass(slots=True)
class _Group:
    """The outcome of running a group's functions at one head."""

    commits: list[Commit] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    idempotency: list[IdempotencyRecord] = field(default_factory=list)
    private: dict[str, bytes | None] = field(default_factory=dict)
    answers: list[tuple[_Draft, Committed[Any] | BaseException]] = field(default_factory=list)


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
        group_size: int = GROUP_SIZE,
        queue_size: int = QUEUE_SIZE,
        on_group: Callable[[int, float], None] | None = None,
    ) -> None:
        self.store = store
        self.view = View()
        self.feed = Feed()
        self._clock_ms = clock_ms
        self._group_size = group_size
        self._queue: asyncio.Queue[_Draft] = asyncio.Queue(queue_size)
        self._on_group = on_group
        """Told of each group: its drafts and its seconds; for metrics."""
        self._moved_at = 0.0
        self._writable = True
        self._stopping = False

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Ledger]:
        """Opens and loads the store, then writes and follows until the context ends; what is queued is written first."""
        await self._open()
        tasks = [asyncio.create_task(self._write(), name="ledger-writer")]
        # A shared store is followed, which also finds out when it is back; one of our own has to be asked.
        watch = self._follow() if self.store.shared else self._probe()
        tasks.append(asyncio.create_task(watch, name="ledger-watch"))
        try:
            yield self
            self._stopping = True
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RESEND_FOR_S):
                    await self._queue.join()
        finally:
            self._stopping = True
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._refuse_waiting()
            await self.store.close()

    @property
    def stale(self) -> bool:
        """Whether the store is away, so that the view may be behind."""
        return self.view.stale_since is not None

    @property
    def writable(self) -> bool:
        """Whether commits can be accepted: the store answers and is of this program's schema number."""
        return self._writable and not self.stale

    async def commit(
        self,
        function: Callable[[Edit], R],
        request: Request,
        *,
        remember: Callable[[R, int], bytes] | None = None,
    ) -> Committed[R]:
        """Runs a change function at head and commits what it did; returns once this process's view has it.

        `remember` gives the JSON that is answered when the same idempotency key comes again, from the function's value
        and the revision. The function may run more than once; only the last run counts.
        Raises what the function raises, IdempotencyMismatch, LimitExceeded, or Unavailable.
        """
        draft = _Draft(function, request, remember, asyncio.get_running_loop().create_future())
        if not self._writable:
            raise Unavailable(
                "the store was written by a newer version: this server serves reads only", remedy="upgrade this server"
            )
        if self._stopping:
            raise Unavailable(STOPPING, remedy="try again in a moment")
        try:
            self._queue.put_nowait(draft)
        except asyncio.QueueFull:
            raise Unavailable("too many changes are waiting to be written", remedy="try again in a moment") from None
        return await draft.answer

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
        answer = _answered_before(known, idempotency)
        if isinstance(answer, Refusal):
            raise answer
        return answer.replayed

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

    async def commits_after(self, revision: int, *, limit: int = 1_000) -> Sequence[Commit]:
        """Commits after a revision up to the view's own, from memory or from the store's log.

        Raises Compacted when they are no longer kept, StoreUnavailable when the store is away.
        """
        try:
            return self.feed.since(revision)[:limit]
        except Compacted:
            head = self.view.revision
            return [one for one in await self.store.commits_after(revision, limit=limit) if one.revision <= head]

    async def _open(self) -> None:
        head = await self.store.open()
        self._writable = head.schema <= SCHEMA_NUMBER
        await self._load(self.view)
        self.feed.restart(self.view.revision)

    async def _load(self, view: View) -> None:
        loaded = await self.store.load()
        async for batch in loaded.batches():
            view.load(batch)
        head = loaded.head
        view.loaded(revision=head.revision, at=head.at, epoch=head.epoch, counters=loaded.counters)
        while commits := await self.store.commits_after(view.revision):
            for commit in commits:
                view.replay(commit)

    async def _reload(self) -> None:
        fresh = View()
        await self._load(fresh)
        self.view.become(fresh)
        self.feed.restart(self.view.revision)
        log.warning("view.reloaded", revision=self.view.revision, epoch=self.view.epoch)

    # Writing

    async def _write(self) -> None:
        while True:
            drafts = [await self._queue.get()]
            while len(drafts) < self._group_size and not self._queue.empty():
                drafts.append(self._queue.get_nowait())
            began = time.perf_counter()
            try:
                await self._write_group(drafts)
            except asyncio.CancelledError:
                self._refuse(drafts, f"{STOPPING}: the change may or may not be made", LOST_REMEDY)
                raise
            except Exception as problem:
                log.exception("ledger.group_failed", drafts=len(drafts))
                for draft in drafts:
                    _settle(draft, problem)
            finally:
                for _ in drafts:
                    self._queue.task_done()
            if self._on_group is not None:
                self._on_group(len(drafts), time.perf_counter() - began)

    async def _write_group(self, drafts: Sequence[_Draft]) -> None:
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
                if any(draft.sent for draft in drafts) and time.monotonic() < deadline:
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, 1.0)
                    continue
                self._mark_stale()
                self._refuse([one for one in drafts if one.sent], LOST, LOST_REMEDY)
                unsent = [one for one in drafts if not one.sent]
                self._refuse(unsent, f"the store is away: {problem}", "nothing was changed; try again")
                return
            except SchemaTooNew as problem:
                self._writable = False
                self._refuse(drafts, str(problem), "upgrade this server")
                return
            except Exception:
                if len(drafts) == 1:
                    raise
                log.warning("ledger.group_split", drafts=len(drafts), exc_info=True)
                for draft in drafts:
                    try:
                        await self._write_group([draft])
                    except Exception as problem:  # a bad draft fails alone, with its own reason
                        log.exception("ledger.draft_failed", action=draft.request.action)
                        _settle(draft, problem)
                return
            self._take_in(group.commits)
            for draft, answer in group.answers:
                _settle(draft, answer)
            return

    async def _attempt(self, drafts: Sequence[_Draft]) -> _Group:
        with _tracer.start_as_current_span(
            "ledger.group", attributes={"drafts": len(drafts), "store": self.store.name}
        ):
            return await self._transact(drafts)

    async def _transact(self, drafts: Sequence[_Draft]) -> _Group:
        async with self.store.begin() as transaction:
            head = await transaction.head()
            await self._bring_up(transaction, head)
            group = await self._run(transaction, head, drafts)
            written = bool(group.commits or group.records or group.idempotency or group.private)
            if written:
                await transaction.write(
                    WriteBatch(
                        commits=group.commits,
                        records=group.records,
                        idempotency=group.idempotency,
                        private=group.private,
                    )
                )
        if written or self.store.shared:  # an embedded store that was asked for nothing has shown nothing
            self.view.stale_since = None
        return group

    async def _bring_up(self, transaction: Transaction, head: Head) -> None:
        if head.schema > SCHEMA_NUMBER:
            raise SchemaTooNew(f"the store has schema {head.schema}, this server writes {SCHEMA_NUMBER}")
        if head.epoch != self.view.epoch or head.revision < self.view.revision:
            await self._reload()
        while self.view.revision < head.revision:
            try:
                commits = await transaction.commits_after(self.view.revision)
            except Compacted:
                await self._reload()
                continue
            if not commits:
                raise StoreProblem(f"the log ends at {self.view.revision}, the store says {head.revision}")
            self._take_in(commits)

    async def _run(self, transaction: Transaction, head: Head, drafts: Sequence[_Draft]) -> _Group:
        group = _Group()
        resent = [draft.id for draft in drafts if draft.sent]
        done = await transaction.done_before(resent) if resent else {}
        keys = [draft.request.idempotency.key for draft in drafts if draft.request.idempotency is not None]
        known = await transaction.idempotency(keys) if keys else {}
        at = max(self._clock_ms(), head.at + 1)
        whole = Edit(self.view, at=at)
        revision = head.revision
        for draft in drafts:
            idempotency = draft.request.idempotency
            if draft.id in done:
                group.answers.append((draft, _lost_answer(draft, done[draft.id])))
                continue
            if idempotency is not None and idempotency.key in known:
                group.answers.append((draft, _answered_before(known[idempotency.key], idempotency)))
                continue
            own = Edit(whole, at=at, next_revision=revision + 1, source=draft.request.source)
            try:
                value = draft.function(own)
                commit = self._commit_of(draft, own, revision=revision + 1, at=at)
            except Refusal as refusal:
                group.answers.append((draft, refusal))
                continue
            except Exception as problem:  # a bug in one change must not take the others with it
                log.exception("ledger.function_failed", action=draft.request.action)
                group.answers.append((draft, problem))
                continue
            if commit is not None:
                revision += 1
                at += 1
                group.commits.append(commit)
                whole.join(own)
                if draft.request.audited:
                    group.records.append(_audit(draft.request, commit))
            group.records.extend(own.records)
            group.private.update(own.private)
            answer = draft.attempted = Committed(value, commit.revision if commit is not None else revision)
            if idempotency is not None:
                record = IdempotencyRecord(
                    key=idempotency.key,
                    body_digest=idempotency.body_digest,
                    result=msgspec.Raw(draft.remember(value, answer.revision) if draft.remember else b"null"),
                    revision=answer.revision,
                    at=at,
                )
                group.idempotency.append(record)
                known[idempotency.key] = record
            group.answers.append((draft, answer))
        return group

    def _commit_of(self, draft: _Draft, edit: Edit, *, revision: int, at: int) -> Commit | None:
        changes = edit.changes
        if not changes:
            return None
        commit = Commit(
            revision=revision,
            draft_id=draft.id,
            at=at,
            author=draft.request.author,
            action=draft.request.action,
            changes=changes,
            counters=edit.raised_counters,
        )
        size = len(encode_commit(commit))
        if size > MAX_COMMIT_BYTES:
            raise LimitExceeded(
                f"the commit has {size} bytes, the most is {MAX_COMMIT_BYTES}", remedy="send it in parts", path="input"
            )
        return commit

    def _take_in(self, commits: Sequence[Commit]) -> None:
        for commit in commits:
            if commit.revision <= self.view.revision:
                continue
            self.view.apply(commit)
            self.feed.publish(commit)
            self._moved_at = time.monotonic()

    def _refuse(self, drafts: Sequence[_Draft], message: str, remedy: str) -> None:
        for draft in drafts:
            _settle(draft, Unavailable(message, remedy=remedy))

    def _refuse_waiting(self) -> None:
        while not self._queue.empty():
            _settle(self._queue.get_nowait(), Unavailable(STOPPING, remedy="nothing was changed; try again"))

    def _mark_stale(self) -> None:
        if self.view.stale_since is None:
            self.view.stale_since = self._clock_ms() / 1000
            log.warning("store.away", revision=self.view.revision)

    # Following

    async def _follow(self) -> None:
        """Polls for other processes' commits: every 20 ms while there are some, every 250 ms when it is quiet."""
        pause = IDLE_POLL_S
        while True:
            await asyncio.sleep(pause)
            try:
                commits = await self.store.commits_after(self.view.revision)
            except Compacted:
                await self._reload_quietly()
                continue
            except StoreProblem:
                self._mark_stale()
                pause = min(max(pause * 2, IDLE_POLL_S), 2.0)
                continue
            if self.stale:
                log.info("store.back", revision=self.view.revision)
                self.view.stale_since = None
            if commits and commits[0].revision <= self.view.revision + 1:
                self._take_in(commits)
            active = time.monotonic() - self._moved_at < ACTIVE_FOR_S
            pause = ACTIVE_POLL_S if active else IDLE_POLL_S

    async def _probe(self) -> None:
        """Asks a store that was away or full whether it takes writes again, so that workers need not find out by failing."""
        while True:
            await asyncio.sleep(PROBE_S)
            if not self.stale:
                continue
            try:
                await self.store.put_ephemeral("ledger:probe", b"", expires_at=self._clock_ms() + 1_000)
            except StoreProblem:
                continue
            log.info("store.back", revision=self.view.revision)
            self.view.stale_since = None

    async def _reload_quietly(self) -> None:
        try:
            await self._reload()
        except StoreProblem:
            self._mark_stale()


def _settle(draft: _Draft, answer: Committed[Any] | BaseException) -> None:
    if draft.answer.done():
        return
    if isinstance(answer, BaseException):
        draft.answer.set_exception(answer)
    else:
        draft.answer.set_result(answer)


def _lost_answer(draft: _Draft, revision: int) -> Committed[Any] | Refusal:
    """The answer of the attempt that did commit: the last one, for the lock lets no attempt begin before the one before
    has ended."""
    if draft.attempted is not None and draft.attempted.revision == revision:
        return draft.attempted
    return Unavailable(
        f"the change was made at revision {revision}, but its answer was lost", remedy="read it again; do not repeat it"
    )


def _answered_before(record: IdempotencyRecord, asked: Idempotency) -> Committed[Any] | Refusal:
    if record.body_digest != asked.body_digest:
        return IdempotencyMismatch(
            "this idempotency key was used with another input",
            remedy="use a new key for a new request",
            path="input.idempotencyKey",
        )
    return Committed(None, record.revision, bytes(record.result))


def _audit(request: Request, commit: Commit) -> Record:
    shown = commit.changes[:AUDITED_CHANGES]
    body = {
        "author": request.author,
        "action": request.action,
        "outcome": "COMMITTED",
        "revision": commit.revision,
        "correlation_id": request.correlation_id,
        "change_count": len(commit.changes),
        "changes": [{"id": one.id, "change": change_word(one.before, one.after)} for one in shown],
    }
    subject = commit.changes[0].id if len(commit.changes) == 1 else None
    return Record(
        collection="audit",
        id=new_id("audit", at_ms=commit.at),
        tenant_id=request.tenant_id,
        subject_id=subject,
        at=commit.at,
        body=msgspec.Raw(msgspec.json.encode(body)),
    )


def change_word(before: Entity | None, after: Entity | None) -> str:
    """What a change is called: CREATED, UPDATED or DELETED."""
    if before is None:
        return "CREATED"
    return "UPDATED" if after is not None else "DELETED"
