"""Workers whose broker is killed and wiped: work goes on, nothing is done twice, and shares are whole again afterwards."""

from __future__ import annotations

from pathlib import Path

from lifecyclekit.peers import broken


async def test_a_broker_that_is_killed_and_wiped_loses_nothing(
    tmp_path: Path, neo4j_server, nats_server, quick
) -> None:
    toll = await broken(tmp_path, neo4j_server, nats_server, quick, count=2, wiped=True)
    assert toll.applied >= 2 * toll.sites


async def test_a_node_of_three_that_is_killed_loses_nothing(tmp_path: Path, neo4j_server, nats_cluster, quick) -> None:
    toll = await broken(tmp_path, neo4j_server, nats_cluster, quick, count=2, wiped=False)
    assert toll.applied >= 2 * toll.sites
