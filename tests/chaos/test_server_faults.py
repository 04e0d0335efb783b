"""A Neo4j server that is killed, stopped, frozen and out of disk under its writers, again and again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from beds.neo4j.server import Neo4jServer
from storekit.fixtures import plain_logs
from storekit.server_faults import COMMITS, faults_under_load

__all__ = ["plain_logs"]
FAULTS = {"kill": 10, "stop": 3, "freeze": 6, "fill": 2}


@pytest.mark.chaos
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_server_that_fails_again_and_again_has_all_that_it_acknowledged(
    neo4j_server: Neo4jServer, report: Callable[[str, Any], None], fault: str
) -> None:
    neo4j_server.clear()
    toll = await faults_under_load(neo4j_server, [fault] * FAULTS[fault])
    report(f"Neo4j server, {fault} under load", toll)
    assert toll.told >= 2 * COMMITS * toll.faults
