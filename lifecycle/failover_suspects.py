"""Suspects of failover: deployments that may have lost something, and writing down what that is.

Who rings for a deployment only says that it is to be looked at, so the same one may be rung for a hundred times and is
looked at once. What it has lost is told from the graph alone, but for its policy: whether that still holds where it runs
is asked of the placement engine, for many together, and only of those that something rang for which may tell. Nothing is
moved here: what is found is written to the graph, and what is done about it begins from there, in whatever process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from functools import partial

import structlog

from graph.kinds import Deployment, FailoverMode
from graph.ledger import Ledger
from graph.view import get_as
from lifecycle.apart import written_apart
from lifecycle.failing_over import FOLLOWED, REQUEST, Found, note_all, weight_of
from lifecycle.indulgence import blemished
from lifecycle.leaving import movable
from lifecycle.losses import losses_of
from lifecycle.losses_kept import unlisted_of_policy
from lifecycle.placing import Placing
from lifecycle.placing_together import TOGETHER, Due, standings
from lifecycle.portions import portions
from lifecycle.settings import LifecycleSettings
from placement.standing import Standing

log = structlog.get_logger(__name__)


class Suspects:
    """Deployments to look at; of each, whether at how it stands by its policy, too."""

    def __init__(self, ledger: Ledger, placing: Placing, *, settings: LifecycleSettings) -> None:
        self._ledger = ledger
        self._placing = placing
        self._settings = settings
        self._by_policy: dict[str, bool] = {}

    def add(self, deployment_id: str, *, by_policy: bool) -> None:
        """It is looked at, and at how it stands by its policy if that was asked for now or before."""
        self._by_policy[deployment_id] = by_policy or self._by_policy.get(deployment_id, False)

    def reload(self, deployment_ids: Iterable[str]) -> None:
        """These, and no others, are looked at, each by its policy, too."""
        self._by_policy = dict.fromkeys(deployment_ids, True)

    async def look(self) -> None:
        """Writes down of all of them what they have lost. Raises Refusal; those that are not written down stay."""
        while self._by_policy:
            lot = {one: self._by_policy.pop(one) for one in list(self._by_policy)[:TOGETHER]}
            try:
                await self._look_at(lot)
            except BaseException:
                for one, by_policy in lot.items():  # not written down: to be looked at again
                    self.add(one, by_policy=by_policy)
                raise
            await asyncio.sleep(
                0
            )  # of most there is nothing to write, and a cordoned cluster may have thousands looked at

    async def _look_at(self, lot: dict[str, bool]) -> None:
        view = self._ledger.view
        looked = {one: there for one in lot if (there := get_as(view, Deployment, one)) is not None}
        asked = [
            self._standing_due(one)
            for one in looked.values()
            if (lot[one.id] or unlisted_of_policy(one.displacement))
            and one.failover.mode is not FailoverMode.OFF
            and one.phase in FOLLOWED
        ]
        found: dict[str, Standing] = {}
        due = [one for one in asked if one is not None]
        if due:
            found = await standings(self._placing, view, due)
        told = [Found(one.id, one.generation, found.get(one.id)) for one in looked.values()]
        writing = [one for one in told if self._may_differ(looked[one.deployment_id], one.standing)]
        for some in portions(writing, weight=lambda one: weight_of(view, one.deployment_id, standing=one.standing)):
            await written_apart(
                some,
                write=self._note,
                refused=lambda one, refusal: log.warning(
                    "failover.not_noted", deployment=one.deployment_id, reason=refusal.message
                ),
            )

    async def _note(self, found: Sequence[Found]) -> None:
        await self._ledger.commit(partial(note_all, found=found, settings=self._settings), REQUEST)

    def _may_differ(self, deployment: Deployment, standing: Standing | None) -> bool:
        """Whether there is anything to write of a deployment."""
        if deployment.displacement is not None or (standing is not None and not standing.holds):
            return True
        at = self._ledger.now_ms()
        return bool(losses_of(self._ledger.view, deployment, standing=standing, at=at, settings=self._settings))

    def _standing_due(self, deployment: Deployment) -> Due | None:
        """A deployment whose policy is held against where it runs, as if none of that were away."""
        view = self._ledger.view
        components, reason = movable(view, deployment)
        if reason is not None:
            return None
        return Due(
            deployment=deployment,
            components=components,
            policy=deployment.policy,
            priority=0,
            indulging=blemished(view, deployment.id, with_nodes=True),
        )
