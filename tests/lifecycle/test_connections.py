"""A connection that takes its time to let go holds up neither its successor nor the other clusters."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator
from typing import Any

from drivers.port import ClusterAccess, DriverProblem
from drivers.simulated import SimulatedDriver
from graph.kinds import Cluster
from graph.view import get_as
from lifecyclekit.edge import QUICK


class Clinging(SimulatedDriver):
    """Its connections go on after they were told to end, those that observe in the middle of that, until they are let go."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []
        """Clusters whose connection was told to end."""
        self.ended: list[str] = []
        self.let_go = asyncio.Event()

    @contextlib.asynccontextmanager
    async def connect(self, access: ClusterAccess) -> AsyncIterator[Any]:
        async with super().connect(access) as backend:
            inner = backend.observe

            async def observe(**given: Any) -> Any:
                try:
                    return await inner(**given)
                except asyncio.CancelledError:
                    self.told.append(access.id)
                    await self._cling()
                    raise

            backend.observe = observe
            try:
                yield backend
            finally:
                self.told.append(access.id)
                await self._cling()
                self.ended.append(access.id)

    async def _cling(self) -> None:
        while not self.let_go.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await self.let_go.wait()


async def test_the_late_end_of_a_connection_leaves_the_one_that_took_its_place(edges: Any) -> None:
    driver = Clinging()
    async with edges(driver=driver, settings=dataclasses.replace(QUICK, disconnect_s=0.0)) as edge:
        await edge.network(sites=1, observeEveryMs=5_000)
        await edge.version()
        deployment, operation = await edge.deploy()
        await edge.succeeded(operation)
        [cluster_id] = edge.cluster_ids
        first = edge.lifecycle.connections[cluster_id]
        await edge.configure(latencyMs=1)
        await edge.until(lambda: edge.lifecycle.connections[cluster_id] is not first, what="another connection")
        driver.let_go.set()
        await edge.until(lambda: driver.ended, what="its end")
        assert cluster_id in edge.lifecycle.connections
        await edge.succeeded((await edge.scale(deployment.id, web=2)).operation)


async def test_connections_that_are_to_end_are_told_so_together(edges: Any) -> None:
    driver = Clinging()
    async with edges(driver=driver, settings=dataclasses.replace(QUICK, disconnect_s=3_600.0)) as edge:
        await edge.network(sites=2, clusters=2)
        for number in range(2):
            await edge.connected(number)
        await edge.until(lambda: len(edge.lifecycle.connections) == 2, what="both connections")

        def change(edit: Any) -> None:
            for cluster_id in edge.cluster_ids:
                cluster = get_as(edit, Cluster, cluster_id)
                assert cluster is not None
                edit.replace(cluster, configuration={"observeEveryMs": 30})

        await edge.change(change)
        try:
            await edge.until(lambda: set(driver.told) == set(edge.cluster_ids), what="both are told to end")
        finally:
            driver.let_go.set()


class Sulking(SimulatedDriver):
    """Its connections fail when they are let go."""

    def __init__(self) -> None:
        super().__init__()
        self.open = self.most_open = self.made = 0

    @contextlib.asynccontextmanager
    async def connect(self, access: ClusterAccess) -> AsyncIterator[Any]:
        async with super().connect(access) as backend:
            self.made += 1
            self.open += 1
            self.most_open = max(self.most_open, self.open)
            try:
                yield backend
            finally:
                self.open -= 1
                raise DriverProblem("it would not let go")


async def test_a_connection_that_fails_when_it_is_let_go_is_over_all_the_same(edges: Any) -> None:
    driver = Sulking()
    async with edges(driver=driver) as edge:
        await edge.network(sites=1)
        await edge.version()
        deployment, operation = await edge.deploy()
        await edge.succeeded(operation)
        for times in (1, 2):
            await edge.configure(latencyMs=times)
            await edge.until(lambda times=times: driver.made == 1 + times and driver.open, what="another connection")
            await edge.succeeded((await edge.scale(deployment.id, web=1 + times)).operation)
    assert (driver.made, driver.most_open, driver.open) == (3, 1, 0)


async def test_nothing_is_kept_of_a_cluster_that_is_gone(edges: Any) -> None:
    async with edges() as edge:
        await edge.network(sites=1, nodes=0)
        [cluster_id] = edge.cluster_ids
        own = edge.lifecycle.connections
        await edge.until(lambda: cluster_id in own, what="the connection")
        await edge.change(lambda edit: edit.delete(edit.get(cluster_id)))
        await edge.until(lambda: cluster_id not in own, what="its end")
        await edge.until(lambda: not own._inventories, what="the end of what was kept of it")
