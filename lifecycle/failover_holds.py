"""Holds of failover: begun and ended by how many sites are lost, as seen by the process that moves.

What a hold is, and when there is one, is said in `lifecycle.mass_loss`. Here is the memory of whether to look: nothing is
counted while no site has changed, for a network of thousands is asked at every commit; and it is asked again between any
two lots that are moved, for deciding takes time, in which many more sites may have been lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import structlog

from graph.change import Change
from graph.kinds import FailoverHold
from graph.ledger import Ledger
from graph.view import each
from lifecycle.apart import written_apart
from lifecycle.failing_over import REQUEST
from lifecycle.mass_loss import WHOLE, Count, SitesLost, hold_of, keep_holds
from lifecycle.settings import LifecycleSettings

log = structlog.get_logger(__name__)


class Holds:
    """Keeps the holds of the graph as the sites that are lost have it. Fed with changes, in order."""

    def __init__(self, ledger: Ledger, *, settings: LifecycleSettings) -> None:
        self._ledger = ledger
        self._settings = settings
        self._sites = SitesLost(ledger.view)
        self._look = True

    def take(self, change: Change) -> bool:
        """Takes in a change; whether holds are to be looked at for it."""
        counts = self._sites.take(change) or change.kind == "FailoverHold"
        self._look = self._look or counts
        return counts

    def reload(self) -> None:
        """Everything may differ: all sites are looked at."""
        self._sites.reload()
        self._look = True

    def look_again(self, most: int) -> None:
        """Looks at so many sites for which nothing rang, in turn, and counts anew."""
        self._sites.look_again(most)
        self._look = True

    async def keep(self) -> None:
        """Begins and ends holds; while there is one, or losses are young, the counts are looked at again."""
        if not self._look:
            return
        self._look = False
        view, counts = self._ledger.view, dict[str, Count]()
        begun = self._ledger.now_ms() - int(self._settings.mass_loss_window_s * 1000)
        scopes = [*self._sites.scopes(), *(one.region_id or WHOLE for one in each(view, FailoverHold))]
        for scope in dict.fromkeys(scopes):
            hold = hold_of(view, scope)
            since = begun if hold is None or hold.resumed_at is None else max(begun, hold.resumed_at)
            count = self._sites.count(scope, since=since)
            if hold is not None or count.at_once > self._settings.mass_loss_least:
                counts[scope] = count

        async def write(some: Sequence[str]) -> None:
            told = {one: counts[one] for one in some}
            await self._ledger.commit(partial(keep_holds, counts=told, settings=self._settings), REQUEST)

        try:
            await written_apart(
                list(counts),
                write=write,
                refused=lambda scope, refusal: log.warning(
                    "failover.hold_refused", scope=scope, reason=refusal.message
                ),
            )
        except BaseException:
            self._look = True
            raise
