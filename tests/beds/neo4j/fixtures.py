"""The Neo4j server of a test run: started once, when the first test asks for it, and gone with the run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from beds.neo4j.classes import archive
from beds.neo4j.server import Neo4jServer
from beds.parts import PartMissing, free_port, skip


@pytest.fixture(scope="session")
def neo4j_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Neo4jServer]:
    """A running server with a fresh home: `.url`, `.user`, `.password`, `.store`; `.kill()`, `.start()`, `.empty()`.

    It is one for the whole run: a test that kills it starts it again, and one that needs an empty database empties it.
    """
    try:
        kept = archive()
    except PartMissing as missing:
        skip("Neo4j", missing)
    server = Neo4jServer(
        tmp_path_factory.mktemp("neo4j"), port=free_port(), ends_with_us=True, brief=True, archive=kept
    )
    server.start()
    try:
        yield server
    finally:
        server.kill()  # its home is a temporary folder: a clean stop would take seconds for nothing
