"""A replica follows what it is told of, and reads the whole graph again while its own process goes on writing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from graph import replica as replica_module
from graph.change import Commit
from graph.kinds import Region
from graph.ledger import Ledger
from graph.replica import Replica
from graph.store import Head
from graph.stores.sqlite import SqliteStore
from storekit import races
from storekit.graphs import Chain


class Log:
    """A shared store of which only the log is asked; `asked` has the revisions after which it was."""

    shared = True

    def __init__(self, *commits: Commit) -> None:
        self.commits = list(commits)
        self.asked: list[int] = []

    async def commits_after(self, revision: int, *, limit: int = 1_000) -> Sequence[Commit]:
        self.asked.append(revision)
        return [one for one in self.commits if one.revision > revision]


@contextlib.asynccontextmanager
async def following(log: Log) -> AsyncIterator[Replica]:
    replica = Replica(log, clock_ms=lambda: 0)  # type: ignore[arg-type]  # no more of it is used
    watch = asyncio.create_task(replica.watch())
    await turns()
    try:
        yield replica
    finally:
        watch.cancel()
        await asyncio.wait([watch])


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def commits(count: int) -> list[Commit]:
    chain = Chain(Head(0, 0, "", 0))
    return [chain.commit() for _ in range(count)]


async def test_what_is_told_after_a_quiet_time_is_asked_for_at_once_and_what_follows_together(monkeypatch) -> None:
    monkeypatch.setattr(replica_module, "ACTIVE_POLL_S", 3_600.0)
    made = commits(3)
    log = Log(made[0])
    async with following(log) as replica:
        replica.look(1)
        await turns()
        assert (log.asked, replica.view.revision) == ([0], 1)
        log.commits = made
        replica.look(2)
        replica.look(3)
        await turns()
        assert log.asked == [0]


async def test_what_is_told_and_was_met_meanwhile_is_not_asked_for(monkeypatch) -> None:
    monkeypatch.setattr(replica_module, "ACTIVE_POLL_S", 0.0)
    made = commits(3)
    log = Log(*made)
    async with following(log) as replica:
        replica.look(2)
        replica.take_in(made[:2])
        await turns()
        assert log.asked == []
        replica.look(3)
        await turns()
        assert (log.asked, replica.view.revision) == ([2], 3)


class Overtaken(SqliteStore):
    """A store that says that there is nothing more, and then takes a commit before the asker hears it."""

    ledger: Ledger | None = None

    async def commits_after(self, revision: int, *, limit: int = 1_000) -> Sequence[Commit]:
        found = await super().commits_after(revision, limit=limit)
        if not found and self.ledger is not None:
            ledger, self.ledger = self.ledger, None
            await ledger.commit(lambda edit: edit.create(Region, name="meanwhile"), races.REQUEST)
        return found


async def test_a_view_that_is_read_again_is_not_behind_what_its_own_process_was_answered(tmp_path: Path) -> None:
    store = Overtaken(tmp_path / "graph.sqlite")
    async with Ledger(store).running() as ledger:
        await ledger.commit(lambda edit: edit.create(Region, name="before"), races.REQUEST)
        store.ledger = ledger
        await ledger._replica._reload()
        assert ledger.view.revision == 2
        assert ledger.view.find("Region", "meanwhile") is not None
