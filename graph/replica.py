"""The graph as this process has it: loaded from the store, kept current by its commits, told to who follows.

What the process writes itself it takes in as soon as the store has it. What other processes write it takes in by polling,
and once more under the store's lock before it writes. A store of one process is asked only whether it is back after it
was away. Until then reads go on from the view, marked stale.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence

import structlog

from graph.change import MAX_COMMIT_BYTES, Commit
from graph.feed import Feed
from graph.sharing import share
from graph.store import SCHEMA_NUMBER, Compacted, Head, SchemaTooNew, Store, StoreProblem, Transaction
from graph.view import View

ACTIVE_POLL_S = 0.020
IDLE_POLL_S = 0.250
ACTIVE_FOR_S = 2.0
PROBE_S = 1.0
PROBE_BYTES = 1024 * 1024
"""What a store that was away must take to be back: on a full disk there is always room for a little."""
RELAPSE_S = 60.0
"""A store that is away again within so long was not back: the next time it must take four times as much."""
_PROBE = "ledger:probe"

log = structlog.get_logger(__name__)


class Replica:
    """A view and a feed that follow a store. Changed on the event loop only."""

    def __init__(self, store: Store, *, clock_ms: Callable[[], int]) -> None:
        self.view = View()
        self.feed = Feed()
        self._store = store
        self._clock_ms = clock_ms
        self._fresh = asyncio.Event()
        self._fresh.set()
        self._away = asyncio.Event()
        self._moved_at = 0.0
        self._rung = asyncio.Event()
        self._expected = 0
        self._expected_at = -ACTIVE_FOR_S
        self._probe_bytes = PROBE_BYTES
        self._probed_at = -RELAPSE_S

    async def open(self) -> Head:
        """Opens and loads the store; says where it stood when it was opened."""
        head = await self._store.open()
        await self._load(self.view)
        self.feed.restart(self.view.revision)
        return head

    @property
    def stale(self) -> bool:
        """Whether the store is away, so that the view may be behind."""
        return self.view.stale_since is not None

    def mark_stale(self) -> None:
        """The store did not answer."""
        self._fresh.clear()
        self._away.set()
        if self.view.stale_since is None:
            self.view.stale_since = self._clock_ms() / 1000
            relapsed = time.monotonic() - self._probed_at < RELAPSE_S
            self._probe_bytes = min(4 * self._probe_bytes, MAX_COMMIT_BYTES) if relapsed else PROBE_BYTES
            log.warning("store.away", revision=self.view.revision)

    def mark_fresh(self) -> None:
        """The store has answered."""
        self.view.stale_since = None
        self._fresh.set()
        self._away.clear()

    async def until_fresh(self) -> None:
        """Returns once the store has answered, at once unless it is away."""
        await self._fresh.wait()

    def take_in(self, commits: Sequence[Commit]) -> None:
        """Applies commits that are durable, those that it has already left out, and tells of them."""
        view, feed = self.view, self.feed
        for commit in commits:
            if commit.revision > view.revision:
                view.apply(commit)
                feed.publish(commit)
        self._moved_at = time.monotonic()

    def look(self, revision: int) -> None:
        """Another process says that it has committed up to a revision: the store is asked at once. It may be untrue."""
        if revision > self.view.revision:
            self._expected, self._expected_at = revision, time.monotonic()
            self._rung.set()

    async def bring_up(self, transaction: Transaction, head: Head) -> None:
        """Takes in what others have committed up to the head that a transaction has found.

        Raises SchemaTooNew when a newer version has migrated the store, StoreProblem when its log has a gap.
        """
        view = self.view
        if head.schema > SCHEMA_NUMBER:
            raise SchemaTooNew(f"the store has schema {head.schema}, this server writes {SCHEMA_NUMBER}")
        if head.epoch != view.epoch or head.revision < view.revision:
            await self._reload(within=transaction)
        while view.revision < head.revision:
            try:
                commits = await transaction.commits_after(view.revision)
            except Compacted:
                await self._reload(within=transaction)
                continue
            if not commits:
                raise StoreProblem(f"the log ends at {view.revision}, the store says {head.revision}")
            self.take_in(_sharing(commits))

    async def watch(self) -> None:
        """Follows a shared store, which also finds out when it is back; asks one of our own after it was away."""
        if self._store.shared:
            await self._follow()
        else:
            await self._probe()

    async def _load(self, view: View, *, within: Transaction | None = None) -> None:
        loaded = await self._store.load(within=within)
        async for batch in loaded.batches():
            for entity in batch:
                share(entity)
            view.load(batch)
        head = loaded.head
        view.loaded(revision=head.revision, at=head.at, epoch=head.epoch, counters=loaded.counters)
        while commits := await self._store.commits_after(view.revision):
            for commit in commits:
                view.replay(commit)

    async def _reload(self, *, within: Transaction | None = None) -> None:
        fresh = View()
        await self._load(fresh, within=within)
        # What this process wrote meanwhile was answered already: its view may not fall behind that.
        while fresh.epoch == self.view.epoch and fresh.revision < self.view.revision:
            commits = await self._store.commits_after(fresh.revision)
            if not commits:
                break  # the store is an older one than it was
            for commit in commits:
                fresh.replay(commit)
        self.view.become(fresh)
        self.feed.restart(self.view.revision)
        log.warning("view.reloaded", revision=self.view.revision, epoch=self.view.epoch)

    async def _reload_quietly(self) -> None:
        try:
            await self._reload()
        except StoreProblem:
            self.mark_stale()

    async def _follow(self) -> None:
        """Polls for other processes' commits: every 20 ms while there are some, every 250 ms when it is quiet.

        When it is told of one it asks at once, and where it is told it need not ask so often: while many are told one
        after another it asks for all of 20 ms together, and for none that a transaction of its own has met meanwhile.
        """
        pause, asked_at = IDLE_POLL_S, -IDLE_POLL_S
        while True:
            rung = False
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    rung = await self._rung.wait()
            if rung:
                await asyncio.sleep(ACTIVE_POLL_S - (time.monotonic() - asked_at))
            self._rung.clear()
            if rung and self._expected <= self.view.revision and not self.stale:
                continue
            asked_at = time.monotonic()
            try:
                commits = await self._store.commits_after(self.view.revision)
            except Compacted:
                await self._reload_quietly()
                continue
            except StoreProblem:
                self.mark_stale()
                pause = min(max(pause * 2, IDLE_POLL_S), 2.0)
                continue
            self._is_back()
            if commits and commits[0].revision <= self.view.revision + 1:
                self.take_in(_sharing(commits))
            told = time.monotonic() - self._expected_at < ACTIVE_FOR_S
            active = time.monotonic() - self._moved_at < ACTIVE_FOR_S and not told
            active = active or (told and self._expected > self.view.revision)
            pause = ACTIVE_POLL_S if active else IDLE_POLL_S

    async def _probe(self) -> None:
        """Asks a store that was away or full whether it takes writes again, so that workers need not find out by failing.

        It is asked to take as much as a commit may be, not a word: that it would take although the disk is full.
        While it takes writes there is nothing to do here.
        """
        while True:
            await self._away.wait()
            await asyncio.sleep(PROBE_S)
            if not self.stale:
                continue
            try:
                now = self._clock_ms()
                await self._store.put_ephemeral(_PROBE, bytes(self._probe_bytes), expires_at=now + 1_000)
                await self._store.drop_ephemeral(prefix=_PROBE)
            except StoreProblem:
                continue
            self._probed_at = time.monotonic()
            self._is_back()

    def _is_back(self) -> None:
        if self.stale:
            log.info("store.back", revision=self.view.revision)
            self.mark_fresh()


def _sharing(commits: Sequence[Commit]) -> Sequence[Commit]:
    """Commits that were just read, with what they say as others do said once."""
    for commit in commits:
        for change in commit.changes:
            if change.after is not None:
                share(change.after)
    return commits
