"""The shared store: a real property graph in Neo4j 5.26 or newer, that any number of server processes write.

A transaction takes the write lock on the one `Meta` node before it reads anything. Neo4j's isolation is read-committed:
were what is checked read first, two processes would both find it free. Then the ledger checks its guards, and the group is
applied by UNWIND, one statement for each kind and sort of change. Each says how many rows it wrote, and a transaction that
wrote fewer than it should is not committed.

What the graph looks like is in docs/neo4j.md; `neo4j_mapping` and `neo4j_statements` derive it from the kinds.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec
import structlog

from graph.change import Commit, IdempotencyRecord, Record
from graph.filing import filing
from graph.identifiers import new_ulid
from graph.store import (
    SCHEMA_NUMBER,
    Head,
    Loaded,
    RecordPage,
    SchemaTooNew,
    StoreProblem,
    StoreUnavailable,
    WriteBatch,
)
from graph.stores import neo4j_log as commit_log
from graph.stores import neo4j_records as filed
from graph.stores.neo4j_client import ATTEMPTS, Begun, Client, Timeouts, address
from graph.stores.neo4j_faults import FAULTS, may_pass, translated, translated_at_commit
from graph.stores.neo4j_load import Loading
from graph.stores.neo4j_migration import migrate
from graph.stores.neo4j_plan import Step, entity_steps, packed
from graph.stores.neo4j_statements import apart, lists

log = structlog.get_logger(__name__)

_LOCK = (
    "MATCH (m:Meta {key: 'graph'}) SET m.writer = $writer WITH m RETURN [m.revision, m.at, m.epoch, m.schema] AS head"
)
_HEAD = "MATCH (m:Meta {key: 'graph'}) RETURN [m.revision, m.at, m.epoch, m.schema] AS head"
_EPOCH = "MATCH (m:Meta {key: 'graph'}) SET m.epoch = $epoch RETURN count(*) AS written"

_IDEMPOTENCY = (
    "UNWIND $keys AS key MATCH (n:Idempotency {key: key})"
    " RETURN collect([n.key, n.body_digest, n.result, n.revision, n.at]) AS found"
)
_LOG = lists(
    {
        "commits": "CREATE (n:Commit) SET n = row",
        "records": "MERGE (n:Record {collection: row.collection, id: row.id}) SET n = row",
        "idempotency": "CREATE (n:Idempotency) SET n = row",
        "counters": "MERGE (n:Counter {key: row.key}) SET n.value = row.value",
    },
    before="MATCH (m:Meta {key: 'graph'}) WHERE m.revision = $was SET m.revision = $revision, m.at = $at WITH m",
)
"""What nearly every batch writes beside the live entities, and the counter, in one statement."""
_RARE = apart(
    {
        "unfiled": "OPTIONAL MATCH (n:Record {collection: row.collection, id: row.id}) DELETE n",
        "private": "MERGE (n:Private {key: row.key}) SET n.value = row.value",
        "unprivate": "OPTIONAL MATCH (n:Private {key: row.key}) DELETE n",
    }
)

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
            return await self._head()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.close()

    async def _head(self) -> Head:
        found = await self._client.ask(_HEAD)
        if found is None:
            raise StoreProblem(f"{self._at.url} holds no graph any more: restart the server to make an empty one")
        return Head(*found)

    # Writing

    def begin(self) -> _Neo4jTransaction:
        """A transaction; nothing is sent before `head`."""
        return _Neo4jTransaction(self._client, writer=self._ticket())

    def _ticket(self) -> str:
        """A value that `Meta.writer` has not now, so that setting it takes the lock; it also says who holds it."""
        self._tickets += 1
        return f"{self._writer}:{self._tickets}"

    # Reading

    async def load(self) -> Loaded:
        """Begins to read the live graph. What is committed while its batches are read must be replayed after it."""
        head = await self._head()
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

    async def _remove_all(self, text: str, **parameters: Any) -> int:
        removed = 0
        while True:
            step: int = await self._client.ask(text, size=filed.ROWS_A_DELETION, **parameters)
            removed += step
            if step < filed.ROWS_A_DELETION:
                return removed

    async def backup(self, target: Path) -> None:
        """Always raises StoreProblem: a Neo4j server makes its own backups; the text says how."""
        raise StoreProblem(
            f"Neo4j backs itself up. Community: stop it, then `neo4j-admin database dump {self._at.database}"
            f" --to-path={target.parent}`; Enterprise, while it runs: `neo4j-admin database backup {self._at.database}"
            f" --to-path={target.parent}`. After a restore give the graph a new epoch"
        )

    async def new_epoch(self) -> str:
        """Gives the graph a new epoch: older cursors and minimum revisions are refused."""
        epoch = new_ulid()
        async with self.begin() as transaction:
            await transaction.put_epoch(epoch)
        return epoch


class _Neo4jTransaction:
    """One attempt to write. The lock is held from `head` to the end of the context."""

    def __init__(self, client: Client, *, writer: str) -> None:
        self._client = client
        self._writer = writer
        self._where = client.address.url
        self._context: contextlib.AbstractAsyncContextManager[Begun] | None = None
        self._begun: Begun | None = None
        self._head: Head | None = None
        self._wrote = False

    async def __aenter__(self) -> _Neo4jTransaction:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        begun, context = self._begun, self._context
        self._begun = self._context = None
        if begun is None or context is None:
            return
        try:
            if kind is None and self._wrote:
                await begun.commit(seconds=self._client.timeouts.commit)
        except FAULTS as lost:
            reason = translated_at_commit(lost, where=self._where)
            log.warning("store.commit_failed", url=self._where, problem=str(reason))
            raise reason from lost
        finally:
            await context.__aexit__(kind, problem, trace)

    async def head(self) -> Head:
        """Takes the write lock, then reads where the store stands.

        Raises StoreUnavailable when another transaction holds the lock for 20 s.
        """
        if self._head is not None:
            return self._head
        for attempt in range(1, ATTEMPTS + 1):
            try:
                found = await self._lock()
                break
            except FAULTS as problem:  # a pooled connection that a restart has cut, say: nothing was done yet
                if attempt == ATTEMPTS or not may_pass(problem):
                    raise translated(problem, where=self._where) from problem
            await asyncio.sleep(0.05 * attempt)
        if found is None:
            raise StoreProblem(f"{self._where} holds no graph any more: restart the server to make an empty one")
        self._head = Head(*found)
        return self._head

    async def _lock(self) -> Any:
        context = self._client.begun()
        begun = await context.__aenter__()
        try:
            found = await begun.ask(_LOCK, seconds=self._client.timeouts.lock, writer=self._writer)
        except BaseException as problem:
            await context.__aexit__(type(problem), problem, problem.__traceback__)
            raise
        self._context, self._begun = context, begun
        return found

    async def ask(self, text: str, /, **parameters: Any) -> Any:
        """The one value that a statement of this transaction answers."""
        if self._begun is None:
            raise StoreUnavailable("the transaction holds no lock: `head` comes first")
        try:
            return await self._begun.ask(text, seconds=self._client.timeouts.statement, **parameters)
        except FAULTS as problem:
            raise translated(problem, where=self._where) from problem

    async def commits_after(self, revision: int) -> Sequence[Commit]:
        """Commits made by others since, in order; a page at a time."""
        return await commit_log.commits_after(self.ask, revision, limit=commit_log.MOST_COMMITS)

    async def done_before(self, draft_ids: Sequence[str]) -> dict[str, int]:
        """Revisions of those drafts that were committed already."""
        return dict(await self.ask(commit_log.DONE, ids=list(draft_ids)))

    async def idempotency(self, keys: Sequence[str]) -> dict[str, IdempotencyRecord]:
        """What the keys made before."""
        return {
            key: IdempotencyRecord(
                key=key, body_digest=digest, result=msgspec.Raw(result.encode()), revision=revision, at=at
            )
            for key, digest, result, revision, at in await self.ask(_IDEMPOTENCY, keys=list(dict.fromkeys(keys)))
        }

    async def _writable(self) -> Head:
        head = await self.head()
        if head.schema > SCHEMA_NUMBER:
            raise SchemaTooNew(
                f"{self._where} has schema {head.schema} and this version writes {SCHEMA_NUMBER}: upgrade it"
            )
        self._wrote = True
        return head

    async def put_epoch(self, epoch: str) -> None:
        """Writes a new epoch."""
        await self._writable()
        await self.ask(_EPOCH, epoch=epoch)

    async def write(self, batch: WriteBatch) -> None:
        """Writes the batch; it is durable once the transaction's context ends without an exception."""
        head = await self._writable()
        if [one.revision for one in batch.commits] != list(
            range(head.revision + 1, head.revision + 1 + len(batch.commits))
        ):
            raise StoreProblem(f"commits that do not follow revision {head.revision} were to be written")
        for step in entity_steps(batch.commits):
            await self._take(step)
        revision, at = head.revision, head.at
        if batch.commits:
            revision, at = batch.commits[-1].revision, batch.commits[-1].at
        was, rows = head.revision, _kept_rows(batch)
        for statement in _RARE:
            for step in packed(statement, rows):
                await self._take(step)
        for step in packed(_LOG, rows):
            await self._take(step, was=was, revision=revision, at=at)
            was = revision

    async def _take(self, step: Step, **parameters: Any) -> None:
        """Runs a step. Raises StoreProblem when it wrote another number of rows."""
        written = await self.ask(step.text, **step.lists, **parameters)
        if written != step.expected:
            what = "it stands at another revision" if written is None else f"{written} of {step.expected} rows"
            raise StoreProblem(
                f"the database does not hold what the log says, nothing was committed: {what} for the lists"
                f" {list(step.lists)} of `{step.text}`. Something else has written to it: restore it from a backup"
            )


def _kept_rows(batch: WriteBatch) -> dict[str, list[dict[str, Any]]]:
    """What is kept of a batch beside the live entities, by the lists of _LOG and _RARE."""
    effect = filing(batch.commits)
    counters: dict[str, int] = {}
    for commit in batch.commits:
        for key, value in commit.counters.items():
            counters[key] = max(value, counters.get(key, 0))
    return {
        "commits": [commit_log.row_of(one) for one in batch.commits],
        "records": [filed.row_of(one) for one in (*effect.records.values(), *batch.records)],
        "unfiled": [{"collection": collection, "id": key} for key, collection in effect.records_gone.items()],
        "idempotency": [_idempotency_row(one) for one in batch.idempotency],
        "private": [{"key": key, "value": value} for key, value in batch.private.items() if value is not None],
        "unprivate": [{"key": key} for key, value in batch.private.items() if value is None],
        "counters": [{"key": key, "value": value} for key, value in counters.items()],
    }


def _idempotency_row(record: IdempotencyRecord) -> dict[str, Any]:
    return {
        "key": record.key,
        "body_digest": record.body_digest,
        "result": bytes(record.result).decode(),
        "revision": record.revision,
        "at": record.at,
    }
