"""Where plans of failover lead: one whose target is lost or full by now is made anew, and not only refused when applied.

What a plan chose is in its steps, which are in the store and not in the view: they are read once for each plan, and noted
for those that this process has made itself. Nothing rests on this memory; a process that takes over reads them again.

That a target is lost is asked whenever a plan is looked at. Whether it still has the nodes and the room is verified as it
will be when the plan is applied, but only once something there has changed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from graph.change import Change
from graph.kinds import AppVersion, Deployment, Node, Release, Site
from graph.ledger import Ledger
from graph.refusal import CapacityGone, Refusal
from graph.store import RecordPage, StoreProblem
from graph.view import Reader, get_as
from lifecycle.checking import verify_at_head
from lifecycle.components import components_of
from lifecycle.failing_over import renewed_sites
from lifecycle.losses import is_lost, left_out, planned_of
from lifecycle.plans_steps import COLLECTION, Planned, step_filed
from placement.decision import SitePlacement


class _Target(NamedTuple):
    """What a plan would newly run."""

    deployment_id: str
    sites: frozenset[str]
    """Where it does not run yet, but for those that were lost already: these were planned for all the same."""
    placements: Sequence[SitePlacement]
    """At those sites, and where it stays and gets other nodes."""


class Targets:
    """What each plan would newly run, and where. Fed with changes of nodes and releases, in order."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._targets: dict[str, _Target] = {}
        self._at_site: dict[str, set[str]] = {}
        """By site the plans that lead there."""
        self._doubted: set[str] = set()
        """Plans at whose targets something has changed."""

    def note(self, plan_id: str, step: Planned) -> None:
        """What a plan that was just made says."""
        view = self._ledger.view
        self._keep(plan_id, step, but=lambda one: _lost(view, one))

    def changed(self, change: Change) -> bool:
        """Takes in a change of a node or release; whether a plan leads to where it is."""
        thing = change.value
        plans = self._at_site.get(thing.site_id, ()) if isinstance(thing, Node | Release) else ()
        self._doubted.update(plans)
        return bool(plans)

    async def learn(self, plan_ids: Collection[str]) -> None:
        """Reads what plans say that others made, and forgets those that are not named. What cannot be read is so later."""
        for gone in [one for one in self._targets if one not in plan_ids]:
            self._forget(gone)
        for plan_id in plan_ids:
            if plan_id in self._targets:
                continue
            page = RecordPage(collection=COLLECTION, subject_id=plan_id, limit=1, ascending=True)
            try:
                records = await self._ledger.store.records(page)
            except StoreProblem:
                return
            if records:
                self._keep(plan_id, await asyncio.to_thread(step_filed, records[0]), but=lambda one: False)
                # What has changed between the plan and now was not heard of.
                self._doubted.add(plan_id)

    def are_gone(self, reader: Reader, plan_id: str) -> bool:
        """Whether a site that a plan leads to is lost since, or has not the nodes and the room for it any more."""
        target = self._targets.get(plan_id)
        if target is None:
            return False
        if any(_lost(reader, one) for one in target.sites):
            return True
        if plan_id not in self._doubted:
            return False
        if _lacks_room(reader, target):
            return True
        self._doubted.discard(plan_id)
        return False

    def _keep(self, plan_id: str, step: Planned, *, but: Callable[[str], bool]) -> None:
        view = self._ledger.view
        deployment = get_as(view, Deployment, step.step.deployment_id)
        if deployment is None or step.decision is None:
            return
        new = {one for one in step.sites_after if one not in step.step.before and not but(one)}
        sites = new | renewed_sites(view, deployment, planned_of(view, deployment))
        placements = [one for one in step.decision.placements if one.site_id in sites]
        self._targets[plan_id] = _Target(deployment.id, frozenset(new), placements)
        for one in placements:
            self._at_site.setdefault(one.site_id, set()).add(plan_id)

    def _forget(self, plan_id: str) -> None:
        target = self._targets.pop(plan_id)
        self._doubted.discard(plan_id)
        for one in target.placements:
            plans = self._at_site[one.site_id]
            plans.discard(plan_id)
            if not plans:
                del self._at_site[one.site_id]


def _lost(reader: Reader, site_id: str) -> bool:
    site = get_as(reader, Site, site_id)
    return site is None or is_lost(reader, site)


def _lacks_room(reader: Reader, target: _Target) -> bool:
    """Whether what a plan chose could not be begun now for want of nodes or room."""
    deployment = get_as(reader, Deployment, target.deployment_id)
    version = get_as(reader, AppVersion, deployment.app_version_id) if deployment is not None else None
    if deployment is None or version is None:
        return False
    try:
        verify_at_head(
            reader,
            target.placements,
            components_of(reader, version),
            policy=deployment.policy,
            deployment_id=deployment.id,
            leave_out=left_out(reader, deployment, planned_of(reader, deployment)),
            with_nodes=True,
        )
    except CapacityGone:
        return True
    except Refusal:
        return False  # whether it may be moved at all is looked at elsewhere
    return False
