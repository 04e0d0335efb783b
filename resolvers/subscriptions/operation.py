"""`operation`: one operation until it has ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import strawberry

from access.permissions import Permission, declare_root
from graph.change import Commit
from graph.entity import Entity
from graph.kinds import Operation
from resolvers.context import Context
from resolvers.live import LiveEvent, as_stream
from resolvers.problems import RequestProblem
from resolvers.queries.records import operation_by_id
from resolvers.subscriptions.resuming import GraphQuery
from schema.vocabulary import Member, subscription_field


class OperationQuery(GraphQuery):
    """The live query of `operation`: whole values, the last of which has ended."""

    def __init__(self, context: Context, operation: Operation) -> None:
        super().__init__(context, after=None)
        self._id = operation.id
        self._last = operation
        self.key = ("operation", operation.id)

    def snapshot(self) -> tuple[object | None, int]:
        """The operation as it is now."""
        found = self.services.ledger.view.get(self._id)
        if isinstance(found, Operation):
            self._last = found
        return self._last, self.services.ledger.view.revision

    def delta(self, commits: Sequence[Commit], *, follows: int) -> Sequence[LiveEvent]:
        """The operation's newest value, when it changed."""
        newest: Entity | None = None
        for commit in commits:
            for change in commit.changes:
                if change.id == self._id and change.after is not None:
                    newest = change.after
        if not isinstance(newest, Operation):
            return ()
        self._last = newest
        return ((newest, commits[-1].revision),)

    def ended(self) -> bool:
        """Whether the operation has."""
        return self._last.ended


def operation_field() -> Member:
    """The subscription field."""
    declare_root("Subscription", "operation", Permission.SIGNED_IN)

    async def subscribe(source: Any, info: Any, *, id: str) -> Any:
        context: Context = info.context
        found = await operation_by_id(context, id)
        if not isinstance(found, Operation):
            raise RequestProblem("NOT_FOUND", f"there is no operation {id!r}", remedy="check the id")
        return as_stream(OperationQuery(context, found))

    return (
        None,
        subscription_field(
            subscribe,
            yields="Operation",
            description="An operation at once and whenever it changes; completes when it has ended.",
            arguments={"id": ("ID", strawberry.UNSET, "The operation's id.")},
        ),
    )
