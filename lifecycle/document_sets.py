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
from access.viewer import SYSTEM, Viewer, viewer_of
from access.visible import VisibleView
from graph.applying import Action, Applier, Deployments, Outcome, in_order
from graph.change import MAX_CHANGES, Change, Commit, Record, encode_entity
from graph.documents import Document
from graph.edit import Edit
from graph.entity import Entity, Source
from graph.kinds import Operation, OperationError, OperationKind, OperationStatus, Progress
from graph.ledger import Ledger, Request
from graph.refusal import Refusal
from graph.view import Reader, each

SLICE = 64
"""Documents that are validated between two breaths of the event loop."""
BATCH_CHANGES = 1_000
ONE_COMMIT_CHANGES = MAX_CHANGES
ONE_COMMIT_BYTES = 6 * 1024 * 1024
"""Somewhat less than a commit's limit, for what a change has around its values."""
COLLECTION = "document_batch"
MAX_SET_CHANGES = 1_000_000
RETRY_S = 2.0

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


class _Batch(msgspec.Struct, frozen=True, omit_defaults=True):
    documents: list[Document] = []
    deleted_ids: list[str] = []


class Applied(msgspec.Struct, kw_only=True):
    """What became of a set."""

    applied: bool
    """False for a dry run and for a set with refused documents: nothing was changed then."""
    outcomes: list[Outcome]
    revision: int
    operation: Operation | None = None
    """The operation that applies it, when one commit cannot hold it."""

    def count(self, action: Action) -> int:
        """How many came to this."""
        return sum(1 for one in self.outcomes if one.action is action)


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
        """Applies a set for a viewer under a source. Raises LimitExceeded, or Unavailable."""
        view = self._ledger.view
        trial = self._trial(source)
        applier = self._applier(trial, viewer, source)
        outcomes = await self._validate(applier, documents)
        if prune:
            outcomes.extend(applier.prune({one.id for one in outcomes if one.id is not None}))
        refused = any(one.action is Action.REFUSED for one in outcomes)
        changes = trial.changes
        if dry_run or refused or not changes:
            return Applied(applied=not dry_run and not refused, outcomes=outcomes, revision=view.revision)
        if len(changes) <= ONE_COMMIT_CHANGES and _size(changes) <= ONE_COMMIT_BYTES:
            return await self._at_once(documents, viewer=viewer, source=source, request=request, prune=prune)
        return await self._as_operation(documents, outcomes, viewer=viewer, source=source, request=request)

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

    # Within one commit

    def _trial(self, source: Source) -> Edit:
        view = self._ledger.view
        return Edit(view, at=view.at + 1, source=source, max_changes=MAX_SET_CHANGES)

    def _applier(self, edit: Edit, viewer: Viewer, source: Source) -> Applier:
        deployments = self._deployments(viewer) if self._deployments is not None else None
        return Applier(edit, source=source, rights=Rights(viewer), deployments=deployments)

    async def _validate(self, applier: Applier, documents: Sequence[Document]) -> list[Outcome]:
        outcomes: dict[int, Outcome] = {}
        for nth, (index, outcome) in enumerate(applier.steps(documents)):
            outcomes[index] = outcome
            if nth % SLICE == SLICE - 1:
                await asyncio.sleep(0)
        return [outcomes[index] for index in range(len(documents))]

    async def _at_once(
        self, documents: Sequence[Document], *, viewer: Viewer, source: Source, request: Request, prune: bool
    ) -> Applied:
        outcomes: list[Outcome] = []

        def change(edit: Edit) -> None:
            applier = self._applier(edit, viewer, source)
            outcomes[:] = applier.apply(documents)
            if prune:
                outcomes.extend(applier.prune({one.id for one in outcomes if one.id is not None}))
            if any(one.action is Action.REFUSED for one in outcomes):
                # Something came between the trial and the lock: nothing is applied, and the caller is told.
                raise _Refused

        try:
            committed = await self._ledger.commit(change, request)
        except _Refused:
            return Applied(applied=False, outcomes=outcomes, revision=self._ledger.view.revision)
        return Applied(applied=True, outcomes=outcomes, revision=committed.revision)

    # As an operation

    async def _as_operation(
        self,
        documents: Sequence[Document],
        outcomes: Sequence[Outcome],
        *,
        viewer: Viewer,
        source: Source,
        request: Request,
    ) -> Applied:
        batches = _batches(documents, outcomes)
        at = self._ledger.view.at

        def change(edit: Edit) -> Operation:
            operation = edit.create(
                Operation,
                kind=OperationKind.APPLY_DOCUMENTS,
                display_name=f"{source.kind.name}:{source.name}",
                requested_by=viewer.id,
                progress=Progress(total=len(batches)),
            )
            for number, batch in enumerate(batches):
                edit.file(
                    Record(
                        collection=COLLECTION,
                        id=_batch_id(operation.id, number),
                        tenant_id=None,
                        subject_id=operation.id,
                        at=at,
                        body=msgspec.Raw(msgspec.json.encode(batch)),
                    )
                )
            return operation

        committed = await self._ledger.commit(change, request)
        return Applied(applied=True, outcomes=list(outcomes), revision=committed.revision, operation=committed.value)

    async def _work(self) -> None:
        while True:
            await self._bell.wait()
            self._bell.clear()
            for operation in [one for one in each(self._ledger.view, Operation) if _ours(one)]:
                try:
                    await self._carry_on(operation)
                except Refusal as refusal:
                    # The store is away, say: the operation stands where it is and is taken up again.
                    log.warning("documents.waits", operation=operation.id, reason=refusal.code)
                    await asyncio.sleep(RETRY_S)
                    self._bell.set()

    async def _carry_on(self, operation: Operation) -> None:
        source = _source_of(operation)
        while True:
            current = self._ledger.view.get(operation.id)
            if not isinstance(current, Operation) or not _ours(current):
                return
            viewer = self._asker(operation)
            number = current.progress.done
            record = await self._ledger.store.record(COLLECTION, _batch_id(operation.id, number))
            if viewer is None or record is None:
                reason = (
                    "who asked for it may not any more" if viewer is None else "its documents are not kept any more"
                )
                await self._finish(operation, OperationError(code="FORBIDDEN", message=reason))
                return
            batch = msgspec.json.decode(record.body, type=_Batch)
            try:
                await self._ledger.commit(
                    self._step(operation.id, number, batch, viewer, source),
                    Request(author=operation.requested_by, action="applyDocuments", source=source),
                )
            except _BatchRefused as refused:
                await self._finish(operation, refused.error)
                return

    def _asker(self, operation: Operation) -> Viewer | None:
        if operation.requested_by == SYSTEM.id:
            return SYSTEM
        return viewer_of(self._ledger.view, operation.requested_by)

    def _step(
        self, operation_id: str, number: int, batch: _Batch, viewer: Viewer, source: Source
    ) -> Callable[[Edit], None]:
        def change(edit: Edit) -> None:
            operation = edit.get(operation_id)
            if not isinstance(operation, Operation) or not _ours(operation) or operation.progress.done != number:
                return  # another process was here
            applier = self._applier(edit, viewer, source)
            refused = [one for one in applier.apply(batch.documents) if one.action is Action.REFUSED]
            refused.extend(one for one in applier.remove(batch.deleted_ids) if one.action is Action.REFUSED)
            if refused:
                raise _BatchRefused(refused)
            done = number + 1
            finished = done == operation.progress.total
            progress = msgspec.structs.replace(operation.progress, done=done)
            ending: dict[str, Any] = {"status": OperationStatus.SUCCEEDED, "finished_at": edit.at} if finished else {}
            edit.replace(operation, progress=progress, **ending)

        return change

    async def _finish(self, operation: Operation, error: OperationError) -> None:
        def change(edit: Edit) -> None:
            current = edit.get(operation.id)
            if isinstance(current, Operation) and _ours(current):
                status = OperationStatus.PARTIAL if current.progress.done else OperationStatus.FAILED
                edit.replace(current, status=status, error=error, finished_at=edit.at)

        await self._ledger.commit(change, Request(author=operation.requested_by, action="applyDocuments"))


