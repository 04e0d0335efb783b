"""Workers whose broker is killed and wiped: work goes on, nothing is done twice, and shares are whole again afterwards."""

from __future__ import annotations

import pytest

from faultkit import broken as without
from lifecyclekit.peers import broken

SETTLE_S = 8.0
"""Twice a lease: where it must not happen it is not waited for any longer."""


async def test_a_broker_that_is_killed_and_wiped_loses_nothing(neo4j_server, nats_server, converged) -> None:
    toll = await broken(neo4j_server, nats_server, count=2, wiped=True)
    converged(toll.converged_s)
    assert toll.applied >= 2 * toll.sites


async def test_a_node_of_three_that_is_killed_loses_nothing(neo4j_server, nats_cluster, converged) -> None:
    toll = await broken(neo4j_server, nats_cluster, count=2, wiped=False)
    converged(toll.converged_s)
    assert toll.applied >= 2 * toll.sites


async def test_workers_that_do_not_fill_a_wiped_broker_again_are_found_out(neo4j_server, nats_server) -> None:
    with without.with_a_bucket_made_once(), pytest.raises(AssertionError, match="fair shares again never came"):
        await broken(neo4j_server, nats_server, count=1, wiped=True, settle_s=SETTLE_S)


async def test_workers_that_do_not_go_to_another_node_are_found_out(neo4j_server, nats_cluster) -> None:
    """Whichever nodes the workers are connected to, one of three kills meets them."""
    with without.with_a_connection_made_once(), pytest.raises(AssertionError, match="fair shares again never came"):
        await broken(neo4j_server, nats_cluster, count=3, wiped=False, settle_s=SETTLE_S)
