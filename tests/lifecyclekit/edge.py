"""A small edge network on a real store with simulated clusters, and the lifecycle running over it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import msgspec

from drivers.port import ClusterAccess, Driver, SamplingBackend
from drivers.registry import DriverRegistry
from drivers.simulated import SimulatedDriver, journal_path
from drivers.simulated.world import World
from faultkit.logical_time import until_next_look_s
from graph.change import Record
from graph.edit import Edit
from graph.kinds import (
    App,
    AppVersion,
    Artifact,
    ArtifactType,
    Cluster,
    Component,
    Deployment,
    DeploymentPhase,
    Event,
    Node,
    Operation,
    OperationStatus,
    Region,
    Release,
    Site,
    Tenant,
)
from graph.kinds.policy import PlacementPolicy, SiteSelector
from graph.ledger import Ledger
from graph.request import Request
from graph.store import RecordPage, Store
from graph.stores.sqlite import SqliteStore
from graph.values import Position, Resources
from graph.view import Reader, each, get_as
from lifecycle.deployments import Started
from lifecycle.migrations import Target
from lifecycle.service import Lifecycle
from lifecycle.settings import LifecycleSettings
from lifecycle.wishes import Adjustment, Wish

QUICK = LifecycleSettings(
    backoff_base_s=0.02,
    backoff_cap_s=0.2,
    down_after_s=0.05,
    up_after_s=0.0,
    resync_s=0.5,
    bookkeeping_s=0.005,
    pending_retry_s=0.05,
    pending_retry_cap_s=0.2,
    reconnect_cap_s=0.2,
    call_timeout_s=5.0,
    quarantine_after=4,
    failover_settle_s=0.05,
    scaling_every_s=3_600.0,
)
NODE = Resources(cpu_millicores=4_000, memory_bytes=8 << 30)
NEED = Resources(cpu_millicores=500, memory_bytes=256 << 20)
DEADLINE_S = 60.0
"""Ten times what the slowest of them takes on a busy machine: who waits for so long waits for what never comes."""
LOOK_EVERY_S = 0.005


def everything(reader: Reader) -> Reader:
    """A caller who may see all."""
    return reader


def asking(action: str = "test", **fields: Any) -> Request:
    return Request(author="user_test", action=action, **fields)


class AtHand(SimulatedDriver):
    """Clusters that say that they are behind an endpoint, and are in this process."""

    def connect(self, access: ClusterAccess) -> AbstractAsyncContextManager[SamplingBackend]:
        return super().connect(dataclasses.replace(access, endpoint=None))


class Edge:
    """What a test drives: the ledger, the lifecycle and the clusters behind it."""

    def __init__(
        self, ledger: Ledger, lifecycle: Lifecycle, driver: SimulatedDriver, data_folder: Path | None = None
    ) -> None:
        self.data_folder = data_folder
        self.deadline_s = DEADLINE_S
        self.ledger = ledger
        self.lifecycle = lifecycle
        self.driver = driver
        self.tenant_id = ""
        self.site_ids: list[str] = []
        self.cluster_ids: list[str] = []
        self.version_id = ""

    @property
    def view(self) -> Reader:
        return self.ledger.view

    async def change(self, function: Callable[[Edit], Any]) -> Any:
        return (await self.ledger.commit(function, asking())).value

    async def network(
        self, sites: int = 3, *, nodes: int = 2, clusters: int = 1, endpoint: str | None = None, **configuration: Any
    ) -> None:
        """Sites with nodes, each under one of some simulated clusters, which are this process's or at an endpoint."""

        def make(edit: Edit) -> None:
            self.tenant_id = edit.create(Tenant, name="acme").id
            region = edit.create(Region, name="coast", centre=Position(-8.6, 41.1))
            for number in range(sites):
                site = edit.create(
                    Site,
                    name=f"s{number}",
                    region_id=region.id,
                    position=Position(-8.0 + number * 0.01, 41.0),
                    labels={"zone": f"z{number % 2}"},
                )
                self.site_ids.append(site.id)
            for number in range(clusters):
                mine = self.site_ids[number::clusters]
                cluster = edit.create(
                    Cluster,
                    name=f"c{number}",
                    driver="simulated",
                    site_ids=mine,
                    endpoint=endpoint,
                    configuration=configuration if endpoint else {"observeEveryMs": 20, **configuration},
                )
                self.cluster_ids.append(cluster.id)
                for site_id in mine:
                    for index in range(nodes):
                        edit.create(
                            Node, name=f"{site_id}-n{index}", site_id=site_id, cluster_id=cluster.id, capacity=NODE
                        )

        await self.change(make)

    async def another_cluster(self, *, site: int = 0) -> None:
        """One more control plane that serves a site, with a node of its own there."""
        site_id = self.site_ids[site]

        def make(edit: Edit) -> None:
            made: dict[str, Any] = {"driver": "simulated", "configuration": {"observeEveryMs": 20}}
            cluster = edit.create(Cluster, name=f"c{len(self.cluster_ids)}", site_ids=[site_id], **made)
            self.cluster_ids.append(cluster.id)
            edit.create(Node, name=f"{site_id}-another", site_id=site_id, cluster_id=cluster.id, capacity=NODE)

        await self.change(make)

    async def version(self, name: str = "1", *, reference: str = "shop:1", **components: Mapping[str, Any]) -> str:
        """An app version; by default of one component `web`."""

        def make(edit: Edit) -> str:
            app = edit.find("App", "shop", self.tenant_id)
            if app is None:
                app = edit.create(App, name="shop", tenant_id=self.tenant_id)
            version = edit.create(AppVersion, name=name, app_id=app.id, tenant_id=self.tenant_id)
            for key, given in (components or {"web": {}}).items():
                fields: dict[str, Any] = {
                    "artifact": Artifact(type=ArtifactType.CONTAINER_IMAGE, reference=reference),
                    "resources": NEED,
                    **given,
                }
                edit.create(Component, name=key, app_version_id=version.id, tenant_id=self.tenant_id, **fields)
            return version.id

        made: str = await self.change(make)
        self.version_id = self.version_id or made
        return made

    def wish(self, name: str = "shop", *, sites: list[str] | None = None, **fields: Any) -> Wish:
        """By default everywhere."""
        policy = fields.pop("policy", None) or PlacementPolicy(
            everywhere=True, sites=SiteSelector(site_ids=list(sites or []))
        )
        version_id = fields.pop("app_version_id", self.version_id)
        return Wish(tenant_id=self.tenant_id, name=name, app_version_id=version_id, policy=policy, **fields)

    async def deploy(self, name: str = "shop", *, wait: bool = False, **fields: Any) -> tuple[Deployment, Operation]:
        committed = await self.lifecycle.deploy(
            self.wish(name, **fields), asking("deploy"), visible=everything, wait=wait
        )
        return committed.value.deployment, committed.value.operation

    async def update(self, deployment_id: str, **fields: Any) -> Started:
        change = Adjustment(deployment_id=deployment_id, **fields)
        return (await self.lifecycle.update(change, asking("update"), visible=everything)).value

    async def scale(self, deployment_id: str, **replicas: int) -> Started:
        return (await self.lifecycle.scale(deployment_id, replicas, asking("scale"), visible=everything)).value

    async def terminate(self, deployment_id: str, *, delete: bool = False) -> Started:
        asked = await self.lifecycle.terminate(deployment_id, asking("terminate"), visible=everything, delete=delete)
        return asked.value

    async def pause(self, deployment_id: str) -> Deployment:
        return (await self.lifecycle.verbs.pause(deployment_id, asking("pause"), visible=everything)).value

    async def stop(self, deployment_id: str) -> Started:
        return (await self.lifecycle.verbs.stop(deployment_id, asking("stop"), visible=everything)).value

    async def resume(self, deployment_id: str) -> Started:
        return (await self.lifecycle.verbs.resume(deployment_id, asking("resume"), visible=everything)).value

    async def rollback(self, deployment_id: str, number: int) -> Started:
        asked = await self.lifecycle.verbs.rollback(deployment_id, number, asking("rollback"), visible=everything)
        return asked.value

    async def add_sites(self, deployment_id: str, *site_ids: str) -> Started:
        verbs = self.lifecycle.site_verbs
        return (await verbs.add_sites(deployment_id, site_ids, asking("addSites"), visible=everything)).value

    async def remove_sites(self, deployment_id: str, *site_ids: str) -> Started:
        verbs = self.lifecycle.site_verbs
        return (await verbs.remove_sites(deployment_id, site_ids, asking("removeSites"), visible=everything)).value

    async def adjust_site(self, deployment_id: str, site_id: str, **replicas: int) -> Started:
        """Without replicas it is as the others again."""
        verbs = self.lifecycle.site_verbs
        asked = await verbs.adjust_site(
            deployment_id, site_id, replicas or None, asking("adjustSite"), visible=everything
        )
        return asked.value

    async def migrate(self, deployment_id: str, **target: Any) -> Started:
        asked = await self.lifecycle.migrations.migrate(
            deployment_id, Target(**target), asking("migrate"), visible=everything
        )
        return asked.value

    async def approve(self, deployment_id: str, number: int, *, author: str = "user_test", **also: Any) -> Started:
        request = Request(author=author, action="approve")
        asked = await self.lifecycle.approvals.approve(deployment_id, number, request, visible=everything, **also)
        return asked.value

    async def cancel(self, operation_id: str) -> tuple[Operation, Deployment | None]:
        return (await self.lifecycle.operations.cancel(operation_id, asking("cancel"), visible=everything)).value

    async def retry(self, operation_id: str) -> Started:
        return (await self.lifecycle.operations.retry(operation_id, asking("retry"), visible=everything)).value

    async def drain(self, target_id: str) -> Operation:
        return (await self.lifecycle.drain(target_id, asking("drain"), visible=everything)).value

    async def phases(self, deployment_id: str, **counts: int) -> list[Release]:
        """Waits until so many releases of the deployment are in each of the phases that are named."""

        def found() -> list[Release] | None:
            releases = self.releases(deployment_id)
            have = Counter(one.phase.name for one in releases)
            return releases if all(have[name] == count for name, count in counts.items()) else None

        releases: list[Release] = await self.until(found, what=str(counts))
        return releases

    async def configure(self, number: int = 0, **configuration: Any) -> None:
        """Gives a cluster another configuration."""

        def change(edit: Edit) -> None:
            cluster = get_as(edit, Cluster, self.cluster_ids[number])
            assert cluster is not None
            edit.replace(cluster, configuration={"observeEveryMs": 20, **configuration})

        await self.change(change)

    def releases(self, deployment_id: str) -> list[Release]:
        return list(each(self.view, Release, "deployment_id", deployment_id))

    def deployment(self, deployment_id: str) -> Deployment | None:
        return get_as(self.view, Deployment, deployment_id)

    def world(self, number: int = 0) -> World:
        world = self.driver.world(self.cluster_ids[number])
        assert world is not None
        return world

    async def until(self, found: Callable[[], Any], *, what: str = "it") -> Any:
        """Waits until the view shows something; tells the releases when it never does."""
        try:
            async with asyncio.timeout(self.deadline_s):
                while True:
                    value = found()
                    if value:
                        return value
                    await asyncio.sleep(until_next_look_s(LOOK_EVERY_S))
        except TimeoutError:
            told = [
                (one.backend_name, one.phase.name, one.generation, one.applied_generation, one.wanted, one.error)
                for one in each(self.view, Release)
            ]
            operations = [(one.kind.name, one.status.name, one.progress) for one in each(self.view, Operation)]
            raise AssertionError(f"{what} never came; releases {told}; operations {operations}") from None

    async def phase(self, deployment_id: str, phase: DeploymentPhase) -> Deployment:
        def found() -> Deployment | None:
            one = self.deployment(deployment_id)
            return one if one is not None and one.phase is phase and one.operation_id is None else None

        one: Deployment = await self.until(found, what=phase.name)
        return one

    async def ended(self, operation_id: str) -> Operation:
        """The filed record of an operation, once it has ended."""
        await self.until(lambda: get_as(self.view, Operation, operation_id) is None, what=f"the end of {operation_id}")
        record: Record | None = await self.ledger.store.record("Operation", operation_id)
        assert record is not None
        return msgspec.json.decode(record.body, type=Operation)

    async def succeeded(self, operation: Operation) -> Operation:
        over = await self.ended(operation.id)
        assert over.status is OperationStatus.SUCCEEDED, over.error
        return over

    async def events(self, subject_id: str | None = None) -> list[Event]:
        records = await self.ledger.store.records(
            RecordPage(collection="Event", subject_id=subject_id, limit=1_000, ascending=True)
        )
        return [msgspec.json.decode(one.body, type=Event) for one in records]

    def site(self, number: int) -> Site:
        site = get_as(self.view, Site, self.site_ids[number])
        assert site is not None
        return site

    def history(self, number: int = 0) -> list[tuple[str, str, int]]:
        """(what, name, generation) of every effect on a cluster that has a journal."""
        path = journal_path(self.data_folder, self.cluster_ids[number])
        assert path is not None
        lines = [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]
        return [
            (one["what"], one["object"]["name"], one["object"]["generation"])
            if one["what"] == "applied"
            else (one["what"], one.get("name", ""), one.get("generation", 0))
            for one in lines
            if one["what"] != "opened"
        ]

    async def connected(self, number: int = 0) -> World:
        """Waits until the cluster is connected to."""
        world: World = await self.until(lambda: self.driver.world(self.cluster_ids[number]), what="the connection")
        return world

    def check_books(self) -> None:
        """What the backends have is what the graph wants, no more and no less. The clusters are connected to."""
        wanted = {
            (one.cluster_id, one.backend_name): (one.generation, one.running_replicas)
            for one in each(self.view, Release)
            if one.wanted
        }
        there = {
            (cluster_id, one.name): (one.generation, one.replicas)
            for cluster_id in self.cluster_ids
            for one in self.driver.world(cluster_id).objects.values()
        }
        assert there == wanted, f"the backends have {there}, wanted is {wanted}"


@contextlib.asynccontextmanager
async def edge_of(
    folder: Path,
    *,
    driver: SimulatedDriver | None = None,
    registered: Driver | None = None,
    others: Sequence[Driver] = (),
    settings: LifecycleSettings = QUICK,
    running: bool = True,
    data_folder: Path | None = None,
    store: Store | None = None,
) -> AsyncIterator[Edge]:
    """Such an edge, on the embedded store in a folder or on another one.

    `registered` stands before the simulated driver, as a wrapper does; `others` stand beside it.
    """
    simulated = driver or SimulatedDriver()
    ledger = Ledger(store or SqliteStore(folder / "graph.db"))
    async with ledger.running():
        lifecycle = Lifecycle(
            ledger, DriverRegistry.of(registered or simulated, *others), settings=settings, data_folder=data_folder
        )
        edge = Edge(ledger, lifecycle, simulated, data_folder)
        if not running:
            yield edge
            return
        async with lifecycle.running():
            yield edge
