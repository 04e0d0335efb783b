"""The fixtures of tests that run once over every store; a test module or a conftest imports those that it needs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import structlog

from beds.parts import skip
from beds.proxy.proxy import FaultProxy
from graph.store import Store
from storekit.places import Neo4jPlace, Place, SqlitePlace, neo4j_is_there

__all__ = ["place", "plain_logs", "reopened", "store"]


@pytest.fixture(autouse=True)
def plain_logs() -> Iterator[None]:
    """Tracebacks without colours and locals: those of a group that fails on purpose took seconds to draw."""
    before = structlog.get_config()
    structlog.configure(
        processors=[structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)]
    )
    yield
    structlog.configure(**before)


@pytest.fixture(params=["sqlite", pytest.param("neo4j", marks=pytest.mark.neo4j)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """An empty database in each of the stores."""
    made: Place
    if request.param == "sqlite":
        made = SqlitePlace(tmp_path)
    else:
        if not neo4j_is_there():
            skip("Neo4j", "this checkout has no graph/stores/neo4j.py")
        server = request.getfixturevalue("neo4j_server")
        made = Neo4jPlace(server, FaultProxy(server.port))
    yield made
    made.close()


@pytest.fixture
async def store(place: Place) -> AsyncIterator[Store]:
    """An open store with nothing in it."""
    handle = place.handle()
    await handle.open()
    yield handle
    await handle.close()


@pytest.fixture
def reopened(place: Place) -> Callable[[Store], Awaitable[Store]]:
    """`await reopened(store)` closes it and opens the same database again through another handle."""

    async def reopen(store: Store) -> Store:
        await store.close()
        again = place.handle()
        await again.open()
        return again

    return reopen
