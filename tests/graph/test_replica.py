"""A replica that reads the whole graph again while its own process goes on writing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from graph.change import Commit
from graph.kinds import Region
from graph.ledger import Ledger
from graph.stores.sqlite import SqliteStore
from storekit import races


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
