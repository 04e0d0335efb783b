"""The lifecycle as the rest of the server uses it: what can be asked, and the workers that see it through.

What is asked takes two steps. First placement decides, in a thread, on a value taken from the view; then the change is
committed with the decision verified at head, and is decided anew when its capacity went to somebody else meanwhile. A
method returns when its change is committed: from then on it is seen through, whatever happens to this process.

Every method ends in a commit, refusals included: a request that is repeated under its idempotency key gets its first answer
even when it would be refused by now.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec
import structlog

from drivers.clock import Clock, SystemClock
from drivers.port import Secrets, no_secrets
from drivers.registry import DriverRegistry
from graph.edit import Edit
from graph.kinds import AppVersion, Deployment, DeploymentRevision, Operation, OperationKind
from graph.ledger import Committed, Ledger, Request
from graph.refusal import CapacityGone, InvalidState, NotFound, Refusal, Unavailable
from graph.store import StoreProblem
from graph.view import Reader
from lifecycle.bookkeeper import Bookkeeper
from lifecycle.components import check_replicas, components_of
from lifecycle.connections import Connections
from lifecycle.cordon import Cordonable, set_schedulable
from lifecycle.deployments import (
    DECISIONS,
    Adjustment,
    Chosen,
    Started,
    Visible,
    Wish,
    adjusted,
    deploy,
    seen_deployment,
    seen_version,
    terminate_deployment,
    update_deployment,
)
from lifecycle.drain import start_drain
from lifecycle.drainer import Drainer
from lifecycle.indulgence import blemished
from lifecycle.operations import Earlier, cancel_operation, ended, retry_operation, running_operation
from lifecycle.placer import Placer
from lifecycle.placing import Placing
from lifecycle.reconciler import Reconciler
from lifecycle.releases import sites_of
from lifecycle.settings import LifecycleSettings
from placement.decision import Decision
from placement.projection import Projection

log = structlog.get_logger(__name__)
R = TypeVar("R")
RESTART_PAUSE_S = 1.0
Remember = Callable[[R, int], bytes]
"""Gives the JSON that is answered when an idempotency key comes again, from what was made and the revision."""
Cancelled = tuple[Operation, Deployment | None]


class Worker(Protocol):
    """A task that runs until it is cancelled."""

    async def run(self) -> None:
        """Works."""
        ...


class Lifecycle:
    """Deployments, operations, drains; `running()` has the workers."""

    def __init__(
        self,
        ledger: Ledger,
        drivers: DriverRegistry,
        *,
        settings: LifecycleSettings | None = None,
        clock: Clock | None = None,
        secrets: Secrets = no_secrets,
        data_folder: Path | None = None,
        projection: Projection | None = None,
    ) -> None:
        """`projection` follows the ledger's view already; without one the lifecycle makes and follows its own."""
        self._ledger = ledger
        self._settings = settings or LifecycleSettings()
        self._clock = clock or SystemClock()
        if projection is None:
            projection = Projection(ledger.view)
            ledger.view.follow(projection)
        self._placing = Placing(projection, drivers, at_once=self._settings.placements_at_once)
        self.connections = Connections(
            ledger,
            drivers,
            settings=self._settings,
            clock=self._clock,
            secrets=secrets,
            data_folder=data_folder,
            on_connected=lambda cluster_id: self.reconciler.cluster_connected(cluster_id),
        )
        self.reconciler = Reconciler(ledger, self.connections, settings=self._settings, clock=self._clock)
        self._workers: tuple[Worker, ...] = (
            self.reconciler,
            self.connections,
            Bookkeeper(ledger, settings=self._settings, clock=self._clock),
            Placer(ledger, self._placing, settings=self._settings, clock=self._clock),
            Drainer(ledger, self._placing, settings=self._settings, clock=self._clock),
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Lifecycle]:
        """Has the workers running until the context ends. The ledger is running already, and for longer.

        Calls that are under way when it ends are given up; the next start finds out what became of them.
        """
        owner = asyncio.create_task(self._work(), name="lifecycle")
        try:
            yield self
        finally:
            owner.cancel()
            await asyncio.wait([owner])

    async def _work(self) -> None:
        async with asyncio.TaskGroup() as group:
            for worker in self._workers:
                group.create_task(self._kept(worker), name=f"lifecycle-{type(worker).__name__}")

    # Deployments

    async def plan(self, wish: Wish, *, visible: Visible, deployment_id: str | None = None) -> Decision:
        """Where a wish would run and why, with nothing changed; `deployment_id` is a deployment that it would replace.

        Raises NotFound, InvalidInput or InvalidState.
        """
        reader = visible(self._ledger.view)
        if deployment_id is not None:
            seen_deployment(reader, deployment_id, path="input.deploymentId")
        chosen = await self._choose_for(reader, wish, excluding=deployment_id)
        return chosen.decision

    async def deploy(
        self,
        wish: Wish,
        request: Request,
        *,
        visible: Visible,
        wait: bool = False,
        remember: Remember[Started] | None = None,
    ) -> Committed[Started]:
        """Begins a new deployment. With `wait` one that cannot be placed yet is kept and placed when it can be.

        Raises NotFound, AlreadyExists, InvalidInput, InvalidState, Unplaceable, CapacityGone, or what the ledger raises.
        """

        async def attempt() -> Callable[[Edit], Started]:
            chosen = await self._choose_for(visible(self._ledger.view), wish)
            return partial(deploy, wish=wish, chosen=chosen, visible=visible, author=request.author, wait=wait)

        return await self._decided(attempt, request, remember)

    async def update(
        self, change: Adjustment, request: Request, *, visible: Visible, remember: Remember[Started] | None = None
    ) -> Committed[Started]:
        """Changes version, policy or replicas; only what differs is touched.

        Raises NotFound, Conflict, InvalidInput, InvalidState, Unplaceable, CapacityGone, or what the ledger raises.
        """
        return await self._change(change, request, visible=visible, remember=remember, kind=OperationKind.UPDATE)

    async def scale(
        self,
        deployment_id: str,
        replicas: dict[str, int],
        request: Request,
        *,
        visible: Visible,
        expected_revision: int | None = None,
        remember: Remember[Started] | None = None,
    ) -> Committed[Started]:
        """Changes the replicas at each site of the components that are named; the others keep theirs. Raises as `update`."""
        current = visible(self._ledger.view).get(deployment_id)
        before = current.replicas if isinstance(current, Deployment) else {}
        change = Adjustment(
            deployment_id=deployment_id, replicas={**before, **replicas}, expected_revision=expected_revision
        )
        return await self._change(change, request, visible=visible, remember=remember, kind=OperationKind.SCALE)

    async def terminate(
        self,
        deployment_id: str,
        request: Request,
        *,
        visible: Visible,
        delete: bool = False,
        expected_revision: int | None = None,
        remember: Remember[Started] | None = None,
    ) -> Committed[Started]:
        """Removes a deployment from its sites; it is kept as TERMINATED, or deleted.

        Raises NotFound, Conflict, InvalidState, or what the ledger raises.
        """
        change = partial(
            terminate_deployment,
            deployment_id=deployment_id,
            visible=visible,
            author=request.author,
            delete=delete,
            expected_revision=expected_revision,
        )
        return await self._ledger.commit(change, request, remember=remember)

    # Operations

    async def cancel(
        self, operation_id: str, request: Request, *, visible: Visible, remember: Remember[Cancelled] | None = None
    ) -> Committed[Cancelled]:
        """Takes back what an operation does: to the last good state, or to nothing.

        Gives the operation, and the deployment that it works on if any.
        Raises NotFound, InvalidState, Unplaceable, CapacityGone, or what the ledger raises.
        """
        asked_before = False

        async def attempt() -> Callable[[Edit], Cancelled]:
            nonlocal asked_before
            reader = visible(self._ledger.view)
            try:
                operation = running_operation(reader, operation_id)
            except NotFound:
                raise ended(await self._filed_operation(operation_id, visible=visible)) from None
            deployment = reader.get(operation.subject_id or "")
            earlier = None
            if isinstance(deployment, Deployment) and deployment.good is not None:
                # What ran before is where it goes back to; only when that place is taken is it placed anew.
                earlier = await self._earlier(reader, deployment, anew=asked_before)
            asked_before = True
            return partial(
                cancel_operation,
                operation_id=operation_id,
                earlier=earlier,
                visible=visible,
                author=request.author,
            )

        return await self._decided(attempt, request, remember)

    async def retry(
        self, operation_id: str, request: Request, *, visible: Visible, remember: Remember[Started] | None = None
    ) -> Committed[Started]:
        """Starts an operation's quarantined releases again. Raises NotFound or InvalidState."""

        async def attempt() -> Callable[[Edit], Started]:
            reader = visible(self._ledger.view)
            try:
                operation = running_operation(reader, operation_id)
            except NotFound:
                operation = await self._filed_operation(operation_id, visible=visible)
            return partial(retry_operation, operation=operation, visible=visible, author=request.author)

        return await self._decided(attempt, request, remember)

    # Infrastructure

    async def cordon(
        self,
        entity_id: str,
        request: Request,
        *,
        visible: Visible,
        expected_revision: int | None = None,
        remember: Remember[Cordonable] | None = None,
    ) -> Committed[Cordonable]:
        """Places nothing new on a site, node or cluster. Raises NotFound or Conflict."""
        return await self._set_schedulable(entity_id, False, request, visible, expected_revision, remember)

    async def uncordon(
        self,
        entity_id: str,
        request: Request,
        *,
        visible: Visible,
        expected_revision: int | None = None,
        remember: Remember[Cordonable] | None = None,
    ) -> Committed[Cordonable]:
        """Takes the cordon off a site, node or cluster. Raises NotFound or Conflict."""
        return await self._set_schedulable(entity_id, True, request, visible, expected_revision, remember)

    async def drain(
        self, target_id: str, request: Request, *, visible: Visible, remember: Remember[Operation] | None = None
    ) -> Committed[Operation]:
        """Cordons a site or node and moves what runs there elsewhere, made before it is broken.

        Raises NotFound, InvalidState, or what the ledger raises.
        """
        change = partial(start_drain, target_id=target_id, visible=visible, author=request.author)
        return await self._ledger.commit(change, request, remember=remember)

    # How it is done

    async def _kept(self, worker: Worker) -> None:
        """Runs a worker and, should it fail, runs it again: it needs nothing but the graph to go on."""
        while True:
            try:
                await worker.run()
            except Exception:
                log.exception("lifecycle.worker_failed", worker=type(worker).__name__)
            await self._clock.sleep(RESTART_PAUSE_S)

    async def _set_schedulable(
        self,
        entity_id: str,
        schedulable: bool,
        request: Request,
        visible: Visible,
        expected_revision: int | None,
        remember: Remember[Cordonable] | None,
    ) -> Committed[Cordonable]:
        change = partial(
            set_schedulable,
            entity_id=entity_id,
            schedulable=schedulable,
            visible=visible,
            author=request.author,
            expected_revision=expected_revision,
        )
        return await self._ledger.commit(change, request, remember=remember)

    async def _change(
        self,
        change: Adjustment,
        request: Request,
        *,
        visible: Visible,
        remember: Remember[Started] | None,
        kind: OperationKind,
    ) -> Committed[Started]:
        async def attempt() -> Callable[[Edit], Started]:
            reader = visible(self._ledger.view)
            deployment = seen_deployment(reader, change.deployment_id)
            version, policy, replicas = adjusted(reader, deployment, change)
            components = components_of(reader, version)
            check_replicas(replicas, components)
            chosen = await self._placing.choose(
                reader,
                components=components,
                policy=policy,
                replicas=replicas,
                tenant_id=deployment.tenant_id,
                excluding_deployment_id=deployment.id,
                # The same policy stays where it is while it can.
                stay_at=sites_of(self._ledger.view, deployment.id) if policy == deployment.policy else (),
                indulging=blemished(self._ledger.view, deployment.id),
            )
            return partial(
                update_deployment, change=change, chosen=chosen, visible=visible, author=request.author, kind=kind
            )

        return await self._decided(attempt, request, remember)

    async def _choose_for(self, reader: Reader, wish: Wish, *, excluding: str | None = None) -> Chosen:
        version: AppVersion = seen_version(reader, wish.app_version_id)
        components = components_of(reader, version)
        check_replicas(wish.replicas, components)
        return await self._placing.choose(
            reader,
            components=components,
            policy=wish.policy,
            replicas=wish.replicas,
            tenant_id=wish.tenant_id,
            excluding_deployment_id=excluding,
        )

    async def _decided(
        self,
        attempt: Callable[[], Awaitable[Callable[[Edit], R]]],
        request: Request,
        remember: Remember[R] | None,
    ) -> Committed[R]:
        """Decides and commits; decides anew while the capacity that was chosen is gone at head."""
        tries = max(self._settings.placement_attempts, 1)
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

    async def _earlier(self, reader: Reader, deployment: Deployment, *, anew: bool) -> Earlier:
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
        filed = None if anew or good.decision_id is None else await self._record(DECISIONS, good.decision_id)
        if filed is not None:
            decision = msgspec.json.decode(filed, type=Decision)
            return Earlier(revision, Chosen(decision=decision, body=filed, record_id=good.decision_id))
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

    async def _filed_operation(self, operation_id: str, *, visible: Visible) -> Operation:
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
