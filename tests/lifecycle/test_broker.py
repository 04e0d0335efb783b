"""Workers whose broker is killed and wiped: work goes on, nothing is done twice, and shares are whole again afterwards.

Their controls, with whole workers, are in `tests/chaos/test_broker_kills.py`; those with leases alone in `test_leases.py`.
"""

from __future__ import annotations

from lifecyclekit.peers import broken


async def test_a_broker_that_is_killed_and_wiped_loses_nothing(neo4j_server, nats_server, converged) -> None:
    toll = await broken(neo4j_server, nats_server, count=2, wiped=True)
    converged(toll.converged_s)
    assert toll.applied >= 2 * toll.sites


async def test_a_node_of_three_that_is_killed_loses_nothing(neo4j_server, nats_cluster, converged) -> None:
    toll = await broken(neo4j_server, nats_cluster, count=2, wiped=False)
    converged(toll.converged_s)
    assert toll.applied >= 2 * toll.sites
