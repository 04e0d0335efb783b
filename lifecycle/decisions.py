"""Decisions for what users ask, the commits that they end in, and the ones that were filed before.

What is asked takes two steps: placement decides on a value of the graph, then the change is committed with the decision
verified at head, and decided anew while its capacity went to somebody else meanwhile. Refusals end in a commit as well, one
that changes nothing: so a request that is repeated under its idempotency key gets its first answer, even when it would be
refused by now.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import msgspec

from graph.edit import Edit
from graph.kinds import AppVersion, Deployment, DeploymentPhase, DeploymentRevision, Operation
from graph.kinds.policy import PlacementPolicy
from graph.ledger import Ledger
from graph.refusal import CapacityGone, InvalidState, NotFound, Refusal, Unavailable
from graph.request import Committed, Request
from graph.store import StoreProblem
from graph.view import Reader
from lifecycle.components import components_of
from lifecycle.deployments import DECISIONS, Chosen, Visible, Wish, seen_version
from lifecycle.indulgence import blemished
from lifecycle.operations import Earlier
from lifecycle.placing import Filing, Placing
from lifecycle.priorities import check_priority
from lifecycle.releases import sites_by_component
from placement.filed_decision import decision_filed
from placement.problem import check_replicas

R = TypeVar("R")
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
        """Where a wish would run now. Raises NotFound, InvalidInput, InvalidState or LimitExceeded."""
        version: AppVersion = seen_version(reader, wish.app_version_id, path=f"{path}.appVersionId")
        components = components_of(reader, version, path=f"{path}.appVersionId")
        check_priority(reader, wish.policy, tenant_id=wish.tenant_id, path=f"{path}.policy")
        check_replicas(wish.replicas, components, policy=wish.policy, path=f"{path}.replicas")
        return await self._placing.choose(
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
        kept = None if anew or good.decision_id is None else await self._record(DECISIONS, good.decision_id)
        if kept is not None:
            chosen = Chosen(decision=decision_filed(kept), body=kept, record_id=good.decision_id)
            return Earlier(revision, chosen)
        version = seen_version(reader, revision.app_version_id, path="input.id")
        chosen = await self._placing.choose(
            reader,
            components=components_of(reader, version, path="input.id"),
            policy=revision.policy,
            replicas=revision.replicas,
            tenant_id=deployment.tenant_id,
            excluding_deployment_id=deployment.id,
            indulging=blemished(self._ledger.view, deployment.id),
        )
        return Earlier(revision, chosen)

    async def filed_operation(self, operation_id: str, *, visible: Visible) -> Operation:
        """An operation that has ended, if the caller sees what it worked on. Raises NotFound."""
        body = await self._record("Operation", operation_id)
        operation = msgspec.json.decode(body, type=Operation) if body is not None else None
        if operation is None or visible(self._ledger.view).get(operation.subject_id or "") is None:
            raise NotFound("Operation", operation_id, path="input.id")
        return operation

    async def _record(self, collection: str, record_id: str) -> bytes | None:
        try:
            found = await self._ledger.store.record(collection, record_id)
        except StoreProblem as problem:
            raise Unavailable(f"the store is away: {problem}", remedy="nothing was changed; try again") from None
        return bytes(found.body) if found is not None else None


def _refusing(refusal: Refusal) -> Callable[[Edit], Any]:
    def refuse(edit: Edit) -> Any:
        raise refusal

    return refuse
