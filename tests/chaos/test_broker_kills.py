"""The broker killed and wiped twenty times, and nodes of three killed over and over, while deployments change."""

from __future__ import annotations

import pytest

from faultkit import broken as without
from lifecyclekit.peers import broken

pytestmark = pytest.mark.chaos
SETTLE_S = 8.0
"""Twice a lease: where it must not happen it is not waited for any longer."""


async def test_a_broker_killed_and_wiped_twenty_times(neo4j_server, nats_server, report) -> None:
    report("broker, killed and wiped", await broken(neo4j_server, nats_server, count=20, wiped=True))


async def test_nodes_of_three_killed_forty_times(neo4j_server, nats_cluster, report) -> None:
    report("JetStream nodes, kill -9", await broken(neo4j_server, nats_cluster, count=40, wiped=False))


async def test_workers_that_do_not_fill_a_wiped_broker_again_are_found_out(neo4j_server, nats_server) -> None:
    with without.with_a_bucket_made_once(), pytest.raises(AssertionError, match="fair shares again never came"):
        await broken(neo4j_server, nats_server, count=1, wiped=True, settle_s=SETTLE_S)


async def test_workers_that_do_not_go_to_another_node_are_found_out(neo4j_server, nats_cluster) -> None:
    """Whichever nodes the workers are connected to, one of three kills meets them."""
    with without.with_a_connection_made_once(), pytest.raises(AssertionError, match="fair shares again never came"):
        await broken(neo4j_server, nats_cluster, count=3, wiped=False, settle_s=SETTLE_S)
