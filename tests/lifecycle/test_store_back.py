"""What was held up by a store that was away goes on as soon as it is back, however long that took."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from drivers.simulated.hand import Changed, change
from faultkit.lives import Installation
from faultkit.logical_time import run
from graph.kinds import DeploymentPhase, Node
from graph.store import StoreUnavailable, Transaction, WriteBatch
from graph.stores.sqlite import SqliteStore
from graph.values import Resources
from lifecyclekit.edge import Edge
from storekit.wrappers import AwayAsAWhole

pytestmark = pytest.mark.usefixtures("quiet_logs")
BACK_S = 5.0
"""From the store's return until all is as wanted: it is asked each second, and what it held up then takes its time."""
AWAY_S = [30.0, 100.0, 600.0]
LARGE = Resources(cpu_millicores=64_000, memory_bytes=64 << 30)


class GoesAt(AwayAsAWhole):
    """Goes away when a commit of that action is to be written."""

    action = ""

    async def write(self, transaction: Transaction, batch: WriteBatch) -> None:
        if self.action and any(one.action == self.action for one in batch.commits):
            self.action, self.away = "", True
            raise StoreUnavailable("the store is away on purpose")
        await super().write(transaction, batch)


def lived(folder: Path, work: Callable[[Edge, GoesAt], Awaitable[None]]) -> None:
    """Has a server over such a store do some work, in logical time."""
    store = GoesAt(SqliteStore(folder / "graph.db"))

    async def live() -> None:
        async with Installation(folder, store_of=lambda path: store).life() as edge:
            await edge.network(sites=2, nodes=1, observeEveryMs=1_000)
            await edge.version()
            await work(edge, store)

    run(live())


@pytest.mark.parametrize("away_s", AWAY_S)
def test_what_changed_at_a_cluster_while_the_store_was_away_is_put_right_at_once(tmp_path: Path, away_s: float) -> None:
    async def work(edge: Edge, store: GoesAt) -> None:
        deployment, operation = await edge.deploy()
        await edge.succeeded(operation)
        [one, _] = edge.releases(deployment.id)
        store.away = True
        await change(edge.world(), one.backend_name, Changed(replicas=7), now=0)
        await asyncio.sleep(away_s)
        assert edge.ledger.stale
        store.away = False
        await asyncio.sleep(BACK_S)
        assert edge.cluster_ids[0] in edge.lifecycle.connections
        edge.check_books()
        assert [event.reason for event in await edge.events(one.id)].count("Drift") == 1

    lived(tmp_path, work)


@pytest.mark.parametrize("away_s", AWAY_S)
def test_what_was_to_be_placed_when_the_store_went_is_placed_though_nothing_else_changes(
    tmp_path: Path, away_s: float
) -> None:
    async def work(edge: Edge, store: GoesAt) -> None:
        large = await edge.version("2", reference="shop:2", web={"resources": LARGE})
        deployment, _ = await edge.deploy(wait=True, sites=edge.site_ids[:1], app_version_id=large)
        found = edge.deployment(deployment.id)
        assert found is not None
        assert found.phase is DeploymentPhase.PENDING_PLACEMENT
        store.action = "lifecycle.place"
        capacity = Resources(cpu_millicores=2 * LARGE.cpu_millicores, memory_bytes=2 * LARGE.memory_bytes)
        made = {"name": "large", "site_id": edge.site_ids[0], "cluster_id": edge.cluster_ids[0], "capacity": capacity}
        await edge.change(lambda edit: edit.create(Node, **made))
        await edge.until(lambda: store.away, what="the try to place it")
        await asyncio.sleep(away_s)
        store.away = False
        edge.deadline_s = BACK_S
        await edge.phase(deployment.id, DeploymentPhase.READY)

    lived(tmp_path, work)
