"""Sets of documents made real: one commit or none where a commit holds them, else an operation of ordered commits.

A set is validated whole before anything is written, in slices that let the event loop breathe. What fits into one
commit is applied at head in one. A larger one is kept as filed records, a batch each, beside its operation; each
batch is one commit that also moves the operation on, so after a crash, or in another process, the work goes on just
where it stopped and no batch is applied twice.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import msgspec
import structlog

from access.permissions import write_permission
from access.viewer import SYSTEM, Viewer, at_head, viewer_of
from access.visible import VisibleView
from graph.applying import Action, Applier, Deployments, Outcome
from graph.change import MAX_CHANGES, Change, Commit, Record
from graph.documents import Document
from graph.edit import Edit
from graph.entity import Entity, Source
from graph.kinds import ApiToken, Operation, OperationError, OperationKind, OperationStatus, Progress
from graph.ledger import Ledger
from graph.refusal import LimitExceeded, Refusal
from graph.request import Committed, Request
from graph.store import StoreProblem
from graph.view import Reader, each, get_as
from lifecycle.document_answers import Applied, again, kept
from lifecycle.document_batches import COLLECTION, Batch, batch_id, batches_of, size_of

SLICE = 64
"""Documents that are validated between two breaths of the event loop."""
ONE_COMMIT_CHANGES = MAX_CHANGES
ONE_COMMIT_BYTES = 6 * 1024 * 1024
"""Somewhat less than a commit's limit, for what a change has around its values."""
MAX_SET_CHANGES = 1_000_000
RETRY_S = 2.0

__all__ = ["COLLECTION", "Applied", "DocumentSets", "Rights"]

log = structlog.get_logger(__name__)


