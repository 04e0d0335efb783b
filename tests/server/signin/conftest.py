"""A store, and the routes of signing in over it."""

from __future__ import annotations

import pytest

from access.audit import Audit
from graph.ledger import Ledger
from graph.stores.sqlite import SqliteStore
from serverkit.signin import Site


@pytest.fixture
async def ledger(tmp_path):
    async with Ledger(SqliteStore(tmp_path / "data" / "graph.sqlite")).running() as running:
        yield running


@pytest.fixture
async def site(ledger):
    made = Site(ledger, Audit(ledger))
    await made.user("ann")
    return made
