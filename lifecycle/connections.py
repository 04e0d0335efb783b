"""Connections to clusters: one for each, kept for as long as the cluster is as it is, with its observer on it.

A cluster that was changed is connected to anew; one that cannot be connected to is tried again with pauses that grow, is
written down as DOWN, and holds up no other. Work for a cluster is taken only while it is connected. A connection that does
not end is waited for by its successor alone, and for a bounded time (`lifecycle.links`).

Where processes share a store, a process connects to the clusters at whose sites it has work, and observes those that are
its own (`lifecycle.share`): only who observes a cluster says how it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec
import structlog

from drivers.clock import Clock
from drivers.port import (
    Backend,
    ClusterAccess,
    Condition,
    Driver,
    DriverProblem,
    InUseElsewhere,
    NoPackages,
    PackageFiles,
    Secrets,
    WorkloadSecrets,
    no_workload_secrets,
)
from drivers.registry import DriverRegistry
from graph.change import Commit
from graph.edit import Edit
from graph.kinds import Cluster, Node, Release, Secret, Site
from graph.ledger import Ledger
from graph.refusal import Refusal, Unavailable
from graph.view import each, get_as
from lifecycle.backoff import pause_s
from lifecycle.bell import end_if_cancelled, ring_or_sleep
from lifecycle.bounded_backends import bounded
from lifecycle.health import not_answering
from lifecycle.held import while_held
from lifecycle.lingering import Lingering
from lifecycle.links import Link
from lifecycle.observer import Observer
from lifecycle.portions import portions
from lifecycle.pulse import Pulse, Silent
from lifecycle.reports import WorkReports
from lifecycle.requests import own_request
from lifecycle.settings import LifecycleSettings
from lifecycle.share import Share
from lifecycle.sightings import Deposed, check_epoch, is_in_sight, lose_sight_of, take_over, write_cluster

log = structlog.get_logger(__name__)


def _nobody_listens(_cluster_id: str) -> None:
    """The default of who is told."""


@dataclass(frozen=True, slots=True)
class Connection:
    """An open connection to a cluster."""

    driver: Driver
    backend: Backend


class ClusterInventory:
    """The sites and nodes of a cluster in the graph. Its `stamp` rises by the commits that its owner tells it of."""

    def __init__(self, ledger: Ledger, cluster_id: str) -> None:
        self._ledger = ledger
        self._cluster_id = cluster_id
        self.stamp = 0

    def sites(self) -> Mapping[str, str]:
        """Names by id of the sites that the cluster serves."""
        view = self._ledger.view
        cluster = get_as(view, Cluster, self._cluster_id)
        found = (get_as(view, Site, one) for one in (cluster.site_ids if cluster is not None else ()))
        return {site.id: site.name for site in found if site is not None}

    def nodes(self) -> Mapping[str, tuple[str, str]]:
        """(name, site id) by id of the nodes that the cluster controls."""
        nodes = each(self._ledger.view, Node, "cluster_id", self._cluster_id)
        return {node.id: (node.name, node.site_id) for node in nodes}

    def nodes_at(self, site_id: str) -> Sequence[Node]:
        """The nodes of a site that are the cluster's or nobody's, by ascending id."""
        nodes = each(self._ledger.view, Node, "site_id", site_id)
        return [node for node in nodes if node.cluster_id is None or node.cluster_id == self._cluster_id]


class Connections(Mapping[str, Connection]):
    """The clusters that this process is connected to, by id. A `Follower` of the view."""

    def __init__(
        self,
        ledger: Ledger,
        drivers: DriverRegistry,
        *,
        settings: LifecycleSettings,
        clock: Clock,
        secrets: Secrets,
        workload_secrets: WorkloadSecrets = no_workload_secrets,
        data_folder: Path | None,
        packages: PackageFiles | None = None,
        on_connected: Callable[[str], None],
        on_heard: Callable[[str], None] = _nobody_listens,
        share: Share | None = None,
        reports: WorkReports | None = None,
    ) -> None:
        self._ledger = ledger
        self._drivers = drivers
        self._settings = settings
        self._clock = clock
        self._secrets = secrets
        self._workload_secrets = workload_secrets
        self._data_folder = data_folder
        self._packages = packages or NoPackages()
        self._on_connected = on_connected
        self._on_heard = on_heard
        self._share = share or Share()
        self._reports = reports or WorkReports()
        self._open: dict[str, Connection] = {}
        self._inventories: dict[str, ClusterInventory] = {}
        self._lingering = Lingering()
        self._bell = asyncio.Event()

    def __getitem__(self, cluster_id: str) -> Connection:
        return self._open[cluster_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._open)

    def __len__(self) -> int:
        return len(self._open)

    @property
    def left_behind(self) -> int:
        """How many calls and connections were given up and have not ended."""
        return len(self._lingering)

    async def run(self) -> None:
        """Keeps a connection to each cluster until it is cancelled."""
        ends = (self._ledger.view.follow(self), self._share.follow(self._bell.set))
        running: dict[str, tuple[bytes, asyncio.Task[None]]] = {}
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    self._bell.clear()
                    wanted = self._wanted()
                    over = {one: task for one, (key, task) in running.items() if wanted.get(one) != key}
                    for cluster_id in over:
                        del running[cluster_id]
                        self._inventories.pop(cluster_id, None)
                    await _ended(over.values(), within_s=self._settings.disconnect_s)
                    for cluster_id, key in wanted.items():
                        if cluster_id not in running:
                            task = group.create_task(self._keep(cluster_id), name=f"lifecycle-cluster-{cluster_id}")
                            running[cluster_id] = (key, task)
                    await ring_or_sleep(self._bell, self._clock, self._settings.resync_s)
        finally:
            for end in ends:
                end()

    # What changed

    def applied(self, commit: Commit) -> None:
        """Notes clusters that were made, changed or deleted, and sites and nodes that came, went or were renamed."""
        for change in commit.changes:
            before, after = change.before, change.after
            if change.kind == "Cluster":
                if not isinstance(before, Cluster) or not isinstance(after, Cluster) or _key(before) != _key(after):
                    self._bell.set()
                if isinstance(before, Cluster) and isinstance(after, Cluster) and before.site_ids != after.site_ids:
                    self._restamp(change.id)
            elif change.kind == "Secret":
                self._bell.set()
            elif change.kind == "Node":
                was, now = _node_key(before), _node_key(after)
                if was != now:
                    for key in (was, now):
                        if key is not None and key[0] is not None:
                            self._restamp(key[0])
            elif (
                change.kind == "Site"
                and isinstance(before, Site)
                and isinstance(after, Site)
                and before.name != after.name
            ):
                for cluster_id in self._ledger.view.ids("Cluster", "site_ids", change.id):
                    self._restamp(cluster_id)

    def reloaded(self) -> None:
        """Everything may differ."""
        for cluster_id in self._inventories:
            self._restamp(cluster_id)
        self._bell.set()

    def _restamp(self, cluster_id: str) -> None:
        inventory = self._inventories.get(cluster_id)
        if inventory is not None:
            inventory.stamp += 1

    def _wanted(self) -> dict[str, bytes]:
        view = self._ledger.view
        wanted = {}
        for cluster in each(view, Cluster):
            if not self._has_work(cluster):
                continue
            secret = get_as(view, Secret, cluster.credentials_id)
            wanted[cluster.id] = _key(cluster) + f"|{secret.version if secret is not None else ''}".encode()
        return wanted

    def _has_work(self, cluster: Cluster) -> bool:
        """Whether it is this process's to observe, or serves a site that is this process's."""
        holds = self._share.holds
        return (
            holds(cluster.id)
            or any(holds(site_id) for site_id in cluster.site_ids)
            or any(holds(node.site_id) for node in each(self._ledger.view, Node, "cluster_id", cluster.id))
        )

    # One cluster

    async def _keep(self, cluster_id: str) -> None:
        failures = 0
        failing_since: float | None = None
        inventory = self._inventories[cluster_id] = ClusterInventory(self._ledger, cluster_id)
        while True:
            began = self._clock.monotonic()
            pulse = Pulse(settings=self._settings, clock=self._clock, on_heard=partial(self._on_heard, cluster_id))
            async with Link(cluster_id, lingering=self._lingering, settings=self._settings) as link:
                problem: Exception | None = None
                try:
                    await self._serve(cluster_id, inventory, pulse, link)
                except Exception as met:  # noqa: BLE001  # what it means is told below
                    problem = met
                # A driver that fails while it is given up would else keep alive what was told to end.
                end_if_cancelled()
                link.let_go()
                if pulse.worked:
                    failing_since = None
                if isinstance(problem, InUseElsewhere):
                    # Another process sees to it: this one asks again and says nothing of the cluster.
                    log.info("cluster.stand_by", cluster=cluster_id, problem=str(problem))
                    failing_since = None
                elif isinstance(problem, Unavailable):
                    log.info("cluster.store_away", cluster=cluster_id)
                elif problem is not None:
                    if not isinstance(problem, DriverProblem | Refusal | TimeoutError):
                        log.error("cluster.failed", cluster=cluster_id, exc_info=problem)
                    if failing_since is None:
                        # What was silent has been away all the while; what failed at once perhaps not before.
                        failing_since = pulse.since if isinstance(problem, Silent) else self._clock.monotonic()
                    await self._failed(cluster_id, problem, since=failing_since)
            if isinstance(problem, Unavailable) and self._ledger.stale:
                # Of the cluster that says nothing: it is connected to as soon as what is seen there can be written down.
                await self._ledger.until_back()
                failures = 0
            lasted = self._clock.monotonic() - began
            if lasted > self._settings.reconnect_cap_s and (pulse.worked or problem is None):
                failures = 0
            failures += 1
            pause = pause_s(
                failures,
                base_s=self._settings.backoff_base_s,
                cap_s=self._settings.reconnect_cap_s,
                seed=self._settings.seed,
                key=cluster_id,
            )
            await self._clock.sleep(pause)

    async def _serve(self, cluster_id: str, inventory: ClusterInventory, pulse: Pulse, link: Link) -> None:
        cluster = get_as(self._ledger.view, Cluster, cluster_id)
        if cluster is None:
            return
        driver = self._drivers.get(cluster.driver)
        access = ClusterAccess(
            id=cluster.id,
            name=cluster.name,
            endpoint=cluster.endpoint,
            configuration=cluster.configuration,
            clock=self._clock,
            credentials_id=cluster.credentials_id,
            secrets=self._secrets,
            workload_secrets=self._workload_secrets,
            inventory=inventory,
            data_folder=self._data_folder,
            packages=self._packages,
            heard=pulse.heard,
        )
        async with pulse.answering():
            backend = bounded(await link.make(partial(driver.connect, access)), cluster_id, self._lingering)
        connection = self._open[cluster_id] = Connection(driver, backend)
        try:
            self._on_connected(cluster_id)
            await while_held(partial(self._observe, cluster_id, backend, pulse), key=cluster_id, share=self._share)
        finally:
            # It may end after another has taken its place.
            if self._open.get(cluster_id) is connection:
                del self._open[cluster_id]

    async def _observe(self, cluster_id: str, backend: Backend, pulse: Pulse) -> None:
        """Observes until another process does, then stands by for a while; calls go on all the time."""
        observer = Observer(self._ledger, cluster_id, backend, pulse=pulse, settings=self._settings, clock=self._clock)
        try:
            await observer.run()
        except Deposed:
            log.info("cluster.deposed", cluster=cluster_id)
            self._reports.fenced("observer")
        # By its lease another one may know better in a moment; without leases there is nothing to know.
        known = self._share.workers is not None
        await self._clock.sleep(self._settings.handover_s if known else self._settings.takeover_s)

    async def _failed(self, cluster_id: str, problem: Exception, *, since: float) -> None:
        """Writes the cluster down as DOWN when it has failed for long enough.

        How a cluster is is said by who observes it alone.
        """
        reason = str(problem) or type(problem).__name__
        log.warning("cluster.not_connected", cluster=cluster_id, problem=reason)
        failing_s = self._clock.monotonic() - since
        lasting = failing_s >= self._settings.down_after_s or isinstance(problem, Refusal)
        if lasting and self._share.holds(cluster_id):
            try:
                await self._write_down(cluster_id, reason[:500])
            except (Refusal, Deposed) as refused:
                # What is refused of one cluster must not end the connections to all.
                log.info("cluster.not_written_down", cluster=cluster_id, reason=str(refused))

    async def _write_down(self, cluster_id: str, reason: str) -> None:
        """What cannot be seen is not called ready: first the releases, then the cluster itself."""
        view = self._ledger.view
        cluster = get_as(view, Cluster, cluster_id)
        if cluster is None:
            return
        told = not_answering(f"cluster {cluster.name}", reason)
        found = [one.id for one in each(view, Release, "cluster_id", cluster_id) if is_in_sight(view, one)]
        known = cluster.health.reasons == [reason]
        if known and not found:
            return
        epoch = (await self._ledger.commit(partial(take_over, cluster_id=cluster_id), REQUEST)).value
        for part in portions(found, weight=lambda one: 1 + view.count("Instance", "release_id", one)):
            await self._ledger.commit(
                partial(_lose, cluster_id=cluster_id, epoch=epoch, release_ids=part, reason=told), REQUEST
            )
        if not known:
            await self._ledger.commit(partial(_down, cluster_id=cluster_id, epoch=epoch, reason=reason), REQUEST)


REQUEST = own_request("lifecycle.observe")


def _lose(edit: Edit, *, cluster_id: str, epoch: int, release_ids: list[str], reason: str) -> None:
    check_epoch(edit, cluster_id, epoch)
    lose_sight_of(edit, release_ids, reason)


def _down(edit: Edit, *, cluster_id: str, epoch: int, reason: str) -> None:
    check_epoch(edit, cluster_id, epoch)
    cluster = get_as(edit, Cluster, cluster_id)
    assert cluster is not None, "its epoch was checked"
    write_cluster(edit, cluster, Condition(False, reason))


def _key(cluster: Cluster) -> bytes:
    """What of a cluster its connection depends on."""
    parts = (cluster.driver, cluster.endpoint, cluster.credentials_id, cluster.configuration, cluster.name)
    return msgspec.json.encode(parts, order="deterministic")


def _node_key(node: object) -> tuple[str | None, str, str] | None:
    return (node.cluster_id, node.name, node.site_id) if isinstance(node, Node) else None


async def _ended(tasks: Collection[asyncio.Task[None]], *, within_s: float) -> None:
    """Ends connections; drivers that take their time to let go hold up the others for a bounded time only."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=within_s)