class Rights:
    """A viewer's rights, as the applier asks for them."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer

    def reader(self, edit: Reader) -> Reader:
        """What the viewer sees."""
        return VisibleView(edit, self._viewer)

    def check(self, entity: Entity, *, make: bool) -> None:
        """Raises unless the viewer may write it."""
        tenant_id = getattr(entity, "tenant_id", None)
        permission = write_permission(entity.SPEC, owned=tenant_id is not None, make=make)
        self._viewer.require(permission, tenant_id, path="metadata.tenant")


class DocumentSets:
    """Applies sets of documents, and works on the operations of large ones while `running`."""

    def __init__(self, ledger: Ledger, *, deployments: Callable[[Viewer], Deployments] | None = None) -> None:
        self._ledger = ledger
        self._deployments = deployments
        self._bell = asyncio.Event()

    async def apply(
        self,
        documents: Sequence[Document],
        *,
        viewer: Viewer,
        source: Source,
        request: Request,
        prune: bool = False,
        dry_run: bool = False,
    ) -> Applied:
        """Applies a set for a viewer under a source.

        Raises LimitExceeded, Forbidden, IdempotencyMismatch, or Unavailable.
        """
        if request.idempotency is not None and not dry_run:
            before = await self._ledger.recall(request.idempotency)
            if before is not None:
                return again(before)
        view = self._ledger.view
        trial = Edit(view, at=view.at + 1, source=source, max_changes=MAX_SET_CHANGES)
        applier = self._applier(trial, viewer, source)
        outcomes, brought = await _validated(trial, applier, documents)
        if prune:
            outcomes.extend(applier.prune({one.id for one in outcomes if one.id is not None}))
        refused = any(one.action is Action.REFUSED for one in outcomes)
        changes = trial.changes
        if dry_run or refused or not (changes or request.idempotency):
            return Applied(applied=not dry_run and not refused, outcomes=outcomes, revision=view.revision)
        if len(changes) <= ONE_COMMIT_CHANGES and sum(map(size_of, changes)) <= ONE_COMMIT_BYTES:
            return await self._at_once(documents, viewer=viewer, source=source, request=request, prune=prune)
        _check_each(changes)
        batches = batches_of(
            documents, outcomes, changes=changes, brought=brought, reader=view, token_id=viewer.token_id
        )
        tenants = {getattr(one.value, "tenant_id", None) for one in changes}
        return await self._as_operation(
            batches,
            outcomes,
            viewer=viewer,
            source=source,
            request=request,
            # Whoever may see all that it changes may see the operation.
            tenant_id=tenants.pop() if len(tenants) == 1 else None,
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[DocumentSets]:
        """Works on operations of large sets, those that an earlier process left behind included."""
        forget = self._ledger.view.follow(self)
        self._bell.set()
        task = asyncio.create_task(self._work(), name="document-sets")
        try:
            yield self
        finally:
            forget()
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def applied(self, commit: Commit) -> None:
        """Rings when an operation on documents began."""
        if any(isinstance(one.after, Operation) and _ours(one.after) for one in commit.changes):
            self._bell.set()

    def reloaded(self) -> None:
        """Rings: there may be operations."""
        self._bell.set()

    def _applier(self, edit: Edit, viewer: Viewer, source: Source) -> Applier:
        deployments = self._deployments(viewer) if self._deployments is not None else None
        return Applier(edit, source=source, rights=Rights(viewer), deployments=deployments)

    # Within one commit

    async def _at_once(
        self, documents: Sequence[Document], *, viewer: Viewer, source: Source, request: Request, prune: bool
    ) -> Applied:
        def change(edit: Edit) -> list[Outcome]:
            applier = self._applier(edit, at_head(viewer, edit, at_ms=edit.at), source)
            outcomes = applier.apply(documents)
            if prune:
                outcomes.extend(applier.prune({one.id for one in outcomes if one.id is not None}))
            if any(one.action is Action.REFUSED for one in outcomes):
                # Something came between the trial and the lock: nothing is applied, and the caller is told.
                raise _Refused(outcomes)
            return outcomes

        def remember(outcomes: list[Outcome], revision: int) -> bytes:
            return kept(Applied(applied=True, outcomes=outcomes, revision=revision))

        try:
            committed = await self._ledger.commit(change, request, remember=remember)
        except _Refused as refused:
            return Applied(applied=False, outcomes=refused.outcomes, revision=self._ledger.view.revision)
        if committed.replayed is not None:
            return again(committed.replayed)
        return Applied(applied=True, outcomes=committed.value, revision=committed.revision)

    # As an operation

    async def _as_operation(
        self,
        batches: Sequence[Batch],
        outcomes: list[Outcome],
        *,
        viewer: Viewer,
        source: Source,
        request: Request,
        tenant_id: str | None,
    ) -> Applied:
        def change(edit: Edit) -> Operation:
            at_head(viewer, edit, at_ms=edit.at)
            operation = edit.create(
                Operation,
                kind=OperationKind.APPLY_DOCUMENTS,
                display_name=f"{source.kind.name}:{source.name}",
                source=source,
                tenant_id=tenant_id,
                requested_by=viewer.id,
                progress=Progress(total=len(batches)),
            )
            for number, batch in enumerate(batches):
                edit.file(
                    Record(
                        collection=COLLECTION,
                        id=batch_id(operation.id, number),
                        tenant_id=tenant_id,
                        subject_id=operation.id,
                        at=edit.at,
                        body=msgspec.Raw(msgspec.json.encode(batch)),
                    )
                )
            return operation

        def answered(operation: Operation, revision: int) -> Applied:
            return Applied(applied=True, outcomes=outcomes, revision=revision, operation=operation)

        committed: Committed[Operation] = await self._ledger.commit(
            change, request, remember=lambda operation, revision: kept(answered(operation, revision))
        )
        if committed.replayed is not None:
            return again(committed.replayed)
        return answered(committed.value, committed.revision)

    async def _work(self) -> None:
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
            batch = msgspec.json.decode(record.body, type=Batch)
            try:
                await self._ledger.commit(
                    self._step(operation, number, batch),
                    Request(
                        author=operation.requested_by,
                        action="applyDocuments",
                        tenant_id=operation.tenant_id,
                        source=operation.source,
                    ),
                )
            except _BatchRefused as refused:
                await self._finish(operation, refused.error)
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

    def _step(self, operation: Operation, number: int, batch: Batch) -> Callable[[Edit], None]:
        def change(edit: Edit) -> None:
            current = edit.get(operation.id)
            if not isinstance(current, Operation) or not _ours(current) or current.progress.done != number:
                return  # another process was here
            viewer = _asker(edit, current, batch)
            if viewer is None:
                raise _BatchRefused(_error("FORBIDDEN", "who asked for it may not any more"))
            applier = self._applier(edit, viewer, current.source)
            refused = [one for one in applier.apply(batch.documents) if one.action is Action.REFUSED]
            refused.extend(one for one in applier.remove(batch.deleted_ids) if one.action is Action.REFUSED)
            if refused:
                raise _BatchRefused(_told(refused))
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

        request = Request(author=operation.requested_by, action="applyDocuments", tenant_id=operation.tenant_id)
        await self._ledger.commit(change, request)


class _Refused(Refusal):
    """A set that was refused at head; its outcomes say why."""

    def __init__(self, outcomes: list[Outcome]) -> None:
        super().__init__("a document was refused at head")
        self.outcomes = outcomes


class _BatchRefused(Refusal):
    """A batch that was refused at head."""

    def __init__(self, error: OperationError) -> None:
        super().__init__(error.message)
        self.error = error


async def _validated(
    trial: Edit, applier: Applier, documents: Sequence[Document]
) -> tuple[list[Outcome], dict[int, int]]:
    """The outcome of each, and how many changes each made, by its position."""
    outcomes: dict[int, Outcome] = {}
    brought: dict[int, int] = {}
    before = trial.size
    for nth, (index, outcome) in enumerate(applier.steps(documents)):
        outcomes[index] = outcome
        brought[index] = trial.size - before
        before = trial.size
        if nth % SLICE == SLICE - 1:
            await asyncio.sleep(0)
    return [outcomes[index] for index in range(len(documents))], brought


def _check_each(changes: Sequence[Change]) -> None:
    for one in changes:
        size = size_of(one)
        if size > ONE_COMMIT_BYTES:
            raise LimitExceeded(
                f"the change of {one.kind} {getattr(one.value, 'name', one.id)!r} has {size} bytes, "
                f"the most is {ONE_COMMIT_BYTES}",
                remedy="leave out some of it, such as points of a boundary",
                path="documents",
            )


def _asker(reader: Reader, operation: Operation, batch: Batch) -> Viewer | None:
    """Who asked for it, with the rights of now; None when there is nobody any more."""
    if operation.requested_by == SYSTEM.id:
        return SYSTEM
    token = get_as(reader, ApiToken, batch.token_id)
    if batch.token_id is not None and token is None:
        return None
    return viewer_of(reader, operation.requested_by, token=token)


def _told(refused: Sequence[Outcome]) -> OperationError:
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
