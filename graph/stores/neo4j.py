"""The shared store: a real property graph in Neo4j 5.26 or newer, that any number of server processes write.

All processes write under one lock (`neo4j_transaction`) and follow each other by reading the log (`neo4j_log`). What is
never a commit, such as sessions, is written without the lock.

What the graph looks like is in docs/neo4j.md; `neo4j_mapping` and `neo4j_statements` derive it from the kinds.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from graph.change import Commit, Record
from graph.identifiers import new_ulid
from graph.store import Head, Loaded, RecordPage, StoreProblem, Transaction
from graph.stores import neo4j_log as commit_log
from graph.stores import neo4j_records as filed
from graph.stores.neo4j_client import Client, Timeouts, address
from graph.stores.neo4j_faults import FAULTS, translated
from graph.stores.neo4j_load import Loading
from graph.stores.neo4j_migration import migrate
from graph.stores.neo4j_transaction import Neo4jTransaction

_HEAD = "MATCH (m:Meta {key: 'graph'}) RETURN [m.revision, m.at, m.epoch, m.schema] AS head"
_PRIVATE = "MATCH (n:Private {key: $key}) RETURN n.value AS value"

_PUT_EPHEMERAL = (
    "MERGE (n:Ephemeral {key: $key}) SET n.value = $value, n.expires_at = $expires_at RETURN count(*) AS written"
)
_EPHEMERAL = "MATCH (n:Ephemeral {key: $key}) WHERE n.expires_at > $now RETURN n.value AS value"
_DROP_EPHEMERAL = (
    "MATCH (n:Ephemeral) WHERE n.key STARTS WITH $prefix WITH n LIMIT $size DELETE n RETURN count(*) AS removed"
)
# Takers of one key meet at a lock, on a node that outlives what they take: the second finds nothing.
_TAKE_LOCK = "MERGE (m:Meta {key: 'takers'}) SET m.taker = $taker RETURN 1 AS locked"
_TAKE = (
    "MATCH (n:Ephemeral {key: $key}) WITH n, n.value AS value, n.expires_at AS expires_at"
    " DELETE n RETURN [value, expires_at] AS taken"
)


class Neo4jStore:
    """The graph in a Neo4j database.

    `url` is `bolt://host:port` for one server or `neo4j://host:port` for a cluster, with `+s` or `+ssc` for TLS, user and
    password in it or given apart, and the database's name as its path.
    """

    name = "neo4j"
    shared = True

    def __init__(
        self,
        url: str,
        *,
        user: str | None = None,
        password: str | None = None,
        timeouts: Timeouts | None = None,
    ) -> None:
        self._at = address(url, user=user, password=password)
        self._timeouts = timeouts or Timeouts()
        self._writer = f"{socket.gethostname()}:{os.getpid()}:{new_ulid()[-6:]}"
        self._client = Client(self._at, timeouts=self._timeouts, metadata={"app": "edgeatlas", "writer": self._writer})
        self._tickets = 0

    def __repr__(self) -> str:
        return f"Neo4jStore({self._at.url!r}, database={self._at.database!r})"

    async def open(self) -> Head:
        """Connects, makes the constraints and the counter where they are missing, and says where the graph stands.

        Raises StoreUnavailable when no server answers, StoreProblem when it is too old, refuses the user, or holds nodes
        of another program.
        """
        await self._client.connect()
        try:
            await migrate(self._client)
            found = await self._client.ask(_HEAD)
            if found is None:
                raise StoreProblem(f"{self._at.url} holds no graph any more: restart the server to make an empty one")
            return Head(*found)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.close()

    # Writing

    def begin(self) -> Neo4jTransaction:
        """A transaction; nothing is sent before `head`."""
        return Neo4jTransaction(self._client, writer=self._ticket())

    def _ticket(self) -> str:
        """A value that `Meta.writer` has not now, so that setting it takes the lock; it also says who holds it."""
        self._tickets += 1
        return f"{self._writer}:{self._tickets}"

    # Reading

    async def load(self, *, within: Transaction | None = None) -> Loaded:
        """Begins to read the live graph. What is committed while its batches are read must be replayed after it.

        Where it stands is read under the writers' lock: a commit's `Meta` can be seen a moment before the indexes and counts
        by which its entities are found, and the lock is had only when both are there. The transaction `within` which it is
        read has the lock already.
        """
        if within is not None:
            return await Loading.begin(self._client, await within.head())
        async with self.begin() as settled:
            head = await settled.head()
        return await Loading.begin(self._client, head)

    async def commits_after(self, revision: int, *, limit: int = 1_000) -> Sequence[Commit]:
        """Commits after a revision, gapless and in order; a page also ends at 32 MiB. Raises Compacted."""
        return await commit_log.commits_after(self._client.ask, revision, limit=limit)

    async def records(self, page: RecordPage) -> Sequence[Record]:
        """A page of filed records, at most 10,000."""
        if page.tenant_ids is not None and not page.tenant_ids:
            return ()
        text, parameters = filed.page_statement(page)
        rows = await self._client.ask(text, **parameters)
        return [filed.record_of(page.collection, row) for row in rows]

    async def count_records(self, page: RecordPage) -> int:
        """How many filed records the page would hold, up to its limit."""
        if page.tenant_ids is not None and not page.tenant_ids:
            return 0
        text, parameters = filed.count_statement(page)
        counted: int = await self._client.ask(text, **parameters)
        return counted

    async def record(self, collection: str, record_id: str) -> Record | None:
        """One filed record."""
        row = await self._client.ask(filed.ONE, collection=collection, id=record_id)
        return None if row is None else filed.record_of(collection, row)

    async def private(self, key: str) -> bytes | None:
        """A value kept outside the log."""
        value = await self._client.ask(_PRIVATE, key=key)
        return None if value is None else bytes(value)

    # What is never a commit

    async def put_ephemeral(self, key: str, value: bytes, *, expires_at: int) -> None:
        """Keeps a value until a time in UTC milliseconds; one that exists is replaced."""
        await self._client.ask(_PUT_EPHEMERAL, key=key, value=value, expires_at=expires_at)

    async def ephemeral(self, key: str, *, now: int) -> bytes | None:
        """Such a value, unless it has expired by `now`."""
        value = await self._client.ask(_EPHEMERAL, key=key, now=now)
        return None if value is None else bytes(value)

    async def take_ephemeral(self, key: str, *, now: int) -> bytes | None:
        """Reads and removes it in one step: of several takers one gets it.

        When the reply is lost the value may be gone: StoreUnavailable is raised and the taker asks for a new one.
        """
        try:
            async with self._client.begun() as begun:
                await begun.ask(_TAKE_LOCK, seconds=self._timeouts.lock, taker=self._ticket())
                taken = await begun.ask(_TAKE, seconds=self._timeouts.statement, key=key)
                await begun.commit(seconds=self._timeouts.commit)
        except FAULTS as problem:
            raise translated(problem, where=self._at.url) from problem
        return bytes(taken[0]) if taken is not None and taken[1] > now else None

    async def drop_ephemeral(self, *, prefix: str) -> None:
        """Removes every such value whose key begins so."""
        await self._remove_all(_DROP_EPHEMERAL, prefix=prefix)

    # Housekeeping

    async def compact(self, *, keep_commits: int, keep_after: int) -> int:
        """Drops commits that are older than `keep_after` (UTC ms) or beyond the newest `keep_commits`; says how many."""
        target, compacted = await commit_log.last_to_drop(
            self._client.ask, keep_commits=keep_commits, keep_after=keep_after
        )
        dropped = 0
        while compacted < target:
            compacted = min(compacted + commit_log.COMMITS_A_DELETION, target)
            dropped += await self._client.ask(commit_log.COMPACT, until=compacted)
        return dropped

    async def prune(self, collection: str, *, before: int) -> int:
        """Drops filed records (or, for `idempotency` and `ephemeral`, those) that are older than UTC ms; says how many."""
        if collection in filed.PRUNE:
            return await self._remove_all(filed.PRUNE[collection], before=before)
        return await self._remove_all(filed.PRUNE_RECORDS, collection=collection, before=before)

    async def subjects(self, collection: str, *, after: str = "", limit: int = 1_000) -> Sequence[str]:
        """What the records of a collection are about: subjects that sort behind `after`, ascending, each once."""
        found: list[str] = await self._client.ask(
            filed.SUBJECTS, collection=collection, after=after, limit=max(0, limit)
        )
        return found

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
        return await self._remove_all(
            filed.PRUNE_SUBJECT,
            size=filed.SUBJECT_ROWS_A_DELETION,
            collection=collection,
            subject=subject_id,
            newest=max(0, newest),
            before_id=before_id,
            keep_ids=list(keep_ids),
        )

    async def _remove_all(self, text: str, *, size: int = filed.ROWS_A_DELETION, **parameters: Any) -> int:
        removed = 0
        while True:
            step: int = await self._client.ask(text, size=size, **parameters)
            removed += step
            if step < size:
                return removed

    async def backup(self, target: Path) -> None:
        """Always raises StoreProblem: a Neo4j server makes its own backups; the text says how."""
        what = f"{self._at.database} --to-path={target.parent}"
        raise StoreProblem(
            f"Neo4j backs itself up. Community: stop it, `neo4j-admin database dump {what}`, start it. Enterprise, while it"
            f" runs: `neo4j-admin database backup {what}`. After a restore give the graph a new epoch:"
            " `edgeatlas restore --new-epoch`"
        )

    async def new_epoch(self) -> str:
        """Gives the graph a new epoch: older cursors and minimum revisions are refused."""
        epoch = new_ulid()
        async with self.begin() as transaction:
            await transaction.put_epoch(epoch)
        return epoch
