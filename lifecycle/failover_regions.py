"""Whom a change of a region concerns: who names it or what it lies in, who covers areas, who counts regions where it runs.

A policy that says nothing of regions is concerned by none. Changes are noted, and whom they concern is looked up once for
all of them: what runs in a region is found by walking all that lies in it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator

import msgspec

from graph.kinds import Deployment, Region, Release, Site
from graph.kinds.policy import NAMES, AffinityScope, PlacementPolicy, SpreadBy
from graph.view import Reader, each, get_as

MOST_ANCESTORS = 64
MOST_BELOW = 1 << 16


class Regions:
    """Deployments by what their policies say of regions."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._naming: defaultdict[str, set[str]] = defaultdict(set)
        self._named: dict[str, frozenset[str]] = {}
        """By deployment the regions that it names."""
        self._areas: set[str] = set()
        """Those that cover the regions of users of an area, or all."""
        self._counting: set[str] = set()
        """Those to which it matters in which regions the sites lie where they run."""
        self._changed: set[str] = set()
        """Regions that changed, and what they lay in or lie in by now, since they were last asked for."""
        self._moved: set[str] = set()
        """Those that came to lie elsewhere or on another level."""

    def clear(self) -> None:
        """Forgets all deployments and all changes."""
        for one in (self._naming, self._named, self._areas, self._counting, self._changed, self._moved):
            one.clear()

    def learn(self, deployment: Deployment) -> None:
        """Takes in a deployment."""
        policy = deployment.policy
        named = frozenset(named_in(policy))
        if named:
            self._named[deployment.id] = named
            for region_id in named:
                self._naming[region_id].add(deployment.id)
        if any(not one.region_ids for one in policy.coverage):
            self._areas.add(deployment.id)
        if _counts(policy):
            self._counting.add(deployment.id)

    def forget(self, deployment_id: str) -> None:
        """It is gone, or nobody asks for it any more."""
        for region_id in self._named.pop(deployment_id, ()):
            naming = self._naming[region_id]
            naming.discard(deployment_id)
            if not naming:
                del self._naming[region_id]
        self._areas.discard(deployment_id)
        self._counting.discard(deployment_id)

    def note(self, before: Region | None, after: Region | None) -> bool:
        """Takes in a change of a region; whether it may concern anybody."""
        some = after if after is not None else before
        if some is None or _place(before) == _place(after) or not (self._naming or self._areas or self._counting):
            return False
        self._changed.add(some.id)
        for one in (before, after):
            if one is not None:
                self._changed |= set(ancestors(self._reader, one.parent_id))
        if _standing(before) != _standing(after):
            self._moved.add(some.id)
        return True

    def take(self) -> Iterator[str]:
        """Ids of the deployments that the regions which changed may concern, ascending; those changes are then over."""
        changed, moved = self._changed, self._moved
        self._changed, self._moved = set(), set()
        if not changed:
            return
        found = set(self._areas)
        for region_id in changed:
            found |= self._naming.get(region_id, set())
        if moved and self._counting:
            found |= self._counting & self._running_in(moved)
        yield from sorted(found)

    def _running_in(self, region_ids: Collection[str]) -> set[str]:
        """The deployments that run in some regions and what lies in them."""
        found: set[str] = set()
        below = dict.fromkeys(sorted(region_ids))
        left = list(below)
        while left and len(below) < MOST_BELOW:
            inside = [one for one in self._reader.ids("Region", "parent_id", left.pop()) if one not in below]
            below |= dict.fromkeys(inside)
            left += inside
        for one in below:
            for site_id in self._reader.ids("Site", "region_id", one):
                found |= {release.deployment_id for release in each(self._reader, Release, "site_id", site_id)}
        return found


def ancestors(reader: Reader, region_id: str | None) -> Iterator[str]:
    """A region and what it lies in, itself first."""
    for _ in range(MOST_ANCESTORS):
        region = get_as(reader, Region, region_id)
        if region is None:
            return
        yield region.id
        region_id = region.parent_id


def regions_of_site(reader: Reader, site: Site) -> Iterator[str]:
    """The regions that a site lies in, the nearest first."""
    return ancestors(reader, site.region_id)


def named_in(word: object) -> Iterator[str]:
    """The ids of all regions that a word of a policy names, wherever in it."""
    if isinstance(word, list):
        for one in word:
            yield from named_in(one)
    elif isinstance(word, msgspec.Struct):
        for field in word.__struct_fields__:
            value = getattr(word, field)
            if NAMES.get(field) == "Region":
                yield from [value] if isinstance(value, str) else (value or ())
            elif isinstance(value, list | msgspec.Struct):
                yield from named_in(value)


def _counts(policy: PlacementPolicy) -> bool:
    return (
        any(one.by is SpreadBy.REGION for one in policy.spread)
        or any(one.scope is AffinityScope.REGION for one in (*policy.affinity, *policy.anti_affinity))
        or (policy.division is not None and bool(policy.division.levels))
    )


def _standing(region: Region | None) -> tuple[object, ...] | None:
    """What of a region matters to those who count regions."""
    return (region.parent_id, region.level) if region is not None else None


def _place(region: Region | None) -> tuple[object, ...] | None:
    return (region.parent_id, region.level, region.centre) if region is not None else None
