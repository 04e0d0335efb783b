"""Sets of documents made real: one commit or none where a commit holds them, else an operation of ordered commits.

A set is tried out whole before anything is written (lifecycle/document_trials.py). What fits into one commit is laid onto
the head in one. A larger one is kept as filed records, a batch each, beside its operation, and is worked on from there
(lifecycle/document_work.py).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

import msgspec

from access.viewer import Viewer, at_head
from drivers.registry import DriverRegistry
from graph.applying import Outcome
from graph.change import MAX_CHANGES, Change, Record
from graph.document_sets import SetName
from graph.documents import Document
from graph.edit import Edit
from graph.entity import Source
from graph.kinds import Operation, OperationKind, Progress
from graph.ledger import Ledger
from graph.refusal import InvalidInput, LimitExceeded
from graph.request import Committed, Request
from lifecycle.document_answers import Applied, again, kept
from lifecycle.document_batches import COLLECTION, Batch, batch_id, batches_of
from lifecycle.document_rights import scope_for
from lifecycle.document_trials import Declared, Overtaken, SetRefused, Tried, Wanted, try_out
from lifecycle.document_work import DocumentWork
from lifecycle.placing import Placing
from placement.projection import Projection

ONE_COMMIT_CHANGES = MAX_CHANGES
ONE_COMMIT_BYTES = 6 * 1024 * 1024
"""Somewhat less than a commit's limit, for what a change has around its values."""
TRIALS = 3
"""How often a set that is overtaken is tried anew before it is applied at head as a whole."""

__all__ = ["COLLECTION", "Applied", "DocumentSets"]


