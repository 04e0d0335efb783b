"""The observer of one cluster: what its backend has, written into the graph when it differs.

A cluster has one observer at a time. Taking over bumps `Cluster.observer_epoch`, and what an older observer still brings is
refused, so two that met do no harm. Losing sight of a site or of the whole cluster is written down as such: nothing that
cannot be seen is called ready.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial

import structlog

from drivers.clock import Clock
from drivers.port import (
    Backend,
    Condition,
    Cursor,
    DriverProblem,
    Observation,
    ObservedRelease,
    RemovalWork,
    StaleGeneration,
    Unreachable,
)
from graph.edit import Edit
from graph.kinds import Cluster, Node, Release, Site
from graph.ledger import Ledger
from graph.values import HealthStatus, Resources
from graph.view import each, get_as
from lifecycle.damping import Damper
from lifecycle.health import not_answering
from lifecycle.portions import portions
from lifecycle.pulse import Pulse
from lifecycle.requests import own_request
from lifecycle.settings import LifecycleSettings
from lifecycle.sightings import (
    check_epoch,
    claim_orphan,
    foreign_use_changed,
    is_in_sight,
    is_unknown_of,
    lose_sight_of,
    sightings_of,
    take_over,
    weight_of,
    write_foreign_use,
    write_nodes,
    write_sightings,
    write_sites,
)

log = structlog.get_logger(__name__)
SIGHTINGS_OF_AN_ORPHAN = 2


class Observer:
    """Observes one cluster over one connection."""

    def __init__(
        self,
        ledger: Ledger,
        cluster_id: str,
        backend: Backend,
        *,
        pulse: Pulse,
        settings: LifecycleSettings,
        clock: Clock,
    ) -> None:
        self._ledger = ledger
        self._cluster_id = cluster_id
        self._backend = backend
        self._pulse = pulse
        self._settings = settings
        self._clock = clock
        self._epoch = 0
        self._sites = Damper(settings.down_after_s, settings.up_after_s)
        self._nodes = Damper(settings.down_after_s, settings.up_after_s)
        self._unseen: frozenset[str] = frozenset()
        self._orphans: dict[str, int] = {}
        """How many complete observations in a row had an object that no release stands for."""

    async def run(self) -> None:
        """Observes until it is cancelled. Raises Deposed, Unavailable when the store is away, or DriverProblem."""
        await self._take_over()
        cursor: Cursor | None = None
        complete_at = float("-inf")
        while True:
            now = self._clock.monotonic()
            if now - complete_at >= self._settings.resync_s:
                cursor = None
            before = self._ledger.view.revision
            async with self._pulse.answering():
                observation = await self._backend.observe(after=cursor)
            self._pulse.observed()
            if observation.complete:
                complete_at = now
            again = await self._take_in(observation, since=before)
            cursor = None if again else observation.cursor

    # One observation

    async def _take_in(self, observation: Observation, *, since: int) -> bool:
        """Writes what differs; says whether a complete observation is to follow at once."""
        view = self._ledger.view
        now = self._clock.monotonic()
        self._sites.report(observation.sites, now=now)
        self._nodes.report(observation.nodes, now=now)
        if observation.complete:
            self._sites.keep(observation.sites)
            self._nodes.keep(observation.nodes)
        sites, nodes = self._sites.settle(now=now), self._nodes.settle(now=now)
        # What is back is written before what is seen there, what is lost after it: so the story is told in order.
        await self._write_conditions(_that_are(sites, ready=True), _that_are(nodes, ready=True))
        sightings = sightings_of(view, self._cluster_id, observation, since=since)
        for part in portions(sightings, weight=lambda one: weight_of(view, one)):
            await self._commit(partial(write_sightings, sightings=part, settings=self._settings))
        await self._write_conditions(_that_are(sites, ready=False), _that_are(nodes, ready=False))
        if observation.foreign_use is not None:
            await self._write_foreign_use(observation.foreign_use)
        back = self._unseen - observation.unseen_sites
        self._unseen = observation.unseen_sites
        orphans = await self._orphans_of(observation) if observation.complete else False
        # What ran on a node that is back need not have changed: only a complete observation tells of it.
        nodes_back = not observation.complete and any(condition.ready for condition in nodes.values())
        unknown = not observation.complete and is_unknown_of(view, self._cluster_id, observation)
        return bool(back) or nodes_back or orphans or unknown

    async def _write_foreign_use(self, use: Mapping[str, Resources]) -> None:
        changed = foreign_use_changed(self._ledger.view, self._cluster_id, use)
        for some in portions(changed.items(), weight=lambda one: 1):
            await self._commit(partial(write_foreign_use, cluster_id=self._cluster_id, use=dict(some)))

    async def _write_conditions(self, sites: Mapping[str, Condition], nodes: Mapping[str, Condition]) -> None:
        if not sites and not nodes and self._cluster_answers():
            return
        lost = {site: condition.reason for site, condition in sites.items() if not condition.ready}
        for site_id, reason in lost.items():
            await self._lose_sight("site_id", site_id, reason)
        view = self._ledger.view
        for some in portions(nodes.items(), weight=lambda one: 2 + view.count("Instance", "node_id", one[0])):
            await self._commit(partial(write_nodes, cluster_id=self._cluster_id, nodes=dict(some)))
        affected = dict(sites)
        for node_id in nodes:
            node = get_as(view, Node, node_id)
            if node is not None and node.site_id not in affected:
                believed = self._sites.believed(node.site_id)
                if believed is not None:
                    affected[node.site_id] = believed
        # Without a site as well: whoever could be asked answers, and that is the health of the cluster.
        for part in list(portions(affected.items(), weight=lambda one: 2)) or [[]]:
            await self._commit(partial(write_sites, cluster_id=self._cluster_id, sites=dict(part)))

    def _cluster_answers(self) -> bool:
        """Whether the graph has it that the cluster answers; what it found of its sites is another matter."""
        cluster = get_as(self._ledger.view, Cluster, self._cluster_id)
        return cluster is not None and cluster.health.status in (HealthStatus.READY, HealthStatus.DEGRADED)

    async def _lose_sight(self, field: str, value: str, reason: str | None) -> None:
        """Of a site through this cluster: its releases are not READY any more, for nobody sees them."""
        view = self._ledger.view
        site = get_as(view, Site, value)
        told = not_answering(f"site {site.name if site is not None else value}", reason)
        found = [
            one.id
            for one in each(view, Release, field, value)
            if one.cluster_id == self._cluster_id and is_in_sight(view, one)
        ]
        for part in portions(found, weight=lambda one: 1 + view.count("Instance", "release_id", one)):
            await self._commit(partial(lose_sight_of, release_ids=part, reason=told))

    async def _orphans_of(self, observation: Observation) -> bool:
        """Removes objects that are this graph's own and that no release stands for; says whether to look again at once."""
        view = self._ledger.view
        orphans = [
            one
            for one in observation.releases
            if one.owner == self._cluster_id and not view.count("Release", "backend_name", one.name)
        ]
        self._orphans = {one.name: self._orphans.get(one.name, 0) + 1 for one in orphans}
        sure = [one for one in orphans if self._orphans[one.name] >= SIGHTINGS_OF_AN_ORPHAN]
        silent: set[str] = set()
        for one in sure:
            if one.site_id in silent:
                continue  # nothing is observed while it is waited for: the others there come when it answers
            if await self._commit(partial(claim_orphan, cluster_id=self._cluster_id, one=one)):
                log.warning("orphan.removed", name=one.name, cluster=self._cluster_id)
                if not await self._remove_orphan(one):
                    silent.add(one.site_id)
        return len(sure) < len(orphans)

    async def _remove_orphan(self, one: ObservedRelease) -> bool:
        """Whether its site has answered."""
        site = get_as(self._ledger.view, Site, one.site_id)
        work = RemovalWork(
            name=one.name,
            owner=one.owner,
            site_id=one.site_id,
            site=site.name if site is not None else one.site_id,
            # The object's own: should somebody want it again by now, with a newer one, that stays.
            generation=one.generation,
        )
        try:
            async with asyncio.timeout(self._settings.call_timeout_s):
                await self._backend.remove(work)
        except StaleGeneration:
            return True
        except (DriverProblem, TimeoutError) as problem:
            log.warning("orphan.not_removed", name=one.name, cluster=self._cluster_id, problem=str(problem))
            return not isinstance(problem, Unreachable | TimeoutError)
        return True

    # Commits

    async def _take_over(self) -> None:
        committed = await self._ledger.commit(
            lambda edit: take_over(edit, self._cluster_id), own_request("lifecycle.observer")
        )
        self._epoch = committed.value

    async def _commit(self, change: Callable[[Edit], bool]) -> bool:
        """Commits a change as this cluster's observer. Raises Deposed when it is that no longer."""

        def fenced(edit: Edit) -> bool:
            check_epoch(edit, self._cluster_id, self._epoch)
            return change(edit)

        return (await self._ledger.commit(fenced, own_request("lifecycle.observe"))).value


def _that_are(conditions: Mapping[str, Condition], *, ready: bool) -> dict[str, Condition]:
    return {key: condition for key, condition in conditions.items() if condition.ready is ready}
