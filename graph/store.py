"""The port that a store fills: what keeps the graph, and in what order it is asked.

A store opens and migrates, loads, commits, follows the commits after a revision, keeps filed records beside them, compacts
and backs up. It decides nothing: all rules are checked by the ledger under the store's lock (`Transaction.head` takes it).
`tests/graph/conformance` is this port's meaning in tests and runs over every store.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

import msgspec

from graph.change import Commit, IdempotencyRecord, Record
from graph.entity import Entity

SCHEMA_NUMBER = 1
"""The number of the stored form; a process writes only at its own and reads, saying so, when the store's is higher."""


class StoreProblem(Exception):
    """A store could not do what it was asked; the text says what and what to do."""


class StoreUnavailable(StoreProblem):
    """The store does not answer or is full: nothing was committed, the same request may be tried again."""


class UnknownOutcome(StoreProblem):
    """The reply to a COMMIT was lost: it happened or it did not. The same drafts may be sent again under their ids."""


class StoreOwned(StoreProblem):
    """Another process owns the embedded store; the text names it."""


class SchemaTooNew(StoreProblem):
    """The store was written by a newer version: this one serves reads and refuses to write."""


class Compacted(StoreProblem):
    """The commits after the asked revision are no longer kept."""

    def __init__(self, *, asked: int, oldest: int) -> None:
        super().__init__(f"commits after revision {asked} are no longer kept; the log begins after revision {oldest}")
        self.asked = asked
        self.oldest = oldest


class Head(msgspec.Struct, frozen=True):
    """Where the store stands while its lock is held."""

    revision: int
    at: int
    """The newest commit's time in UTC milliseconds; 0 for an empty graph."""
    epoch: str
    schema: int


class WriteBatch(msgspec.Struct, frozen=True, kw_only=True):
    """What one transaction writes, all or nothing."""

    commits: Sequence[Commit]
    """Consecutive, the first numbered head + 1. Changes of filed kinds and of operations that have ended go to the filed
    records (collection = the kind's name) and not among the live entities."""
    bodies: Sequence[bytes] = ()
    """The commits as `encode_commit` gives them, for who has them at hand: one for each, or none at all."""
    records: Sequence[Record] = ()
    idempotency: Sequence[IdempotencyRecord] = ()
    private: dict[str, bytes | None] = {}
    """Values kept outside the log and the view, by key; None deletes."""


class Transaction(Protocol):
    """One attempt to write. `head` comes first: it takes the store's write lock and brings nothing but where it stands."""

    async def head(self, *, after: int | None = None) -> Head:
        """Takes the write lock, then reads where the store stands.

        `after`: commits after this revision will be asked for next, so that they may be read along.
        """
        ...

    async def commits_after(self, revision: int) -> Sequence[Commit]:
        """Commits made by others since, in order; under the lock nothing can be added to them."""
        ...

    async def done_before(self, draft_ids: Sequence[str]) -> dict[str, int]:
        """Revisions of those drafts that were committed already."""
        ...

    async def idempotency(self, keys: Sequence[str]) -> dict[str, IdempotencyRecord]:
        """What the keys made before."""
        ...

    async def write(self, batch: WriteBatch) -> None:
        """Writes the batch; it is durable once the transaction's context ends without an exception."""
        ...


class RecordPage(msgspec.Struct, frozen=True, kw_only=True):
    """Which filed records to read: newest first unless `ascending`."""

    collection: str
    tenant_ids: Sequence[str | None] | None = None
    """Only those that concern one of these (None among them: the installation); None: all."""
    subject_id: str | None = None
    after_id: str | None = None
    """Those that follow this id in the order asked for."""
    before_id: str | None = None
    """Those that come before this id in the order asked for."""
    at_from: int | None = None
    """Those made at this time or later, UTC milliseconds."""
    at_until: int | None = None
    """Those made before this time. No index has times: whoever asks for a range of them bounds the ids as well."""
    ids: Sequence[str] | None = None
    """Only these."""
    but_ids: Sequence[str] = ()
    """Not these."""
    limit: int = 100
    ascending: bool = False