class DocumentSets:
    """Applies sets of documents, and works on the operations of large ones while `running`."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        deployments: Callable[[Viewer], Declared] | None = None,
        projection: Projection | None = None,
    ) -> None:
        """`deployments` makes deployments for a viewer; without it they are entities like any other.

        `projection` follows the ledger's view already; without one it makes and follows its own when it needs one.
        """
        self._ledger = ledger
        self._deployments = deployments
        self._projection = projection
        self._placing: Placing | None = None
        self._forget_projection: Callable[[], None] = lambda: None
        self._work = DocumentWork(ledger, try_out=self.try_out, trials=TRIALS)

    async def apply(
        self,
        documents: Sequence[Document],
        *,
        viewer: Viewer,
        source: Source,
        request: Request,
        tenant_id: str | None = None,
        prune: bool = False,
        allow_empty: bool = False,
        dry_run: bool = False,
    ) -> Applied:
        """Applies a set for a viewer. `source` has the set's kind and name, `tenant_id` whose set it is: without one, as
        `scope_for` finds.

        To prune with no documents at all deletes whatever the set made: that takes `allow_empty`, but for a dry run.
        Raises InvalidInput, NotFound, LimitExceeded, Forbidden, IdempotencyMismatch, or Unavailable.
        """
        of = SetName(kind=source.kind, name=source.name, tenant_id=tenant_id)
        of.check()
        if prune and not documents and not (allow_empty or dry_run):
            raise InvalidInput(
                f"there are no documents: to prune now deletes everything that the set {source.name!r} made",
                remedy="give allowEmpty: true (on the command line --allow-empty) if that is meant; "
                "a dry run shows what would go",
                path="input.allowEmpty",
            )
        if request.idempotency is not None and not dry_run:
            before = await self._ledger.recall(request.idempotency)
            if before is not None:
                return again(before)
        for nth in range(TRIALS):
            tried = await self._tried(of, documents, viewer=viewer, prune=prune)
            if tried.refused and nth < TRIALS - 1 and tried.trial.overtaken(self._ledger.feed):
                continue  # what it was refused for may be no longer so
            changes = tried.changes
            if dry_run or tried.refused or not (changes or tried.placed or request.idempotency):
                return Applied(
                    applied=not dry_run and not tried.refused,
                    outcomes=tried.outcomes,
                    revision=self._ledger.view.revision,
                )
            large = len(changes) > ONE_COMMIT_CHANGES or sum(tried.sizes.values()) > ONE_COMMIT_BYTES
            if large or tried.places_many:
                return await self._as_operation(tried, request)
            with contextlib.suppress(Overtaken):
                return await self._at_once(tried, request)
        return await self._at_once(tried, request, whole=True)

    async def try_out(self, wanted: Wanted, viewer: Viewer) -> Tried:
        """Tries a set with the rights of a viewer."""
        return await try_out(
            wanted,
            ledger=self._ledger,
            viewer=viewer,
            declared=self._deployments(viewer) if self._deployments is not None else None,
            placing=self._placed_by,
            at_ms=self._ledger.now_ms(),
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[DocumentSets]:
        """Works on operations of large sets, those that an earlier process left behind included."""
        forget = self._ledger.view.follow(self._work)
        task = asyncio.create_task(self._work.run(), name="document-sets")
        try:
            yield self
        finally:
            forget()
            self._forget_projection()
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _tried(self, of: SetName, documents: Sequence[Document], *, viewer: Viewer, prune: bool) -> Tried:
        view = self._ledger.view
        viewer = at_head(viewer, view, at_ms=self._ledger.now_ms())
        of = msgspec.structs.replace(of, tenant_id=scope_for(viewer, view, of.tenant_id))
        return await self.try_out(Wanted(of=of, documents=documents, prune=prune), viewer)

    def _placed_by(self, drivers: DriverRegistry) -> Placing:
        """What decides where deployments run; made when it is first needed, and kept current from then on."""
        if self._placing is None:
            projection = self._projection
            if projection is None:
                projection = Projection(self._ledger.view)
                self._forget_projection = self._ledger.view.follow(projection)
            self._placing = Placing(projection, drivers, at_once=1)
        return self._placing

    # Within one commit

    async def _at_once(self, tried: Tried, request: Request, *, whole: bool = False) -> Applied:
        def change(edit: Edit) -> list[Outcome]:
            viewer = at_head(tried.viewer, edit, at_ms=edit.at)
            return tried.whole_at_head(edit, viewer) if whole else tried.at_head(edit, viewer, self._ledger)

        def remember(outcomes: list[Outcome], revision: int) -> bytes:
            return kept(Applied(applied=True, outcomes=outcomes, revision=revision))

        try:
            committed = await self._ledger.commit(change, request, remember=remember)
        except SetRefused as refused:
            # Something came between the trial and the lock: nothing is applied, and the caller is told.
            return Applied(applied=False, outcomes=refused.outcomes, revision=self._ledger.view.revision)
        if committed.replayed is not None:
            return again(committed.replayed)
        return Applied(applied=True, outcomes=committed.value, revision=committed.revision)

    # As an operation

    async def _as_operation(self, tried: Tried, request: Request) -> Applied:
        _check_each(tried.changes, tried.sizes)
        of, viewer, outcomes = tried.wanted.of, tried.viewer, tried.outcomes
        batches = batches_of(
            tried.wanted.documents,
            outcomes,
            sizes=tried.sizes,
            brought=tried.brought,
            reader=self._ledger.view,
            token_id=viewer.token_id,
            tenant_id=of.tenant_id,
        )
        tenants = {getattr(one.value, "tenant_id", None) for one in tried.changes}
        # Whoever may see all that it changes may see the operation.
        tenant_id = of.tenant_id or (tenants.pop() if len(tenants) == 1 else None)

        def change(edit: Edit) -> Operation:
            at_head(viewer, edit, at_ms=edit.at)
            operation = edit.create(
                Operation,
                kind=OperationKind.APPLY_DOCUMENTS,
                display_name=f"{of.kind.name}:{of.name}",
                source=of.source,
                tenant_id=tenant_id,
                requested_by=viewer.id,
                progress=Progress(total=len(batches)),
            )
            for number, batch in enumerate(batches):
                edit.file(_record(operation, number, batch, at=edit.at))
            return operation

        def answered(operation: Operation, revision: int) -> Applied:
            return Applied(applied=True, outcomes=outcomes, revision=revision, operation=operation)

        committed: Committed[Operation] = await self._ledger.commit(
            change, request, remember=lambda operation, revision: kept(answered(operation, revision))
        )
        if committed.replayed is not None:
            return again(committed.replayed)
        return answered(committed.value, committed.revision)


def _record(operation: Operation, number: int, batch: Batch, *, at: int) -> Record:
    return Record(
        collection=COLLECTION,
        id=batch_id(operation.id, number),
        tenant_id=operation.tenant_id,
        subject_id=operation.id,
        at=at,
        body=msgspec.Raw(msgspec.json.encode(batch)),
    )


def _check_each(changes: Sequence[Change], sizes: Mapping[str, int]) -> None:
    for one in changes:
        size = sizes[one.id]
        if size > ONE_COMMIT_BYTES:
            raise LimitExceeded(
                f"the change of {one.kind} {getattr(one.value, 'name', one.id)!r} has {size} bytes, "
                f"the most is {ONE_COMMIT_BYTES}",
                remedy="leave out some of it, such as points of a boundary",
                path="documents",
            )
