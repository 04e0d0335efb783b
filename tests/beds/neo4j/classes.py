"""The server's classes as the JVM keeps them: read, checked and laid out once, then mapped into each test server.

Most of what a server does in its first minute is to load classes: 10,000 of them, half of them when it plans and runs its
first statements. An archive of a server that was started, asked and stopped (class data sharing) spares the servers of a
test run a third of their CPU time until they answer as they always will, and half of each start again after a kill. It
fits one Java and one folder of jars; without one, or with one that does not fit, a server only takes longer.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import neo4j

from beds.neo4j import server
from beds.neo4j.server import Neo4jServer
from beds.parts import PartMissing, cache_folder, free_port, made_once, say

MADE_WITHIN_S = 600
_NAME = "server.jsa"

# One of each sort that a store sends: what they find or write does not matter.
_ASKED = (
    "CALL dbms.components() YIELD name, versions WHERE name = 'Neo4j Kernel' RETURN versions[0]",
    "CREATE CONSTRAINT a_id IF NOT EXISTS FOR (n:`A`) REQUIRE (n.`id`) IS UNIQUE",
    "CREATE CONSTRAINT a_name IF NOT EXISTS FOR (n:`A`) REQUIRE (n.`scope`, n.`name`) IS UNIQUE",
    "CREATE CONSTRAINT r_id IF NOT EXISTS FOR ()-[r:`R`]-() REQUIRE r.id IS UNIQUE",
    "CREATE INDEX a_at IF NOT EXISTS FOR (n:`A`) ON (n.`kind`, n.`at`)",
    "CALL db.awaitIndexes(300)",
    "SHOW CONSTRAINTS YIELD name WHERE name STARTS WITH 'a_' RETURN collect(name) AS names",
    "SHOW INDEXES YIELD name, state WHERE state = 'ONLINE' RETURN collect(name) AS names",
    "MATCH (n:A|B|C) RETURN labels(n)[0] AS label LIMIT 1",
    "MERGE (n:A {id: 'one'}) ON CREATE SET n.revision = 0, n.at = 0, n.name = 'one' RETURN n.revision AS revision",
    "MATCH (n:A {id: 'one'}) SET n.writer = $key WITH n CALL (n) { MATCH (c:A) WHERE c.at > $after AND c.at <= 9"
    " WITH c ORDER BY c.at RETURN collect([c.id, c.at]) AS met } RETURN [[n.id, n.at], met] AS head",
    "CYPHER replan=skip MATCH (m:A {id: 'one'}) WHERE m.revision = 0 SET m.revision = 1 WITH m"
    " CALL () { UNWIND $rows AS row CREATE (n:A) SET n = row RETURN count(*) AS written_0 }"
    " CALL () { UNWIND $rows AS row MATCH (n:A {id: row.id}) MATCH (t:A {id: 'one'})"
    " CREATE (n)-[:R {count: 1}]->(t) RETURN count(*) AS written_1 }"
    " CALL () { UNWIND $rows AS row MATCH (n:A {id: row.id}) WHERE n.revision = row.revision SET n += row"
    " RETURN count(*) AS written_2 }"
    " CALL () { UNWIND $rows AS row MERGE (n:B {kind: row.kind, id: row.id}) SET n = row RETURN count(*) AS written_3 }"
    " RETURN [written_0, written_1, written_2, written_3] AS written",
    "UNWIND $rows AS row MATCH (n:A {id: row.id})-[r:R]->(t:A) WHERE t.id = 'one' SET r.id = row.id RETURN [count(*)]",
    "UNWIND $rows AS row MATCH ()-[n:R {id: row.id}]->() WHERE n.count = 1 SET n += row RETURN [count(*)]",
    "MATCH (n:A) WHERE n.id > $key WITH n ORDER BY n.id LIMIT $size RETURN collect([n.id, n.name, n.labels]) AS page",
    "MATCH ()-[n:R]->() WHERE n.id > $key WITH n ORDER BY n.id LIMIT $size RETURN collect([n.id, n.count]) AS page",
    "MATCH (n:A) WHERE n.kind = 'k' AND n.at > $after WITH n LIMIT $size RETURN count(*) AS counted",
    "MATCH (n:A) WHERE n.id STARTS WITH 'x' WITH n LIMIT $size DELETE n RETURN count(*) AS removed",
    "UNWIND $rows AS row MATCH (n:A {id: row.id}) OPTIONAL MATCH (n)-[r:R]->() DELETE r WITH DISTINCT n REMOVE n.name"
    " DELETE n RETURN [count(*)] AS written",
    "EXPLAIN MATCH (n:A) RETURN n.name AS name ORDER BY name",
    "MATCH (n) CALL (n) { DETACH DELETE n } IN TRANSACTIONS OF 5000 ROWS",
)
_ROWS = [{"id": f"i{n}", "kind": "k", "at": n, "revision": 0, "name": f"n{n}", "labels": ["a=b"]} for n in range(3)]


def archive() -> Path | None:
    """The archive for this Java and these jars, made if it is not there yet; None where it cannot be made.

    PartMissing without Java or jars.
    """
    command, lib = server.java(), server.jars()
    told = subprocess.run([command, "-version"], capture_output=True, timeout=180, check=False).stderr
    made_of = repr((told, str(lib), server.JVM, server.BRIEF, _ASKED)).encode()
    folder = cache_folder("neo4j") / f"classes-{hashlib.sha256(made_of).hexdigest()[:12]}"
    try:
        return made_once(folder, _make) / _NAME
    except PartMissing as missing:
        say(f"Neo4j's servers will take longer to start: {missing}")
        return None


def _make(scratch: Path) -> None:
    say("starting Neo4j once to keep its classes, for it to start sooner from then on (half a minute)")
    home, kept = scratch / "home", scratch / _NAME
    trial = Neo4jServer(home, port=free_port(), ends_with_us=True, brief=True)
    trial.jvm = (*trial.jvm, f"-XX:ArchiveClassesAtExit={kept}")
    try:
        trial.start(wait_s=MADE_WITHIN_S)
        _ask(trial)
        trial.stop(wait_s=MADE_WITHIN_S)
    except (RuntimeError, neo4j.exceptions.DriverError, neo4j.exceptions.Neo4jError) as problem:
        trial.kill()
        raise PartMissing(f"no archive of its classes was made: {problem}") from problem
    if not kept.exists():
        raise PartMissing(f"this Java made no archive of its classes: {(home / 'console.log').read_text()[-500:]}")
    for path in scratch.iterdir():
        if path != kept:
            shutil.rmtree(path)


def _ask(trial: Neo4jServer) -> None:
    given = {"rows": _ROWS, "key": "", "after": 0, "size": 10}
    with (
        neo4j.GraphDatabase.driver(
            trial.url, auth=(trial.user, trial.password), notifications_min_severity="OFF"
        ) as driver,
        driver.session(database="neo4j") as session,
    ):
        for text in _ASKED:
            session.run(text, given).consume()  # type: ignore[arg-type]  # a text made here, where the driver wants a literal
        with session.begin_transaction() as transaction:
            transaction.run("CREATE (n:A {id: 'last'}) RETURN n.id").consume()
            transaction.commit()


def ready() -> str:
    """Have all that test servers need; a line on what there is. PartMissing when no server can be had."""
    told = server.ready()
    kept = archive()
    return told if kept is None else f"{told}, classes in {kept.parent.name}"