class Loaded(Protocol):
    """A graph as it is read at start: the state's own revision, then the live entities in batches."""

    head: Head
    counters: dict[str, int]

    def batches(self) -> AsyncIterator[Sequence[Entity]]:
        """The live entities. Entities may be newer than `head.revision` by commits that are then replayed after it."""
        ...


class Store(Protocol):
    """What keeps the graph. All methods raise StoreUnavailable when it is away."""

    name: str
    """`sqlite` or `neo4j`, for people."""
    shared: bool
    """Whether other processes may write it too; then commits are followed by polling."""

    async def open(self) -> Head:
        """Connects, migrates (idempotent; any process may) and says where the store stands.

        Raises StoreOwned when another process owns it.
        """
        ...

    async def load(self, *, within: Transaction | None = None) -> Loaded:
        """Begins to read the live graph. `within` is a transaction of the caller that has read where the store stands."""
        ...

    def begin(self) -> AbstractAsyncContextManager[Transaction]:
        """A transaction: committed when the context ends without an exception, else rolled back.

        Leaving it raises UnknownOutcome when the reply to COMMIT was lost, StoreUnavailable when it certainly failed.
        """
        ...

    async def commits_after(self, revision: int, *, limit: int = 1_000) -> Sequence[Commit]:
        """Commits after a revision, gapless and in order. Raises Compacted when they are no longer kept."""
        ...

    async def records(self, page: RecordPage) -> Sequence[Record]:
        """A page of filed records."""
        ...

    async def count_records(self, page: RecordPage) -> int:
        """How many filed records the page would hold; its limit bounds the counting and may be any number."""
        ...

    async def record(self, collection: str, record_id: str) -> Record | None:
        """One filed record."""
        ...

    async def private(self, key: str) -> bytes | None:
        """A value kept outside the log."""
        ...

    async def put_ephemeral(self, key: str, value: bytes, *, expires_at: int) -> None:
        """Keeps what is never a commit (sessions, one-time sign-in links) until a time in UTC milliseconds."""
        ...

    async def ephemeral(self, key: str, *, now: int) -> bytes | None:
        """Such a value, unless it has expired by `now`."""
        ...

    async def take_ephemeral(self, key: str, *, now: int) -> bytes | None:
        """Reads and removes it in one step: of several takers one gets it."""
        ...

    async def drop_ephemeral(self, *, prefix: str) -> None:
        """Removes every such value whose key begins so."""
        ...

    async def compact(self, *, keep_commits: int, keep_after: int) -> int:
        """Drops commits that are older than `keep_after` (UTC ms) or beyond the newest `keep_commits`; says how many."""
        ...

    async def prune(self, collection: str, *, before: int) -> int:
        """Drops filed records (or, for `idempotency` and `ephemeral`, those) that are older than UTC ms; says how many."""
        ...

    async def subjects(self, collection: str, *, after: str = "", limit: int = 1_000) -> Sequence[str]:
        """What the records of a collection are about: subjects that sort behind `after`, ascending, each once."""
        ...

    async def prune_subject(
        self,
        collection: str,
        subject_id: str,
        *,
        newest: int = 0,
        before_id: str | None = None,
        keep_ids: Sequence[str] = (),
    ) -> int:
        """Drops filed records about one subject, but for its `newest` newest ones, those whose id is not below
        `before_id`, and `keep_ids`; says how many."""
        ...

    async def backup(self, target: Path) -> None:
        """Streams a consistent copy while the store is in use. A store whose server does that itself says so."""
        ...

    async def new_epoch(self) -> str:
        """Gives the graph a new epoch, as after a restore: older cursors and minimum revisions are refused."""
        ...

    async def close(self) -> None:
        """Lets go of it."""
        ...
