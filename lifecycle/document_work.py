"""Work on the operations of large sets: each batch is one commit that also moves its operation on.

So after a crash, or in another process, the work goes on just where it stopped, and no batch is applied twice. A batch is
tried out before its commit like a set of its own, with the rights that whoever asked for it has by now.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
import structlog

from access.viewer import SYSTEM, Viewer, viewer_of
from graph.applying import Action, Outcome
from graph.change import Commit
from graph.document_sets import SetName
from graph.edit import Edit
from graph.kinds import ApiToken, Operation, OperationError, OperationKind, OperationStatus
from graph.ledger import Ledger
from graph.refusal import Refusal
from graph.request import Request
from graph.store import StoreProblem
from graph.view import Reader, each, get_as
from lifecycle.document_batches import COLLECTION, Batch, batch_id
from lifecycle.document_trials import Overtaken, SetRefused, Tried, Wanted

RETRY_S = 2.0
ACTION = "applyDocuments"

log = structlog.get_logger(__name__)


class DocumentWork:
    """Carries on with the operations on documents. A `Follower` of the ledger's view."""

    def __init__(self, ledger: Ledger, *, try_out: Callable[[Wanted, Viewer], Awaitable[Tried]], trials: int) -> None:
        """`trials`: how often a batch that is overtaken is tried anew before it is applied at head as a whole."""
        self._ledger = ledger
        self._try_out = try_out
        self._trials = trials
        self._bell = asyncio.Event()
        self._bell.set()

    def applied(self, commit: Commit) -> None:
        """Rings when an operation on documents began."""
        if any(isinstance(one.after, Operation) and _ours(one.after) for one in commit.changes):
            self._bell.set()

    def reloaded(self) -> None:
        """Rings: there may be operations."""
        self._bell.set()

    async def run(self) -> None:
        """Works until it is cancelled."""
        while True:
            await self._bell.wait()
            self._bell.clear()
            for operation in [one for one in each(self._ledger.view, Operation) if _ours(one)]:
                try:
                    await self._carry_on(operation)
                except (Refusal, StoreProblem) as problem:
                    # The store is away, say: the operation stands where it is and is taken up again.
                    log.warning("documents.waits", operation=operation.id, reason=str(problem))
                    await asyncio.sleep(RETRY_S)
                    self._bell.set()

    async def _carry_on(self, operation: Operation) -> None:
        while True:
            current = self._ledger.view.get(operation.id)
            if not isinstance(current, Operation) or not _ours(current):
                return
            number = current.progress.done
            record = await self._ledger.store.record(COLLECTION, batch_id(operation.id, number))
            if record is None:
                gone = "its documents are not kept any more"
                await self._finish(operation, OperationError(code="NOT_FOUND", message=gone, remedy="apply them again"))
                return
            try:
                await self.apply_batch(operation, number, msgspec.json.decode(record.body, type=Batch))
            except SetRefused as refused:
                await self._finish(operation, _told(refused.outcomes))
                return
            except Refusal as refusal:
                if refusal.retryable:
                    raise
                await self._finish(operation, _error(refusal.code, refusal.message))
                return
            except StoreProblem:
                raise
            except Exception:  # a bug ends its own operation, and not the work on all others
                log.exception("documents.step_failed", operation=operation.id, batch=number)
                await self._finish(operation, _error("INTERNAL", "internal error: the server's log tells more"))
                return

    async def apply_batch(self, operation: Operation, number: int, batch: Batch) -> None:
        """Applies a batch in one commit, unless another process was here. Raises SetRefused, or another refusal."""
        source = operation.source
        of = SetName(kind=source.kind, name=source.name, tenant_id=batch.tenant_id)
        wanted = Wanted(of=of, documents=batch.documents, removing=batch.deleted_ids)
        request = Request(author=operation.requested_by, action=ACTION, tenant_id=operation.tenant_id, source=source)
        for nth in range(self._trials + 1):
            tried = await self._try_out(wanted, _asker(self._ledger.view, operation, batch))
            whole = nth == self._trials
            if tried.refused and not whole and tried.trial.overtaken(self._ledger.feed):
                continue
            try:
                await self._ledger.commit(self._step(operation, number, batch, tried, whole=whole), request)
                return
            except Overtaken:
                if whole:
                    raise

    def _step(
        self, operation: Operation, number: int, batch: Batch, tried: Tried, *, whole: bool
    ) -> Callable[[Edit], None]:
        def change(edit: Edit) -> None:
            current = edit.get(operation.id)
            if not isinstance(current, Operation) or not _ours(current) or current.progress.done != number:
                return  # another process was here
            if tried.refused and not whole:
                raise SetRefused(tried.outcomes)
            viewer = _asker(edit, current, batch)
            if whole:
                tried.whole_at_head(edit, viewer)
            else:
                tried.at_head(edit, viewer, self._ledger)
            done = number + 1
            finished = done == current.progress.total
            progress = msgspec.structs.replace(current.progress, done=done)
            ending: dict[str, Any] = {"status": OperationStatus.SUCCEEDED, "finished_at": edit.at} if finished else {}
            edit.replace(current, progress=progress, **ending)

        return change

    async def _finish(self, operation: Operation, error: OperationError) -> None:
        def change(edit: Edit) -> None:
            current = edit.get(operation.id)
            if isinstance(current, Operation) and _ours(current):
                status = OperationStatus.PARTIAL if current.progress.done else OperationStatus.FAILED
                edit.replace(current, status=status, error=error, finished_at=edit.at)

        request = Request(author=operation.requested_by, action=ACTION, tenant_id=operation.tenant_id)
        await self._ledger.commit(change, request)


class AskerGone(Refusal):
    """Who asked for an operation may not any more."""

    code = "FORBIDDEN"

    def __init__(self) -> None:
        super().__init__("who asked for it may not any more")


def _asker(reader: Reader, operation: Operation, batch: Batch) -> Viewer:
    """Who asked for it, with the rights of now. Raises AskerGone."""
    if operation.requested_by == SYSTEM.id:
        return SYSTEM
    token = get_as(reader, ApiToken, batch.token_id)
    viewer = None
    if batch.token_id is None or token is not None:
        viewer = viewer_of(reader, operation.requested_by, token=token)
    if viewer is None:
        raise AskerGone
    return viewer


def _told(outcomes: Sequence[Outcome]) -> OperationError:
    refused = [one for one in outcomes if one.action is Action.REFUSED]
    first = refused[0]
    message = first.error.message if first.error is not None else "refused"
    more = f" (and {len(refused) - 1} more in its batch)" if len(refused) > 1 else ""
    return _error("DOCUMENT_REFUSED", f"{first.where or first.kind} {first.name}: {message}{more}")


def _error(code: str, message: str) -> OperationError:
    return OperationError(
        code=code,
        message=message,
        remedy="mend it and apply the set again: what is applied already stays and is skipped",
    )


def _ours(operation: Operation) -> bool:
    return operation.kind is OperationKind.APPLY_DOCUMENTS and operation.status is OperationStatus.RUNNING
