"""The lifecycle as the rest of the server uses it: what can be asked, and the workers that see it through.

What is asked takes two steps. First placement decides, in a thread, on a value taken from the view; then the change is
committed with the decision verified at head, and is decided anew when its capacity went to somebody else meanwhile. A
method returns when its change is committed: from then on it is seen through, whatever happens to this process.

Every method ends in a commit, refusals included (`lifecycle.decisions` has the reason).
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from pathlib import Path

from drivers.clock import Clock, SystemClock
from drivers.port import Secrets, WorkloadSecrets, no_secrets, no_workload_secrets
from drivers.registry import DriverRegistry
from graph.edit import Edit
from graph.identifiers import new_ulid
from graph.kinds import Operation, OperationKind
from graph.ledger import Ledger
from graph.request import Committed, Request
from graph.view import Reader
from lifecycle.approving import Approvals
from lifecycle.autoscaled import check_not_followed
from lifecycle.autoscaler import Autoscaler
from lifecycle.bookkeeper import Bookkeeper
from lifecycle.connections import Connections
from lifecycle.cordon import Cordonable, set_schedulable
from lifecycle.deadlines import within
from lifecycle.decisions import Decisions, Remember
from lifecycle.deployment_verbs import DeploymentVerbs
from lifecycle.deployments import Started, Visible, deploy, update_deployment
from lifecycle.drain import start_drain
from lifecycle.drainer import Drainer
from lifecycle.failover import Failover
from lifecycle.failover_verbs import FailoverVerbs
from lifecycle.held import WhileHeld
from lifecycle.metrics_endpoints import MetricsEndpoint
from lifecycle.migrations import Migrations
from lifecycle.operation_verbs import OperationVerbs
from lifecycle.packages import Packages
from lifecycle.packages_sweep import PackageSweep
from lifecycle.placer import Placer
from lifecycle.placing import Filing, Placing
from lifecycle.plans import Plans
from lifecycle.plans_dry_runs import DryRuns
from lifecycle.plans_sweep import PlanSweep
from lifecycle.proposing import as_wished
from lifecycle.reconciler import Reconciler
from lifecycle.reports import WorkReports
from lifecycle.revision_outcomes import newest_number
from lifecycle.settings import LifecycleSettings
from lifecycle.share import Share
from lifecycle.site_verbs import SiteVerbs
from lifecycle.termination import terminate_deployment
from lifecycle.wishes import Adjustment, Wish, adjusted, seen_deployment
from lifecycle.workers import Worker, at_work
from placement.projection import Projection

IDLE_LOOK_S = 0.02


class Lifecycle:
    """Deployments and their further `verbs`, `operations`, drains, `dry_runs` and `plans`; `running()` has the workers."""

    def __init__(
        self,
        ledger: Ledger,
        drivers: DriverRegistry,
        *,
        settings: LifecycleSettings | None = None,
        clock: Clock | None = None,
        secrets: Secrets = no_secrets,
        workload_secrets: WorkloadSecrets = no_workload_secrets,
        data_folder: Path | None = None,
        projection: Projection | None = None,
        share: Share | None = None,
        reports: WorkReports | None = None,
        packages: Packages | None = None,
        metrics_endpoints: Sequence[MetricsEndpoint] = (),
    ) -> None:
        """`projection` follows the ledger's view already; without one the lifecycle makes and follows its own.

        `share` is what of the work is this process's; without one it is everything. Without `packages` none are kept.
        `metrics_endpoints` are the Prometheus servers that scaling policies may name.
        """
        self._ledger = ledger
        self.packages = packages
        self.share = share or Share(new_ulid() if ledger.store.shared else "")
        self._settings = settings or LifecycleSettings()
        self._clock = clock or SystemClock()
        if projection is None:
            projection = Projection(ledger.view)
            ledger.view.follow(projection)
        placing = Placing(projection, drivers, at_once=self._settings.placements_at_once)
        self._decisions = Decisions(ledger, placing, attempts=self._settings.placement_attempts)
        self.verbs = DeploymentVerbs(ledger, self._decisions)
        self.operations = OperationVerbs(ledger, self._decisions)
        self.site_verbs = SiteVerbs(ledger, self._decisions)
        self.approvals = Approvals(ledger, self._decisions)
        self.migrations = Migrations(ledger, self._decisions)
        self.failover = FailoverVerbs(ledger)
        self.dry_runs = DryRuns(ledger, projection, self._decisions, drivers, at_once=self._settings.placements_at_once)
        self.plans = Plans(ledger, placing, self._decisions, self.dry_runs)
        self.connections = Connections(
            ledger,
            drivers,
            settings=self._settings,
            clock=self._clock,
            secrets=secrets,
            workload_secrets=workload_secrets,
            data_folder=data_folder,
            packages=packages,
            on_connected=lambda cluster_id: self.reconciler.cluster_connected(cluster_id),
            on_heard=lambda cluster_id: self.reconciler.cluster_heard(cluster_id),
            share=self.share,
            reports=reports,
        )
        self.reconciler = Reconciler(
            ledger, self.connections, settings=self._settings, clock=self._clock, share=self.share, reports=reports
        )
        self.autoscaler = Autoscaler(
            ledger,
            placing,
            self.connections,
            settings=self._settings,
            clock=self._clock,
            share=self.share,
            endpoints=metrics_endpoints,
        )
        placer = Placer(ledger, placing, settings=self._settings, clock=self._clock)
        drainer = Drainer(ledger, placing, settings=self._settings, clock=self._clock)
        failover = Failover(ledger, placing, settings=self._settings, clock=self._clock)
        self._workers: tuple[Worker, ...] = (
            self.reconciler,
            self.connections,
            Bookkeeper(ledger, settings=self._settings, clock=self._clock, share=self.share),
            self.autoscaler,
            WhileHeld(placer.run, name="placer", share=self.share),
            WhileHeld(drainer.run, name="drainer", share=self.share),
            WhileHeld(failover.run, name="failover", share=self.share),
            WhileHeld(PlanSweep(ledger, clock=self._clock).run, name="plan-sweep", share=self.share),
        )
        if packages is not None:
            keep_ms = self._settings.package_retention_ms
            sweep = PackageSweep(ledger, packages, keep_ms=keep_ms, clock=self._clock)
            self._workers += (WhileHeld(sweep.run, name="package-sweep", share=self.share),)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Lifecycle]:
        """Has the workers running until the context ends. The ledger is running already, and for longer.

        Calls that are under way when it ends are given up; the next start finds out what became of them.
        """
        async with at_work(self._workers, clock=self._clock):
            yield self

    async def idle(self, *, within_s: float) -> bool:
        """Waits until nothing is claimed by this process any more; False when it took longer."""
        deadline = self._clock.monotonic() + within_s
        while self.reconciler.running:
            if self._clock.monotonic() >= deadline:
                return False
            await self._clock.sleep(IDLE_LOOK_S)
        return True

    # Deployments

    async def deploy(
        self,
        wish: Wish,
        request: Request,
        *,
        visible: Visible,
        wait: bool = False,
        deadline_s: float | None = None,
        remember: Remember[Started] | None = None,
    ) -> Committed[Started]:
        """Begins a new deployment. With `wait` one that cannot be placed yet is kept and placed when it can be.

        `deadline_s`, here and below, is when its operation ends at the latest, with what is not done told.

        Raises NotFound, AlreadyExists, InvalidInput, InvalidState, Unplaceable, CapacityGone, or what the ledger raises.
        """

        async def attempt() -> Callable[[Edit], Started]:
            filing = Filing.EVERY if wait else Filing.FEASIBLE
            chosen = await self._decisions.for_wish(visible(self._ledger.view), wish, filing=filing)
            change = partial(deploy, wish=wish, chosen=chosen, visible=visible, author=request.author, wait=wait)
            return within(change, deadline_s)

        return await self._decisions.commit(attempt, request, remember)

    async def update(
        self,
        change: Adjustment,
        request: Request,
        *,
        visible: Visible,
        deadline_s: float | None = None,
        remember: Remember[Started] | None = None,
    ) -> Committed[Started]:
        """Changes version, policy or replicas; only what differs is touched.

        Raises NotFound, Conflict, InvalidInput, InvalidState, Unplaceable, CapacityGone, or what the ledger raises.
        """
        return await self._change(
            change, request, visible=visible, remember=remember, kind=OperationKind.UPDATE, deadline_s=deadline_s
        )

    async def scale(
        self,
        deployment_id: str,
        replicas: dict[str, int],
        request: Request,
        *,
        visible: Visible,
        expected_revision: int | None = None,
        deadline_s: float | None = None,
        remember: Remember[Started] | None = None,
    ) -> Committed[Started]:
        """Changes the replicas at each site of the components that are named; the others keep theirs.

        Raises as `update`, and InvalidState for a component whose scaling policy gives the sites their numbers.
        """

        async def attempt() -> Callable[[Edit], Started]:
            reader = visible(self._ledger.view)
            current = seen_deployment(reader, deployment_id)
            check_not_followed(reader, as_wished(current), replicas, path="input.replicas")
            # The others' numbers are those of one revision: a change meanwhile has this decided anew, from what it made.
            change = Adjustment(
                deployment_id=deployment_id,
                replicas={**as_wished(current).replicas, **replicas},
                made_from=newest_number(current),
                expected_revision=expected_revision,
            )
            made = await self._changed(
                change, reader, visible=visible, author=request.author, kind=OperationKind.SCALE, deadline_s=deadline_s
            )

            def at_head(edit: Edit) -> Started:
                wished = as_wished(seen_deployment(visible(edit), deployment_id))
                check_not_followed(edit, wished, replicas, path="input.replicas")
                return made(edit)

            return at_head

        return await self._decisions.commit(attempt, request, remember)

    async def terminate(
        self,
        deployment_id: str,
        request: Request,
        *,
        visible: Visible,
        delete: bool = False,
        expected_revision: int | None = None,
        deadline_s: float | None = None,
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
        return await self._ledger.commit(within(change, deadline_s), request, remember=remember)

    # Infrastructure

    async def set_schedulable(
        self,
        entity_id: str,
        request: Request,
        *,
        schedulable: bool,
        visible: Visible,
        expected_revision: int | None = None,
        remember: Remember[Cordonable] | None = None,
    ) -> Committed[Cordonable]:
        """Cordons a site, node or cluster, so that nothing new is placed on it, or takes the cordon off.

        Raises NotFound or Conflict.
        """
        change = partial(
            set_schedulable,
            entity_id=entity_id,
            schedulable=schedulable,
            visible=visible,
            author=request.author,
            expected_revision=expected_revision,
        )
        return await self._ledger.commit(change, request, remember=remember)

    async def drain(
        self,
        target_id: str,
        request: Request,
        *,
        visible: Visible,
        expected_revision: int | None = None,
        remember: Remember[Operation] | None = None,
    ) -> Committed[Operation]:
        """Cordons a site or node and moves what runs there elsewhere, made before it is broken.

        Raises NotFound, Conflict, InvalidState, or what the ledger raises.
        """
        change = partial(
            start_drain,
            target_id=target_id,
            visible=visible,
            author=request.author,
            expected_revision=expected_revision,
        )
        return await self._ledger.commit(change, request, remember=remember)

    # How it is done

    async def _change(
        self,
        change: Adjustment,
        request: Request,
        *,
        visible: Visible,
        remember: Remember[Started] | None,
        kind: OperationKind,
        deadline_s: float | None,
    ) -> Committed[Started]:
        async def attempt() -> Callable[[Edit], Started]:
            reader = visible(self._ledger.view)
            return await self._changed(
                change, reader, visible=visible, author=request.author, kind=kind, deadline_s=deadline_s
            )

        return await self._decisions.commit(attempt, request, remember)

    async def _changed(
        self,
        change: Adjustment,
        reader: Reader,
        *,
        visible: Visible,
        author: str,
        kind: OperationKind,
        deadline_s: float | None,
    ) -> Callable[[Edit], Started]:
        """The change function of a deployment as it would be placed now."""
        deployment = seen_deployment(reader, change.deployment_id)
        version, policy, replicas = adjusted(reader, as_wished(deployment), change)
        chosen = await self._decisions.for_change(reader, deployment, version, policy, replicas)
        made = partial(update_deployment, change=change, chosen=chosen, visible=visible, author=author, kind=kind)
        return within(made, deadline_s)
