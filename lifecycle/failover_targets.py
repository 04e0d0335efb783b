"""Where plans of failover lead, so that one whose target is lost as well is made anew, and not only refused when applied.

The sites are in a plan's steps, which are in the store and not in the view: they are read once for each plan, and noted for
those that this process has made itself. Nothing rests on this memory; a process that takes over reads them again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable

from graph.kinds import Site
from graph.ledger import Ledger
from graph.store import RecordPage, StoreProblem
from graph.view import Reader, get_as
from lifecycle.losses import is_lost
from lifecycle.plans_steps import COLLECTION, step_filed


class Targets:
    """The sites at which each plan would newly run something."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._sites: dict[str, frozenset[str]] = {}

    def note(self, plan_id: str, sites: Iterable[str]) -> None:
        """Where a plan that was just made leads; what was lost already then was planned for all the same."""
        view = self._ledger.view
        self._sites[plan_id] = frozenset(one for one in sites if not _lost(view, one))

    async def learn(self, plan_ids: Collection[str]) -> None:
        """Reads where plans lead that others made, and forgets those that are not named. What cannot be read is so later."""
        self._sites = {one: sites for one, sites in self._sites.items() if one in plan_ids}
        for plan_id in plan_ids:
            if plan_id in self._sites:
                continue
            page = RecordPage(collection=COLLECTION, subject_id=plan_id, limit=1, ascending=True)
            try:
                records = await self._ledger.store.records(page)
            except StoreProblem:
                return
            if not records:
                continue
            step = await asyncio.to_thread(step_filed, records[0])
            self._sites[plan_id] = frozenset(step.sites_after) - frozenset(step.step.before)

    def are_lost(self, reader: Reader, plan_id: str) -> bool:
        """Whether one of the sites that a plan leads to is lost since."""
        return any(_lost(reader, one) for one in self._sites.get(plan_id, ()))


def _lost(reader: Reader, site_id: str) -> bool:
    site = get_as(reader, Site, site_id)
    return site is None or is_lost(reader, site)
