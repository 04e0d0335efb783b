"""Durable commits a second: concurrent writers through the ledger, beside a bare loop of inserts on the same disk.

What a writer does is what the API's `createSite` and `updateSite` do below GraphQL: the caller's rights at head, the
visibility of what is referred to, names, references, versions and limits, an audit record in the same commit. A figure
with the guards left out would be of another product.
"""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from access.rights import check_write, check_write_of
from access.viewer import Viewer, at_head, viewer_of
from access.visible import VisibleView, require_seen
from graph.edit import Edit
from graph.kinds import Region, Role, RoleBinding, Site, User
from graph.ledger import Ledger
from graph.refusal import NotFound
from graph.request import Request
from graph.values import Position


class Writers:
    """Writers of sites in one ledger: each makes a site, changes it, and goes on with the next."""

    def __init__(self, ledger: Ledger, *, viewer: Viewer, region_id: str) -> None:
        self._ledger = ledger
        self._viewer = viewer
        self._region_id = region_id
        self._numbers = itertools.count()
        self.waits_s: list[float] = []
        """How long each commit of the last rate took for its writer."""

    @classmethod
    async def begin(cls, ledger: Ledger) -> Writers:
        """With an operator who may write sites, and a region for them."""

        def make(edit: Edit) -> tuple[str, str]:
            user = edit.create(User, name="operator")
            edit.create(RoleBinding, subject_id=user.id, role=Role.OPERATOR)
            return user.id, edit.create(Region, name="written").id

        made = await ledger.commit(make, Request(author="bench", action="prepare"))
        user_id, region_id = made.value
        viewer = viewer_of(ledger.view, user_id)
        assert viewer is not None, "the user was just made"
        return cls(ledger, viewer=viewer, region_id=region_id)

    async def rate(self, writers: int, *, for_s: float) -> float:
        """Commits a second of so many concurrent writers, over at least so many seconds."""
        self.waits_s = []
        began = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(self._write(began + for_s)) for _ in range(writers)]
        took = time.perf_counter() - began
        return sum(task.result() for task in running) / took

    async def _write(self, until: float) -> int:
        done = 0
        while (begun := time.perf_counter()) < until:
            site = await self._commit("createSite", self._creation(next(self._numbers)))
            changed = time.perf_counter()
            await self._commit("updateSite", self._change(site, done))
            self.waits_s += (changed - begun, time.perf_counter() - changed)
            done += 2
        return done

    async def _commit(self, action: str, function: Callable[[Edit], Site]) -> Site:
        request = Request(
            author=self._viewer.id, action=action, correlation_id="0123456789abcdef", source=self._viewer.source
        )
        return (await self._ledger.commit(function, request)).value

    def _creation(self, number: int) -> Callable[[Edit], Site]:
        fields: dict[str, Any] = {
            "name": f"site-{number:07d}",
            "display_name": f"Site {number}",
            "region_id": self._region_id,
            "labels": {"zone": f"z{number % 40}", "vendor": "acme"},
            "position": Position(number % 360 - 180.0, number % 170 - 85.0),
        }

        def create(edit: Edit) -> Site:
            viewer = at_head(self._viewer, edit, at_ms=edit.at)
            require_seen(VisibleView(edit, viewer), Site, fields)
            check_write(viewer, Site.SPEC, None, make=True)
            return edit.create(Site, **fields)

        return create

    def _change(self, site: Site, number: int) -> Callable[[Edit], Site]:
        def update(edit: Edit) -> Site:
            viewer = at_head(self._viewer, edit, at_ms=edit.at)
            found = VisibleView(edit, viewer).get(site.id)
            if not isinstance(found, Site):
                raise NotFound("Site", site.id)
            check_write_of(viewer, found)
            return edit.replace(
                found, expected_revision=site.revision, schedulable=False, price_per_core_hour=float(number % 100)
            )

        return update


def bytes_a_commit(database: Path) -> int:
    """The mean bytes of what one commit wrote: its place in the log, the entity and the audit record."""
    with sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True) as connection:
        (log,) = connection.execute("SELECT avg(length(body)) FROM log").fetchone()
        (live,) = connection.execute("SELECT avg(length(body)) FROM live WHERE kind = 'Site'").fetchone()
        (audit,) = connection.execute("SELECT avg(length(body)) FROM records WHERE collection = 'audit'").fetchone()
    connection.close()
    return int(log + live + audit)


class BareLoop:
    """One connection that inserts one row a transaction, each flushed: what the disk and SQLite alone can do."""

    def __init__(self, database: Path, *, row_bytes: int) -> None:
        self._connection = sqlite3.connect(database, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL").fetchone()
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("CREATE TABLE bare (number INTEGER PRIMARY KEY, body BLOB NOT NULL)")
        self._row = msgspec.json.encode("x" * max(1, row_bytes - 2))

    def rate(self, *, for_s: float) -> float:
        """Inserts a second over at least so many seconds. Blocking."""
        execute, row = self._connection.execute, self._row
        began = time.perf_counter()
        done = 0
        while (now := time.perf_counter()) < began + for_s:
            for _ in range(10):
                execute("INSERT INTO bare (body) VALUES (?)", (row,))
            done += 10
        return done / (now - began)

    def close(self) -> None:
        """Closes the database."""
        self._connection.close()
