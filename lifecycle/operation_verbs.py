"""What can be asked of operations: to be taken back, and to have what was given up begun again.

An operation that has ended is in the store and not in the graph. Whoever asks for one of those is told how it ended, as long
as it is kept, and its releases may be begun again all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from graph.edit import Edit
from graph.kinds import Deployment, Operation
from graph.refusal import NotFound
from graph.request import Committed, Request
from graph.view import get_as
from lifecycle.deadlines import within
from lifecycle.decisions import Deciding, Remember
from lifecycle.deployments import Started, Visible
from lifecycle.operations import cancel_operation, ended, retry_operation, running_operation

Cancelled = tuple[Operation, Deployment | None]


class OperationVerbs(Deciding):
    """The verbs of one lifecycle."""

    async def cancel(
        self, operation_id: str, request: Request, *, visible: Visible, remember: Remember[Cancelled] | None = None
    ) -> Committed[Cancelled]:
        """Takes back what an operation does: to the last good state, or to nothing.

        Gives the operation, and the deployment that it works on if any.
        Raises NotFound, InvalidState, Unplaceable, CapacityGone, or what the ledger raises.
        """

        async def attempt(anew: bool) -> Callable[[Edit], Cancelled]:
            reader = visible(self._ledger.view)
            try:
                operation = running_operation(reader, operation_id)
            except NotFound:
                raise ended(await self._decisions.filed_operation(operation_id, visible=visible)) from None
            deployment = reader.get(operation.subject_id or "")
            earlier = None
            if isinstance(deployment, Deployment) and deployment.good is not None:
                # What ran before is where it goes back to; only when that place is taken is it placed anew.
                earlier = await self._decisions.earlier(reader, deployment, anew=anew)
            return partial(
                cancel_operation,
                operation_id=operation_id,
                earlier=earlier,
                visible=visible,
                author=request.author,
            )

        try:
            return await self._decisions.commit_as_filed(attempt, request, remember)
        except NotFound:
            if get_as(self._ledger.view, Operation, operation_id) is not None:
                raise
            # It has ended since it was looked at.
            raise ended(await self._decisions.filed_operation(operation_id, visible=visible)) from None

    async def retry(
        self,
        operation_id: str,
        request: Request,
        *,
        visible: Visible,
        deadline_s: float | None = None,
        remember: Remember[Started] | None = None,
    ) -> Committed[Started]:
        """Starts an operation's quarantined releases again. Raises NotFound or InvalidState."""

        async def attempt() -> Callable[[Edit], Started]:
            reader = visible(self._ledger.view)
            try:
                operation = running_operation(reader, operation_id)
            except NotFound:
                operation = await self._decisions.filed_operation(operation_id, visible=visible)
            change = partial(retry_operation, operation=operation, visible=visible, author=request.author)
            return within(change, deadline_s)

        return await self._decisions.commit(attempt, request, remember)
