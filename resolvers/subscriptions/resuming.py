"""What all live queries share: where a client resumes, and the commits between there and now.

A live query serves a whole group, so it keeps the rights of its members (`Viewer.impersonal`) and asks for the present view
each time; it never keeps anybody's own view.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import strawberry

from access.visible import VisibleView
from graph.change import Commit, total_changes
from graph.store import Compacted, StoreProblem
from resolvers.context import Context, Services
from resolvers.live import LiveEvent, LiveQuery, Resync
from resolvers.problems import RequestProblem
from schema import cursors

MAX_CATCH_UP_CHANGES = 50_000
MAX_EVENT_CHANGES = 2_000
RESTORED = "the graph was restored since this cursor"


class GraphQuery(LiveQuery):
    """A live query over the commits of the graph."""

    def __init__(self, context: Context, *, after: Any, max_rate_hz: float = 10.0) -> None:
        self.services: Services = context.services
        self._rights = context.viewer.impersonal
        self.max_rate_hz = max_rate_hz
        if after is strawberry.UNSET or after is None:
            return
        try:
            epoch, revision = cursors.decode(after)
        except ValueError as problem:
            raise RequestProblem("BAD_USER_INPUT", str(problem), remedy="subscribe without `after`") from None
        if epoch != self.epoch:
            self.resync_first = RESTORED
        else:
            self.after = revision

    @property
    def epoch(self) -> str:
        """The graph's present epoch."""
        return self.services.ledger.view.epoch

    @property
    def view(self) -> VisibleView:
        """The present graph as far as the group may see it."""
        return VisibleView(self.services.ledger.view, self._rights)

    def cursor(self, revision: int) -> str:
        """The cursor of a revision."""
        return cursors.encode(self.epoch, revision)

    async def catch_up(self, after: int, upto: int) -> Sequence[LiveEvent] | Resync:
        """The events in (after, upto], from memory or the store's log; a Resync when that is too much or no longer kept."""
        commits: list[Commit] = []
        at = after
        while at < upto:
            try:
                more = [one for one in await self.services.ledger.commits_after(at) if one.revision <= upto]
            except Compacted:
                return Resync("the commits since this cursor are no longer kept")
            except StoreProblem:
                return Resync("the store does not answer and the commits since this cursor are no longer in memory")
            if not more:
                return Resync("the commits since this cursor are not complete")
            commits.extend(more)
            at = more[-1].revision
            if total_changes(commits) > MAX_CATCH_UP_CHANGES:
                return Resync("there were too many changes since this cursor")
        return self.delta(commits, follows=after) if commits else ()


def parts(commits: Sequence[Commit]) -> list[Sequence[Commit]]:
    """Consecutive commits in parts of at most so many changes that an event stays small; a commit is never split."""
    out: list[list[Commit]] = []
    size = MAX_EVENT_CHANGES
    for commit in commits:
        if size + len(commit.changes) > MAX_EVENT_CHANGES:
            out.append([])
            size = 0
        out[-1].append(commit)
        size += len(commit.changes)
    return list(out)
