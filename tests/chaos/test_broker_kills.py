"""The broker killed and wiped twenty times, and nodes of three killed over and over, while deployments change."""

from __future__ import annotations

import pytest

from lifecyclekit.peers import broken

pytestmark = pytest.mark.chaos


async def test_a_broker_killed_and_wiped_twenty_times(neo4j_server, nats_server, report) -> None:
    report("broker, killed and wiped", await broken(neo4j_server, nats_server, count=20, wiped=True))


async def test_nodes_of_three_killed_forty_times(neo4j_server, nats_cluster, report) -> None:
    report("JetStream nodes, kill -9", await broken(neo4j_server, nats_cluster, count=40, wiped=False))
