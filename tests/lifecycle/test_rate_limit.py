"""How many calls begin a second where several clusters are behind one endpoint, counted by what reached the backends.

The whole lifecycle runs, in logical time, as one of two workers of equal shares: the least of what the clusters of an
endpoint allow is the endpoint's, and a worker takes its part of that.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from drivers.registry import DriverRegistry
from drivers.simulated.effects import Outcome
from faultkit.logical_time import LogicalClock, run
from faultkit.scenarios import SMALL
from graph.edit import Edit
from graph.kinds import Cluster
from graph.ledger import Ledger
from graph.stores.sqlite import SqliteStore
from graph.view import get_as
from lifecycle.endpoints import Endpoints
from lifecycle.service import Lifecycle
from lifecycle.settings import LifecycleSettings
from lifecycle.share import PARTITIONS, Share
from lifecyclekit.edge import AtHand, Edge

SITES = 60
ENDPOINT = "unix:/run/edge.sock"
RATES = (5.0, 2.0)
"""What each of the two clusters at the endpoint allows, calls a second."""
PART = 0.5
"""Of everything, this worker's."""
ALLOWED = min(RATES) * PART
HALF = frozenset(range(int(PARTITIONS * PART)))


async def begun(folder: Path) -> list[float]:
    """When each call began of a deployment to all sites, seconds, ascending; all calls take equally long."""
    clock = LogicalClock()
    ledger = Ledger(SqliteStore(folder / "graph.db"), clock_ms=clock.now_ms, monotonic=clock.monotonic)
    share = Share(partitions=HALF)
    driver = AtHand()
    async with ledger.running():
        lifecycle = Lifecycle(ledger, DriverRegistry.of(driver), settings=LifecycleSettings(), clock=clock, share=share)
        edge = Edge(ledger, lifecycle, driver)
        edge.deadline_s = 10 * SITES / ALLOWED
        async with lifecycle.running():
            await edge.network(sites=SITES, nodes=1, clusters=len(RATES), endpoint=ENDPOINT, observeEveryMs=1_000)
            await edge.version(web=SMALL)

            def allow(edit: Edit) -> None:
                for cluster_id, rate in zip(edge.cluster_ids, RATES, strict=True):
                    cluster = get_as(edit, Cluster, cluster_id)
                    assert cluster is not None
                    edit.replace(cluster, calls_per_second=rate)

            await edge.change(allow)
            for number in range(len(RATES)):
                await edge.connected(number)
            deployment, _ = await edge.deploy()
            mine = [one for one in edge.releases(deployment.id) if share.holds(one.site_id)]
            assert {one.cluster_id for one in mine} == set(edge.cluster_ids)

            def calls() -> list[float]:
                return sorted(
                    one.at_ms / 1000
                    for number in range(len(RATES))
                    for one in edge.world(number).effects.after(0)
                    if one.outcome is Outcome.DONE
                )

            await edge.until(lambda: len(calls()) >= len(mine), what="all calls")
            return calls()


def check(times: list[float], *, rate: float) -> None:
    """In no span of time began more calls than one second's at once and the rate's since."""
    for at, first in enumerate(times):
        for count, last in enumerate(times[at:], start=1):
            allowed = max(rate, 1.0) + (last - first) * rate
            assert count <= allowed + 0.01, f"{count} calls began within {last - first:g} s"


def test_no_more_calls_begin_at_an_endpoint_than_its_narrowest_cluster_allows_of_a_workers_part(tmp_path: Path) -> None:
    times = run(begun(tmp_path))
    assert len(times) > SITES / 4, "too few to tell"
    check(times, rate=ALLOWED)
    assert times[-1] - times[0] <= len(times) / ALLOWED, "fewer began than might"


def unlimited() -> Any:
    """Endpoints that take what comes."""
    return mock.patch.object(Endpoints, "limit", return_value=None)


def whole_for_each() -> Any:
    """Workers that each take all that an endpoint allows."""
    return mock.patch.object(Share, "part", 1.0)


@pytest.mark.parametrize("defence", [unlimited, whole_for_each])
def test_calls_beyond_that_are_found(tmp_path: Path, defence: Callable[[], AbstractContextManager[Any]]) -> None:
    """The negative controls: the same count, with one thing left out."""
    with defence():
        times = run(begun(tmp_path))
    with pytest.raises(AssertionError, match="calls began within"):
        check(times, rate=ALLOWED)
