"""Decisions for what users ask, the commits that they end in, and the ones that were filed before.

What is asked takes two steps: placement decides on a value of the graph, then the change is committed with the decision
verified at head, and decided anew while its capacity went to somebody else meanwhile. Refusals end in a commit as well, one
that changes nothing: so a request that is repeated under its idempotency key gets its first answer, even when it would be
refused by now.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from graph.change import Record
from graph.edit import Edit
from graph.kinds import AppVersion, Deployment, DeploymentPhase, DeploymentRevision, Operation, SiteReplicas
from graph.kinds.policy import PlacementPolicy
from graph.ledger import Ledger
from graph.refusal import CapacityGone, InvalidInput, InvalidState, NotFound, Refusal, Unavailable
from graph.request import Committed, Request
from graph.store import RecordPage, StoreProblem
from graph.view import Reader, get_as
from lifecycle.components import components_of
from lifecycle.deployments import DECISIONS, Chosen, Visible
from lifecycle.indulgence import blemished
from lifecycle.operations import Earlier
from lifecycle.overriding import check_places, check_profile
from lifecycle.placing import Filing, Placing
from lifecycle.priorities import check_priority
from lifecycle.proposing import as_wished
from lifecycle.releases import sites_by_component
from lifecycle.wishes import Wish, seen_version
from placement.filed_decision import decision_filed
from placement.problem import check_replicas

R = TypeVar("R")
REVISIONS = DeploymentRevision.SPEC.name
REVISIONS_A_PAGE = 200
Remember = Callable[[R, int], bytes]
"""Gives the JSON that is answered when an idempotency key comes again, from what was made and the revision."""


async def choose_for_change(
    placing: Placing,
    *,
    reader: Reader,
    whole: Reader,
    deployment: Deployment,
    version: AppVersion,
    policy: PlacementPolicy,
    replicas: dict[str, int],
    labels: Mapping[str, str] | None = None,
    adjustments: Sequence[SiteReplicas] | None = None,
    path: str = "input",
    version_path: str = "input.appVersionId",
) -> Chosen:
    """Where a deployment would run with another version, policy and replicas. `reader` is what the asker sees of `whole`;
    `labels` are those that it is to have, None for those that it has.

    Raises NotFound, InvalidInput or InvalidState.
    """
    components = components_of(reader, version, path=version_path)
    check_replicas(replicas, components, policy=policy, path=f"{path}.replicas")
    return await placing.choose(
        reader,
        components=components,
        policy=policy,
        replicas=replicas,
        tenant_id=deployment.tenant_id,
        excluding_deployment_id=deployment.id,
        deployment_labels=labels,
        # The same policy stays where it is while it can.
        stay_at=sites_by_component(whole, deployment.id) if policy == deployment.policy else None,
        indulging=blemished(whole, deployment.id),
        # What waits to be placed goes on waiting when it cannot be, and is told why.
        filing=Filing.EVERY if deployment.phase is DeploymentPhase.PENDING_PLACEMENT else Filing.FEASIBLE,
        adjustments=_numbers(deployment, adjustments),
        path=path,
    )


def _numbers(deployment: Deployment, adjustments: Sequence[SiteReplicas] | None) -> Sequence[SiteReplicas] | None:
    """The replicas at single sites that a change asks for; if none, those of the change that waits for approval."""
    if adjustments is None and deployment.proposal is not None:
        return as_wished(deployment).adjustments
    return adjustments


async def choose_for_wish(
    placing: Placing,
    reader: Reader,
    wish: Wish,
    *,
    excluding: str | None,
    filing: Filing,
    bound: bool,
    path: str = "input",
) -> Chosen:
    """Where a wish would run. `reader` is what the asker sees; `excluding`: a deployment whose place it would take.

    Raises NotFound, InvalidInput, InvalidState or LimitExceeded.
    """
    version: AppVersion = seen_version(reader, wish.app_version_id, path=f"{path}.appVersionId")
    components = components_of(reader, version, path=f"{path}.appVersionId")
    replaced = get_as(reader, Deployment, excluding)
    before = replaced.policy if replaced is not None else None
    check_priority(reader, wish.policy, tenant_id=wish.tenant_id, before=before, path=f"{path}.policy")
    check_replicas(wish.replicas, components, policy=wish.policy, path=f"{path}.replicas")
    check_profile(reader, version, wish.profile_id, path=f"{path}.profileId")
    check_places(reader, wish.overrides, components, path=f"{path}.overrides")
    return await placing.choose(
        reader,
        components=components,
        policy=wish.policy,
        replicas=wish.replicas,
        tenant_id=wish.tenant_id,
        excluding_deployment_id=excluding,
        # One that is replaced keeps its own.
        deployment_labels=wish.labels if excluding is None else None,
        filing=filing,
        bound=bound,
        path=path,
    )


class Decisions:
    """Decides, commits, and decides again."""

    def __init__(self, ledger: Ledger, placing: Placing, *, attempts: int) -> None:
        self._ledger = ledger
        self._placing = placing
        self._attempts = attempts

    async def for_change(
        self,
        reader: Reader,
        deployment: Deployment,
        version: AppVersion,
        policy: PlacementPolicy,
        replicas: dict[str, int],
    ) -> Chosen:
        """Where a changed deployment would run now. Raises NotFound, InvalidInput or InvalidState."""
        return await choose_for_change(
            self._placing,
            reader=reader,
            whole=self._ledger.view,
            deployment=deployment,
            version=version,
            policy=policy,
            replicas=replicas,
        )

    async def held(
        self,
        reader: Reader,
        deployment: Deployment,
        version: AppVersion,
        policy: PlacementPolicy,
        *,
        stay_at: Mapping[str, Collection[str]],
        replicas: Mapping[str, int] | None = None,
        adjustments: Sequence[SiteReplicas] | None = None,
    ) -> Chosen:
        """Where a deployment would run under a policy when it is held to the sites of each component.

        Raises NotFound, InvalidInput or InvalidState.
        """
        return await self._placing.choose(
            reader,
            components=components_of(reader, version, path="input.id"),
            policy=policy,
            replicas=deployment.replicas if replicas is None else replicas,
            tenant_id=deployment.tenant_id,
            excluding_deployment_id=deployment.id,
            stay_at=stay_at,
            or_move=False,
            indulging=blemished(self._ledger.view, deployment.id),
            adjustments=_numbers(deployment, adjustments),
        )

    async def for_wish(
        self,
        reader: Reader,
        wish: Wish,
        *,
        excluding: str | None = None,
        filing: Filing = Filing.FEASIBLE,
        bound: bool = False,
        path: str = "input",
    ) -> Chosen:
        """Where a wish would run now. Raises as `choose_for_wish`."""
        return await choose_for_wish(
            self._placing, reader, wish, excluding=excluding, filing=filing, bound=bound, path=path
        )

    async def commit(
        self,
        attempt: Callable[[], Awaitable[Callable[[Edit], R]]],
        request: Request,
        remember: Remember[R] | None,
    ) -> Committed[R]:
        """Decides and commits; decides anew while the capacity that was chosen is gone at head."""
        tries = max(self._attempts, 1)
        while True:
            tries -= 1
            change: Callable[[Edit], R]
            try:
                with self._ledger.expecting():
                    change = await attempt()
            except Unavailable:
                raise
            except Refusal as refusal:
                change = _refusing(refusal)
            try:
                return await self._ledger.commit(change, request, remember=remember)
            except CapacityGone:
                if tries <= 0:
                    raise

    async def commit_as_filed(
        self,
        attempt: Callable[[bool], Awaitable[Callable[[Edit], R]]],
        request: Request,
        remember: Remember[R] | None,
    ) -> Committed[R]:
        """As `commit`, for what was decided before: the first attempt takes that decision. Those that follow, since its
        place was gone at head, are told to decide `anew`.
        """
        decided = False

        async def once() -> Callable[[Edit], R]:
            nonlocal decided
            anew, decided = decided, True
            return await attempt(anew)

        return await self.commit(once, request, remember)

    async def earlier(self, reader: Reader, deployment: Deployment, *, anew: bool) -> Earlier:
        """The state that a deployment goes back to: where it ran then, or placed `anew`. Raises InvalidState."""
        good = deployment.good
        assert good is not None, "the caller has looked"
        body = await self._record("DeploymentRevision", good.revision_id)
        if body is None:
            raise InvalidState(
                f"revision {good.revision_number}, its last good one, is no longer kept",
                remedy="update the deployment instead",
                path="input.id",
            )
        revision = msgspec.json.decode(body, type=DeploymentRevision)
        decision_id = None if anew else good.decision_id
        return Earlier(revision, await self.at_revision(reader, deployment, revision, decision_id=decision_id))

    async def at_revision(
        self, reader: Reader, deployment: Deployment, revision: DeploymentRevision, *, decision_id: str | None
    ) -> Chosen:
        """Where a deployment runs as one of its revisions wants it: as a filed decision has it, or else placed anew.

        Raises NotFound, InvalidInput or InvalidState.
        """
        kept = None if decision_id is None else await self._record(DECISIONS, decision_id)
        if kept is not None:
            return Chosen(decision=decision_filed(kept), body=kept, record_id=decision_id)
        version = seen_version(reader, revision.app_version_id, path="input.id")
        return await self._placing.choose(
            reader,
            components=components_of(reader, version, path="input.id"),
            policy=revision.policy,
            replicas=revision.replicas,
            tenant_id=deployment.tenant_id,
            excluding_deployment_id=deployment.id,
            stay_at=sites_by_component(self._ledger.view, deployment.id)
            if revision.policy == deployment.policy
            else None,
            indulging=blemished(self._ledger.view, deployment.id),
            adjustments=revision.adjustments,
        )

    async def revision(self, deployment: Deployment, number: int) -> DeploymentRevision:
        """What a deployment wanted at one of its numbers. Raises InvalidInput that has the numbers that are kept."""
        numbers: list[int] = []
        last: str | None = None
        while True:
            page = RecordPage(collection=REVISIONS, subject_id=deployment.id, after_id=last, limit=REVISIONS_A_PAGE)
            found = await self._records(page)
            for record in found:
                revision = msgspec.json.decode(record.body, type=DeploymentRevision)
                if revision.number == number:
                    return revision
                numbers.append(revision.number)
                last = record.id
            if len(found) < REVISIONS_A_PAGE:
                break
        raise InvalidInput(
            f"deployment {deployment.name!r} has no revision {number:,}: it has {spans(numbers)}",
            remedy="name one of them",
            path="input.revisionNumber",
        )

    async def filed_operation(self, operation_id: str, *, visible: Visible) -> Operation:
        """An operation that has ended, if the caller sees what it worked on. Raises NotFound."""
        body = await self._record("Operation", operation_id)
        operation = msgspec.json.decode(body, type=Operation) if body is not None else None
        if operation is None or visible(self._ledger.view).get(operation.subject_id or "") is None:
            raise NotFound("Operation", operation_id, path="input.id")
        return operation

    async def _records(self, page: RecordPage) -> Sequence[Record]:
        try:
            return await self._ledger.store.records(page)
        except StoreProblem as problem:
            raise Unavailable(f"the store is away: {problem}", remedy="nothing was changed; try again") from None

    async def _record(self, collection: str, record_id: str) -> bytes | None:
        try:
            found = await self._ledger.store.record(collection, record_id)
        except StoreProblem as problem:
            raise Unavailable(f"the store is away: {problem}", remedy="nothing was changed; try again") from None
        return bytes(found.body) if found is not None else None


class Deciding:
    """What asks for changes that are decided before they are committed: the verbs of one lifecycle."""

    def __init__(self, ledger: Ledger, decisions: Decisions) -> None:
        self._ledger = ledger
        self._decisions = decisions


def spans(numbers: Iterable[int]) -> str:
    """Numbers in words, runs of them short: `1, 3 to 7`; `none` when there are none."""
    runs: list[list[int]] = []
    for one in sorted(numbers):
        if runs and one == runs[-1][-1] + 1:
            runs[-1] = [runs[-1][0], one]
        else:
            runs.append([one])
    return ", ".join(" to ".join(str(one) for one in run) for run in runs) or "none"


def _refusing(refusal: Refusal) -> Callable[[Edit], Any]:
    def refuse(edit: Edit) -> Any:
        raise refusal

    return refuse
