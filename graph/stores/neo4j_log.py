"""The log of commits in the graph: `(:Commit {revision, id, at, author, action, body})`, found by revision, not by a chain.

Readers see what is committed at each moment, so a page that is read while others commit or compact may have holes.
Revisions are gapless, hence a hole is seen: what follows one is left for the next read, and a hole at the start is either
compaction, which is written to `Meta.compacted` in the transaction that removes, or gone when read again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from graph.change import Commit, decode_commit, encode_commit
from graph.store import Compacted, StoreProblem

SMALL_BYTES = 32 * 1024
"""Commits up to this size are read together, larger ones one by one, so that no answer grows beyond some 32 MiB."""
MOST_COMMITS = 1_000
MOST_BYTES = 32 * 1024 * 1024
COMMITS_A_DELETION = 2_000
READS = 5

DONE = "UNWIND $ids AS id MATCH (c:Commit {id: id}) RETURN collect([c.id, c.revision]) AS done"
ROWS = f"collect([c.revision, c.size, CASE WHEN c.size <= {SMALL_BYTES} THEN c.body END])"
"""Commits `c`, in order, for `decoded`."""
_AFTER = f"""
MATCH (m:Meta {{key: 'graph'}})
WITH m.compacted AS compacted
CALL () {{
  MATCH (c:Commit) WHERE c.revision > $after AND c.revision <= $until
  WITH c ORDER BY c.revision LIMIT $limit
  RETURN {ROWS} AS found
}}
RETURN [compacted, found] AS page
"""
_BODY = "MATCH (c:Commit {revision: $revision}) RETURN c.body AS body"
KEPT = """
MATCH (m:Meta {key: 'graph'}) OPTIONAL MATCH (c:Commit {revision: $revision})
RETURN [m.compacted, m.revision, c.at] AS kept
"""
COMPACT = """
MATCH (m:Meta {key: 'graph'}) WHERE m.compacted < $until
SET m.compacted = $until
WITH m MATCH (c:Commit) WHERE c.revision <= $until
DELETE c RETURN count(*) AS removed
"""


class Asks(Protocol):
    """Asks one statement: in a transaction under way, or in one of its own."""

    async def __call__(self, text: str, /, **parameters: Any) -> Any:
        """The one value that is answered."""
        ...


def row_of(commit: Commit) -> dict[str, Any]:
    """A commit as the properties of its node."""
    body = encode_commit(commit)
    return {
        "revision": commit.revision,
        "id": commit.draft_id,
        "at": commit.at,
        "author": commit.author,
        "action": commit.action,
        "size": len(body),
        "body": body.decode(),
    }


async def commits_after(ask: Asks, revision: int, *, limit: int) -> Sequence[Commit]:
    """Commits after a revision, gapless and in order; a page ends at 1,000 commits or 32 MiB. Raises Compacted."""
    limit = max(0, min(limit, MOST_COMMITS))
    for attempt in range(READS):
        compacted, found = await ask(_AFTER, after=revision, until=revision + limit, limit=limit)
        if found and found[0][0] == revision + 1:
            return await decoded(ask, found, after=revision)
        if compacted > revision:
            raise Compacted(asked=revision, oldest=compacted)
        if not found:
            return ()
        await asyncio.sleep(0.005 * (attempt + 1))
    raise StoreProblem(
        f"the log has no commit {revision + 1}, though later ones are there: restore the graph from a backup"
    )


async def last_to_drop(ask: Asks, *, keep_commits: int, keep_after: int) -> tuple[int, int]:
    """Up to which revision the log is dropped, and up to which it was before.

    Times rise with revisions, so the last commit before `keep_after` is found by halving, without an index of times.
    """
    compacted, head, _ = await ask(KEPT, revision=0)
    low, high = compacted, head
    while low < high:
        middle = (low + high + 1) // 2
        compacted, _, at = await ask(KEPT, revision=middle)
        if at is None or at < keep_after:  # none: another process has just dropped it
            low = middle
        else:
            high = middle - 1
    return min(head, max(low, head - keep_commits)), compacted


async def decoded(ask: Asks, found: Sequence[Sequence[Any]], *, after: int) -> Sequence[Commit]:
    """The commits that were read as rows, from the one after a revision up to a gap or 32 MiB."""
    commits: list[Commit] = []
    total = 0
    for number, size, body in found:
        total += size
        if number != after + 1 or (commits and total > MOST_BYTES):
            break
        if body is None:
            body = await ask(_BODY, revision=number)
            if body is None:  # compacted meanwhile: the next read says so
                break
        try:
            commits.append(decode_commit(body))
        except (msgspec.DecodeError, KeyError) as problem:
            raise StoreProblem(f"commit {number} cannot be read: {problem}") from problem
        after = number
    return commits
