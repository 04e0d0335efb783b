"""One attempt to write, under the lock that all writers of a graph share.

The lock is that of the one `Meta` node, and it is taken before anything is read: Neo4j's isolation is read-committed, and
were what is checked read first, two processes would both find it free. Each step says how many rows it wrote, and a
transaction that wrote fewer than it should is not committed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from types import TracebackType
from typing import Any

import msgspec
import structlog

from graph.change import Commit, IdempotencyRecord
from graph.filing import filing
from graph.store import SCHEMA_NUMBER, Head, SchemaTooNew, StoreProblem, StoreUnavailable, WriteBatch
from graph.stores import neo4j_log as commit_log
from graph.stores import neo4j_records as filed
from graph.stores.neo4j_client import ATTEMPTS, Begun, Client
from graph.stores.neo4j_faults import FAULTS, may_pass, translated, translated_at_commit
from graph.stores.neo4j_plan import Step, packed, plan_of
from graph.stores.neo4j_statements import USUAL, apart, lists

log = structlog.get_logger(__name__)

_LOCK = (
    "MATCH (m:Meta {key: 'graph'}) SET m.writer = $writer WITH m"
    " CALL (m) { MATCH (c:Commit) WHERE c.revision > $after AND c.revision <= $until"
    f" WITH c ORDER BY c.revision RETURN {commit_log.ROWS} AS met }}"
    " RETURN [[m.revision, m.at, m.epoch, m.schema], met] AS head"
)
READ_ALONG = 64
"""So many of the others' commits are read with the lock at most, which saves a round trip while all wait for it."""
_EPOCH = "MATCH (m:Meta {key: 'graph'}) SET m.epoch = $epoch RETURN count(*) AS written"

_IDEMPOTENCY = (
    "UNWIND $keys AS key MATCH (n:Idempotency {key: key})"
    " RETURN collect([n.key, n.body_digest, n.result, n.revision, n.at]) AS found"
)
_KEPT = {
    "commits": "CREATE (n:Commit) SET n = row",
    "records": "MERGE (n:Record {collection: row.collection, id: row.id}) SET n = row",
    "idempotency": "CREATE (n:Idempotency) SET n = row",
    "counters": "MERGE (n:Counter {key: row.key}) SET n.value = row.value",
}
_RISES = "MATCH (m:Meta {key: 'graph'}) WHERE m.revision = $was SET m.revision = $revision, m.at = $at WITH m"
_LOG = lists(_KEPT, before=_RISES)
"""What nearly every batch writes beside the live entities, and the counter, in one statement."""
_USUAL_AND_LOG = lists({**USUAL, **_KEPT}, before=_RISES)
"""The same after what nearly every batch of the lifecycle writes of live entities."""
_RARE = apart(
    {
        "unfiled": "OPTIONAL MATCH (n:Record {collection: row.collection, id: row.id}) DELETE n",
        "private": "MERGE (n:Private {key: row.key}) SET n.value = row.value",
        "unprivate": "OPTIONAL MATCH (n:Private {key: row.key}) DELETE n",
    }
)


class Neo4jTransaction:
    """One attempt to write. The lock is held from `head` to the end of the context."""

    def __init__(self, client: Client, *, writer: str) -> None:
        self._client = client
        self._writer = writer
        self._where = client.address.url
        self._context: contextlib.AbstractAsyncContextManager[Begun] | None = None
        self._begun: Begun | None = None
        self._head: Head | None = None
        self._met: Sequence[Sequence[Any]] = ()
        """The others' commits that were read with the lock."""
        self._wrote = False

    async def __aenter__(self) -> Neo4jTransaction:
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

    async def head(self, *, after: int | None = None) -> Head:
        """Takes the write lock, then reads where the store stands, and along with it the first commits after a revision.

        Raises StoreUnavailable when another transaction holds the lock for 20 s.
        """
        if self._head is not None:
            return self._head
        for attempt in range(1, ATTEMPTS + 1):
            try:
                found = await self._lock(after)
                break
            except FAULTS as problem:  # a pooled connection that a restart has cut, say: nothing was done yet
                if attempt == ATTEMPTS or not may_pass(problem):
                    raise translated(problem, where=self._where) from problem
            await asyncio.sleep(0.05 * attempt)
        if found is None:
            raise StoreProblem(f"{self._where} holds no graph any more: restart the server to make an empty one")
        stands, self._met = found
        self._head = Head(*stands)
        return self._head

    async def _lock(self, after: int | None) -> Any:
        context = self._client.begun()
        begun = await context.__aenter__()
        try:
            along = {"after": 0, "until": 0} if after is None else {"after": after, "until": after + READ_ALONG}
            found = await begun.ask(_LOCK, seconds=self._client.timeouts.lock, writer=self._writer, **along)
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
        met, self._met = self._met, ()
        if met and met[0][0] == revision + 1:
            return await commit_log.decoded(self.ask, met, after=revision)
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
        plan = plan_of(batch.commits)
        for step in plan.steps:
            await self._take(step)
        revision, at = head.revision, head.at
        if batch.commits:
            revision, at = batch.commits[-1].revision, batch.commits[-1].at
        was, rows = head.revision, _kept_rows(batch)
        for statement in _RARE:
            for step in packed(statement, rows):
                await self._take(step)
        for step in packed(_USUAL_AND_LOG if plan.usual else _LOG, {**plan.usual, **rows}):
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
