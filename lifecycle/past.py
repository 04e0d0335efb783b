"""What is kept of deployments' pasts: the newest revisions of each, what is still referred to, and the decisions of both.

A past is cut by subject and not by age: a deployment that has not changed for years must be able to go back to what ran,
and one that changes every minute must not fill the disk. Revisions and decisions are filed under their deployment, so a
step looks at one deployment's records and costs the same however large the graph is. Which deployments have a past is told
by the records themselves, for those that are gone are in no view; a round walks over a bounded part of them, and the next
goes on from there.

Only what lies before the deployment's newest revision and decision, as this process's view has them, is dropped: what was
filed since, and is referred to by what this view does not have yet, is not looked at.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from graph.change import Record
from graph.kinds import Deployment, DeploymentRevision, Operation, Release
from graph.ledger import Ledger
from graph.store import RecordPage
from graph.view import Reader, each, get_as
from lifecycle.deployments import DECISIONS

REVISIONS = DeploymentRevision.SPEC.name
SUBJECTS_A_ROUND = 2_000
SUBJECTS_A_PAGE = 200


class DeploymentPasts:
    """Cuts the pasts of deployments back, some at a time."""

    def __init__(self, ledger: Ledger, *, revisions: int, gone_for_ms: int) -> None:
        """`revisions` are kept of each deployment; the past of one that is gone is kept `gone_for_ms` after the last
        operation on it, or revision of it, began."""
        self._ledger = ledger
        self._revisions = revisions
        self._gone_for_ms = gone_for_ms
        self._after = ""
        """The subject that the last round ended at."""
        self._done: dict[str, tuple[object, ...]] = {}
        """Deployments whose past was cut, with what they referred to then; they are left alone while that is so."""

    async def cut(self, *, now: int, subjects: int = SUBJECTS_A_ROUND) -> int:
        """Looks at the next `subjects` deployments at `now` (UTC ms) and says how many records were dropped.

        Raises StoreUnavailable; what was dropped until then stays dropped.
        """
        dropped = 0
        while subjects > 0:
            size = min(subjects, SUBJECTS_A_PAGE)
            page = await self._ledger.store.subjects(REVISIONS, after=self._after, limit=size)
            for deployment_id in page:
                dropped += await self._cut_one(deployment_id, now)
                self._after = deployment_id
            if len(page) < size:
                self._after = ""
                break
            subjects -= size
        return dropped

    async def _cut_one(self, deployment_id: str, now: int) -> int:
        deployment = get_as(self._ledger.view, Deployment, deployment_id)
        if deployment is not None:
            return await self._cut_present(deployment)
        self._done.pop(deployment_id, None)
        return await self._cut_gone(deployment_id, now)

    async def _cut_present(self, deployment: Deployment) -> int:
        store = self._ledger.store
        in_use = operations_in_use(self._ledger.view, deployment.id)
        standing = (deployment.revision_id, deployment.decision_id, deployment.good, in_use)
        if deployment.revision_id is None or self._done.get(deployment.id) == standing:
            return 0
        newest = await store.records(RecordPage(collection=REVISIONS, subject_id=deployment.id, limit=self._revisions))
        oldest = newest[-1].id if newest else deployment.revision_id
        earlier: list[Record] = []
        for operation_id in sorted(in_use):
            if _made(operation_id) < _made(oldest):
                earlier += await self._begun_for(deployment.id, operation_id)
        good = deployment.good
        if good is not None and (record := await store.record(REVISIONS, good.revision_id)) is not None:
            earlier.append(record)
        revisions = {deployment.revision_id, *(one.id for one in earlier)}
        decisions = {deployment.decision_id, *_decisions_of([*newest, *earlier])}
        if good is not None:
            decisions.add(good.decision_id)
        seen = max(_made(one) for one in (deployment.revision_id, deployment.decision_id) if one is not None)
        # Decisions go first: what was begun and cut short is found again by the revisions.
        dropped = await store.prune_subject(
            DECISIONS,
            deployment.id,
            newest=self._revisions,
            before_id=f"{DECISIONS}_{seen}",
            keep_ids=sorted(one for one in decisions if one is not None),
        )
        dropped += await store.prune_subject(
            REVISIONS,
            deployment.id,
            newest=self._revisions,
            before_id=deployment.revision_id,
            keep_ids=sorted(revisions),
        )
        self._done[deployment.id] = standing
        return dropped

    async def _cut_gone(self, deployment_id: str, now: int) -> int:
        view, store = self._ledger.view, self._ledger.store
        if view.count(Operation.SPEC.name, "subject_id", deployment_id):
            return 0
        for collection in (Operation.SPEC.name, REVISIONS):
            last = await store.records(RecordPage(collection=collection, subject_id=deployment_id, limit=1))
            if last and last[0].at >= now - self._gone_for_ms:
                return 0
        return await store.prune_subject(DECISIONS, deployment_id) + await store.prune_subject(REVISIONS, deployment_id)

    async def _begun_for(self, deployment_id: str, operation_id: str) -> list[Record]:
        """The revision that an operation was begun for: the one of its own commit, which is made after it, else the newest
        before it. Both, when the operation is not kept any more, for only it tells its commit's time."""
        store, operation = self._ledger.store, get_as(self._ledger.view, Operation, operation_id)
        at = None if operation is None else operation.created_at
        if at is None and (filed := await store.record(Operation.SPEC.name, operation_id)) is not None:
            at = filed.at
        page = RecordPage(
            collection=REVISIONS,
            subject_id=deployment_id,
            after_id=f"{DeploymentRevision.SPEC.prefix}_{_made(operation_id)}",
            limit=1,
        )
        after = list(await store.records(msgspec.structs.replace(page, ascending=True)))
        if after and after[0].at == at:
            return after
        return [*(await store.records(page)), *(after if at is None else ())]


def operations_in_use(reader: Reader, deployment_id: str) -> set[str]:
    """Ids of the operations on a deployment that have not ended, and of those that its releases are there for."""
    running = {one.id for one in each(reader, Operation, "subject_id", deployment_id) if not one.ended}
    return running | {
        one.operation_id
        for one in each(reader, Release, "deployment_id", deployment_id)
        if one.operation_id is not None
    }


def _decisions_of(revisions: Iterable[Record]) -> Iterable[str | None]:
    for record in revisions:
        yield msgspec.json.decode(record.body, type=DeploymentRevision).decision_id


def _made(entity_id: str) -> str:
    """The part of an id that sorts by the time of its making."""
    return entity_id.rpartition("_")[2]
