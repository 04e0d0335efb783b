"""The sweep of plans: those that expired a day ago go, and with them what is filed under them.

Bounded each time. What is filed under a plan is dropped after the plan is: should this process end in between, a later
round finds the steps whose plan is gone. A plan that was made a moment ago by another process may not be in this process's
view yet, so steps are taken for left over only when their plan's id is an hour old.
"""

from __future__ import annotations

import structlog

from drivers.clock import Clock
from graph.identifiers import CROCKFORD
from graph.kinds import Plan
from graph.ledger import Ledger
from graph.refusal import Refusal, Unavailable
from graph.store import StoreProblem
from graph.view import each, get_as
from lifecycle.plans_kept import drop_expired_plans, is_over
from lifecycle.plans_steps import COLLECTION
from lifecycle.requests import own_request

log = structlog.get_logger(__name__)
EVERY_S = 60.0
SUBJECTS_A_ROUND = 500
"""Plans whose filed steps are looked at in one round."""
SETTLED_MS = 3_600_000
_TIME_CHARACTERS = 10
"""Of a ULID."""


class PlanSweep:
    """Drops plans that expired a day ago. A worker of the lifecycle."""

    def __init__(self, ledger: Ledger, *, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._after = ""
        """The subject that the last round ended at."""

    async def run(self) -> None:
        """Works until it is cancelled; a store that is away is tried again in the next round."""
        while True:
            await self._clock.sleep(EVERY_S)
            try:
                await self.once()
            except (StoreProblem, Unavailable) as problem:
                log.info("plans.sweep_waits", reason=str(problem))
            except Refusal:
                log.exception("plans.sweep_refused")

    async def once(self) -> int:
        """One round; says how many plans were dropped. Raises StoreProblem or Unavailable."""
        now = self._ledger.now_ms()
        dropped: list[str] = []
        if any(is_over(one, at=now) for one in each(self._ledger.view, Plan)):
            committed = await self._ledger.commit(
                lambda edit: drop_expired_plans(edit, now=now), own_request("lifecycle.expire")
            )
            dropped = committed.value
            for plan_id in dropped:
                await self._ledger.store.prune_subject(COLLECTION, plan_id)
        await self._left_over(now)
        return len(dropped)

    async def _left_over(self, now: int) -> None:
        page = await self._ledger.store.subjects(COLLECTION, after=self._after, limit=SUBJECTS_A_ROUND)
        for plan_id in page:
            if get_as(self._ledger.view, Plan, plan_id) is None and made_at_ms(plan_id) < now - SETTLED_MS:
                await self._ledger.store.prune_subject(COLLECTION, plan_id)
        self._after = page[-1] if len(page) == SUBJECTS_A_ROUND else ""


def made_at_ms(entity_id: str) -> int:
    """When an id was made, UTC milliseconds: the first 48 bits of its ULID."""
    value = 0
    for letter in entity_id.rpartition("_")[2][:_TIME_CHARACTERS]:
        value = value << 5 | CROCKFORD.index(letter)
    return value