class _Refused(Exception):
    """A set that was refused at head; its outcomes say why."""


class _BatchRefused(Exception):
    """A batch that was refused at head."""

    def __init__(self, refused: Sequence[Outcome]) -> None:
        first = refused[0]
        super().__init__(first.name)
        message = first.error.message if first.error is not None else "refused"
        self.error = OperationError(
            code="DOCUMENT_REFUSED",
            message=f"{first.where or first.kind} {first.name}: {message}"
            + (f" (and {len(refused) - 1} more in its batch)" if len(refused) > 1 else ""),
            remedy="mend it and apply the set again: what is applied already stays and is skipped",
        )


def _ours(operation: Operation) -> bool:
    return operation.kind is OperationKind.APPLY_DOCUMENTS and operation.status is OperationStatus.RUNNING


def _source_of(operation: Operation) -> Source:
    return operation.source


def _batch_id(operation_id: str, number: int) -> str:
    return f"{operation_id}_{number:06d}"


def _size(changes: Sequence[Change]) -> int:
    return sum(len(encode_entity(value)) for one in changes for value in (one.before, one.after) if value is not None)


def _batches(documents: Sequence[Document], outcomes: Sequence[Outcome]) -> list[_Batch]:
    """What changes, in the order of its making: documents parents before children, then deletions children first."""
    changing = [
        documents[index] for index in in_order(documents) if outcomes[index].action in (Action.CREATED, Action.UPDATED)
    ]
    gone = [one.id for one in outcomes[len(documents) :] if one.action is Action.DELETED and one.id is not None]
    return [
        *(_Batch(documents=changing[at : at + BATCH_CHANGES]) for at in range(0, len(changing), BATCH_CHANGES)),
        *(_Batch(deleted_ids=gone[at : at + BATCH_CHANGES]) for at in range(0, len(gone), BATCH_CHANGES)),
    ]
