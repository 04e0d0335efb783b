"""What a new user does first, whole: sign in by the link, import a network, plan, deploy, and a kill -9 in the middle.

The same on both stores; on Neo4j the graph is looked at in Cypher as well, as an operator would.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import neo4j

from faultkit.convergence import converging
from serverkit.process import ROOT, RunningServer

CITIES = ("Vienna", "München", "Milano", "Brussels", "Zürich")
PLACES = [part for city in CITIES for part in ("--of", city)]
IMPORT = ("import", "topohub:backbone/europe", "--cluster", "edge", "--nodes", "1")


def cli(server: RunningServer, *words: str) -> str:
    """What a command of the command line prints; it must succeed."""
    done = subprocess.run(
        [sys.executable, "-m", "server.cli", *words],
        cwd=ROOT,
        env=server.environment | {"COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, (words, done.returncode, done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout


def told(server: RunningServer, *words: str) -> Any:
    """The same as JSON."""
    return json.loads(cli(server, *words, "-o", "json"))


def walk(server: RunningServer) -> float:
    """The walk of the README against a server that has nothing yet, with a kill in the middle of a deployment.

    Gives the seconds from when it was ready again until what had been begun was done.
    """
    cli(server, "login", "--link", server.link)
    assert "852" in cli(server, *IMPORT, "--plan")
    assert cli(server, "get", "sites", "-o", "name").strip() == "", "a dry run changes nothing"
    cli(server, *IMPORT)
    assert "852" in cli(server, *IMPORT), "what is there already is counted and left alone"
    cli(server, "apply", "-f", str(ROOT / "docs" / "examples" / "walk.yaml"))

    plan = told(server, "plan", "hello/1.0", "--within", "8ms", *PLACES)
    assert plan["feasible"]
    served = {one["place"]: one["latencyMs"] for site in plan["placements"] for one in site["serves"]}
    assert set(served) == set(CITIES)
    assert max(served.values()) <= 8
    refused = {one["rule"]: one["sites"] for one in plan["refusalsByRule"]}
    assert refused["latency"] > 50, "sites that are too far from each of the cities are refused, and it is said"
    assert plan["lookedAt"] == 375, "the cities; sea-cable points are only routed through"
    assert plan["transitSites"] == 477

    cli(server, "deploy", "hello/1.0", "--within", "8ms", *PLACES, "--name", "near", "--wait", "--timeout", "300s")
    cli(server, "deploy", "hello/1.1", "--everywhere", "--name", "everywhere")
    time.sleep(0.5)
    server.kill()
    server.start()
    with converging() as took:
        operations = told(server, "operation", "list")
        assert len(operations) == 2, "what was acknowledged is still there"
        cli(server, "operation", "wait", operations[0]["id"], "--timeout", "300s")
    assert {one["phase"] for one in told(server, "get", "deployments")} == {"READY"}
    releases = told(server, "get", "releases", "--limit", "0")
    assert len(releases) == 2 * 375 + 2 * len(plan["placements"])
    assert {one["phase"] for one in releases} == {"READY"}
    return took.seconds


def test_the_first_walk_survives_a_kill(
    start_server: Callable[..., RunningServer], converged: Callable[[float], None]
) -> None:
    converged(walk(start_server()))


def test_the_first_walk_on_neo4j_shows_the_same_graph_in_cypher(
    start_server: Callable[..., RunningServer], neo4j_server: Any, tmp_path: Path, converged: Callable[[float], None]
) -> None:
    neo4j_server.empty()
    password = tmp_path / "password"
    password.write_text(neo4j_server.password)
    password.chmod(0o600)
    converged(walk(start_server("--store", neo4j_server.store, "--store-password-file", str(password))))

    async def counted() -> list[Any]:
        driver = neo4j.AsyncGraphDatabase.driver(neo4j_server.url, auth=(neo4j_server.user, neo4j_server.password))
        async with driver:
            records, _, _ = await driver.execute_query(
                "MATCH (s:Site)-[:IN_REGION]->(r:Region) RETURN r.name AS region, s.role AS role, count(s) AS sites "
                "ORDER BY role"
            )
            linked, _, _ = await driver.execute_query("MATCH (:Site)-[l:LINK]->(:Site) RETURN count(l) AS links")
            return [tuple(one.values()) for one in (*records, *linked)]

    assert asyncio.run(counted()) == [
        ("backbone-europe", "COMPUTE", 375),
        ("backbone-europe", "TRANSIT", 477),
        (1287,),
    ]
