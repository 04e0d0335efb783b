"""Whom a change of links concerns: those that run, and are used from, near enough for a way over such a link to matter.

A way within a policy's bound that leads over a link begins and ends no farther from that link than the bound. So one search
from the ends of all links that changed, over the network as it is now, finds every site that such a way may end at, and
what runs there is found by index. The parts of a way outside of what has changed are as long now as they were, so this holds
for ways that were and for ways that are, however many links changed at once. What is found is looked at by placement: it may
be more than what is concerned, never less.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from scipy.sparse.csgraph import dijkstra

from graph.kinds import Deployment, Link, LinkState, Release
from graph.kinds.policy import PlacementPolicy
from graph.paths import Network
from graph.view import Reader, each, get_as

ROUNDING_MS = 1e-6


class Measured(NamedTuple):
    """A way that a policy measures, from a site where the deployment runs."""

    to_site_id: str | None
    """Where it leads; None: to no site that is named, so that any is meant."""
    within_ms: float
    """Infinite where nothing bounds it."""
    by_width: bool
    """Whether it is to have free bandwidth."""


class _Known(NamedTuple):
    tenant_id: str
    ways: tuple[Measured, ...]
    everywhere: bool


class Ways:
    """Deployments whose policies measure ways, and the links that changed since they were last asked for."""

    def __init__(self, reader: Reader, network: Callable[[], Network]) -> None:
        """`network` gives that of everything as it is now."""
        self._reader = reader
        self._network = network
        self._known: dict[str, _Known] = {}
        self._ends: set[str] = set()
        self._tenants: set[str | None] = set()
        self._least_ms = math.inf
        self._worse = False

    def clear(self) -> None:
        """Forgets all deployments and all changes."""
        self._known.clear()
        self._settle()

    def learn(self, deployment: Deployment) -> None:
        """Takes in a deployment."""
        ways = tuple(dict.fromkeys(measured_by(deployment.policy)))
        if ways:
            self._known[deployment.id] = _Known(deployment.tenant_id, ways, deployment.policy.everywhere)

    def forget(self, deployment_id: str) -> None:
        """It is gone, or nobody asks for it any more."""
        self._known.pop(deployment_id, None)

    def note(self, before: Link | None, after: Link | None) -> bool:
        """Takes in a change of a link; whether it may concern anybody."""
        was, now = _standing(before), _standing(after)
        if was == now or not self._known:
            return False
        for one in (before, after):
            if one is not None:
                self._ends |= {one.from_site_id, one.to_site_id}
                self._tenants.add(one.tenant_id)
        self._least_ms = min(self._least_ms, was.latency_ms, now.latency_ms)
        self._worse |= now.latency_ms > was.latency_ms or now.free_mbps < was.free_mbps
        return True

    def take(self) -> Iterator[str]:
        """Ids of the deployments that the links which changed may concern, ascending; those changes are then over."""
        ends, tenants = self._ends, self._tenants
        least_ms, worse = self._least_ms, self._worse
        self._settle()
        known = {one: kept for one, kept in self._known.items() if None in tenants or kept.tenant_id in tenants}
        if not ends or not known:
            return
        bounds = [way.within_ms for kept in known.values() for way in kept.ways]
        near = _near(self._network(), ends, within_ms=max(bounds))
        here = self._from_own(near, known)
        for deployment_id in sorted(known):
            kept = known[deployment_id]
            own_ms = here.get(deployment_id, math.inf)
            if any(_may_lead_over(way, own_ms, near, least_ms) for way in kept.ways) and (
                worse or self._may_gain(deployment_id, kept)
            ):
                yield deployment_id
            elif kept.everywhere and any(_may_lead_over(way, 0.0, near, least_ms) for way in kept.ways):
                # A site where it does not run may be within reach by now.
                yield deployment_id

    def _may_gain(self, deployment_id: str, kept: _Known) -> bool:
        """Whether shorter and wider ways may matter: it lacks something, or a shorter way is one of less bandwidth."""
        deployment = get_as(self._reader, Deployment, deployment_id)
        lacks = deployment is not None and deployment.displacement is not None
        return lacks or any(way.by_width for way in kept.ways)

    def _from_own(self, near: dict[str, float], known: dict[str, _Known]) -> dict[str, float]:
        """By deployment how near a site where it runs is, by whichever of deployments and sites are fewer."""
        found: dict[str, float] = {}
        if len(known) <= len(near):
            for deployment_id in known:
                for release in each(self._reader, Release, "deployment_id", deployment_id):
                    _keep_least(found, deployment_id, near.get(release.site_id, math.inf))
        else:
            for site_id, ms in near.items():
                for release in each(self._reader, Release, "site_id", site_id):
                    if release.deployment_id in known:
                        _keep_least(found, release.deployment_id, ms)
        return found

    def _settle(self) -> None:
        self._ends, self._tenants = set(), set()
        self._least_ms = math.inf
        self._worse = False


def measured_by(policy: PlacementPolicy) -> Iterator[Measured]:
    """The ways that a policy measures."""
    for one in policy.latency:
        yield Measured(one.place.site_id, one.within_ms, one.min_bandwidth_mbps is not None)
    for area in policy.coverage:
        if area.within_ms is not None:
            yield Measured(None, area.within_ms, False)
    for reach in policy.near:
        yield Measured(reach.site_id, _bound(reach.within_ms), reach.min_bandwidth_mbps is not None)
    for component in policy.components:
        if component.serves:
            yield Measured(None, _bound(component.within_ms), component.min_bandwidth_mbps is not None)


class _Standing(NamedTuple):
    latency_ms: float
    """Infinite of one that carries nothing."""
    free_mbps: float
    """Less than nothing where no bandwidth is stated: it is as good as none to whoever asks for some."""


def _standing(link: Link | None) -> _Standing:
    if link is None or link.state is not LinkState.UP:
        return _Standing(math.inf, -1.0)
    free = -1.0 if link.bandwidth_mbps is None else max(0.0, link.bandwidth_mbps - link.reserved_mbps)
    return _Standing(link.latency_ms, free)


def _bound(within_ms: float | None) -> float:
    return math.inf if within_ms is None else within_ms


def _near(network: Network, ends: set[str], *, within_ms: float) -> dict[str, float]:
    """The sites within so much of one of some sites, with the latency to the nearest of these."""
    rows = sorted(row for one in ends if (row := network.row_of.get(one)) is not None)
    if not rows:
        return {}
    ms = dijkstra(network.matrix(network.latency), directed=True, indices=rows, min_only=True, limit=within_ms)
    return {network.site_ids[row]: float(ms[row]) for row in np.flatnonzero(np.isfinite(ms)).tolist()}


def _may_lead_over(way: Measured, own_ms: float, near: dict[str, float], least_ms: float) -> bool:
    to_ms = 0.0 if way.to_site_id is None else near.get(way.to_site_id, math.inf)
    return math.isfinite(own_ms + to_ms) and own_ms + to_ms + least_ms <= way.within_ms + ROUNDING_MS


def _keep_least(found: dict[str, float], key: str, ms: float) -> None:
    if ms < found.get(key, math.inf):
        found[key] = ms
