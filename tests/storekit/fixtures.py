"""The fixtures of tests that run once over every store; a test module or a conftest imports those that it needs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import structlog

from beds.parts import skip
from beds.proxy.proxy import FaultProxy
from graph.ledger import Ledger
from graph.store import Store
from storekit import races
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
        _warm_once(server)
        made = Neo4jPlace(server, FaultProxy(server.port))
    yield made
    made.close()


_warmed: set[str] = set()


def _warm_once(server: Any) -> None:
    """A server that has just started takes seconds for the first statement of each sort: no test is to wait for those."""
    if server.url in _warmed:
        return
    place = Neo4jPlace(server, FaultProxy(server.port))

    async def warm() -> None:
        async with Ledger(place.handle()).running() as ledger:
            await races.warm(ledger)

    with ThreadPoolExecutor(1) as pool:  # a loop of its own, whether or not the test's runs already
        pool.submit(asyncio.run, warm()).result(timeout=300)
    place.close()
    _warmed.add(server.url)


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
