"""The regions that a total is divided over before it is divided over sites: what `division.levels` means for the sites.

A region of a level is divided among those in the same region of the level before, so regions are numbered within it: of two
sites without a region of some level, in different countries, each has a group of its own. A region that is given no weight
has no part, and so its sites weigh nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graph.kinds import Region
from graph.kinds.policy import DivisionLevel, DivisionMode, RegionWeight
from graph.refusal import InvalidInput
from graph.view import get_as
from placement.arrays import Ints, Mask
from placement.division_layers import Level
from placement.domains import LEVELS, region_above
from placement.selection import Ground, seen_region


@dataclass(frozen=True, slots=True)
class Regions:
    """The regions of one level over the sites that are looked at."""

    group: Ints
    """(sites,): the region that each lies in, numbered within the regions of the level before."""
    ids: tuple[str, ...]
    """(groups,): ids of regions, those of the levels before in front; empty for sites that lie in none."""
    weights: Ints | None
    """(groups,): what the policy gives; None when it gives none."""


def regions_of(ground: Ground, levels: Sequence[DivisionLevel], *, path: str) -> tuple[Regions, ...]:
    """The regions of each level. Raises InvalidInput for a weight of what lies below it, NotFound for what is not seen."""
    found: list[Regions] = []
    for n, level in enumerate(levels):
        given = _given(ground, level, path=f"{path}[{n}].weights")
        names: dict[str, int] = {}
        number_of = np.zeros(len(ground.regions), dtype=np.int64)
        for number in np.unique(ground.region).tolist():
            above = region_above(ground, ground.regions.values[number], level.level) or ""
            number_of[number] = names.setdefault(above, len(names))
        before = found[-1].group if found else np.zeros(ground.size, dtype=np.int64)
        keys, group = np.unique(before * max(len(names), 1) + number_of[ground.region], return_inverse=True)
        listed = list(names)
        parts = [(key // len(listed), listed[key % len(listed)]) for key in keys.tolist()]
        weights = [_weight(ground, one, level.weights, given) for _, one in parts]
        found.append(
            Regions(
                group=group.astype(np.int64),
                ids=tuple(f"{found[-1].ids[outer]}/{one}" if found else one for outer, one in parts),
                weights=np.array(weights, dtype=np.int64) if level.weights else None,
            )
        )
    return tuple(found)


def idle(levels: Sequence[Regions], rows: Ints) -> Mask:
    """(rows,): the sites in a region, of any level, that the policy gives no weight."""
    mask = np.zeros(len(rows), dtype=bool)
    for one in levels:
        if one.weights is not None:
            mask |= one.weights[one.group[rows]] == 0
    return mask


def levels_over(
    regions: Sequence[Regions], rows: Ints, *, ids: Sequence[str], weights: Ints, mode: DivisionMode
) -> list[Level]:
    """What some of the sites are divided by: the regions, coarse ones first, then these sites by their `weights`.

    What a region without a weight of its own weighs is what its sites do together, but with STATIC, where all are alike.
    """
    drifts = mode is not DivisionMode.STATIC
    found: list[Level] = []
    above = np.zeros(len(rows), dtype=np.int64)
    for one in regions:
        groups, first, inside = np.unique(one.group[rows], return_index=True, return_inverse=True)
        given = one.weights is not None
        if one.weights is not None:
            weigh = one.weights[groups]
        elif drifts:
            weigh = np.zeros(len(groups), dtype=np.int64)
            np.add.at(weigh, inside, weights)
        else:
            weigh = np.ones(len(groups), dtype=np.int64)
        names = [one.ids[group] for group in groups.tolist()]
        found.append(Level(ids=names, weights=weigh, parents=above[first], keeps=drifts and not given))
        above = inside.astype(np.int64)
    return [*found, Level(ids=ids, weights=weights, parents=above, keeps=drifts)]


def _given(ground: Ground, level: DivisionLevel, *, path: str) -> dict[str, int]:
    """By region id, which entry names it first."""
    entry_of: dict[str, int] = {}
    for n, one in enumerate(level.weights):
        for at, region_id in enumerate(one.region_ids):
            where = f"{path}[{n}].regionIds[{at}]"
            region = seen_region(ground, region_id, path=where)
            if LEVELS.index(region.level.name) > LEVELS.index(level.level):
                raise InvalidInput(
                    f"region {region.name!r} is a {region.level.name}, below the level {level.level} that is weighed",
                    remedy=f"name a {level.level} or what it lies in, or add a level",
                    path=where,
                )
            entry_of.setdefault(region_id, n)
    return entry_of


def _weight(ground: Ground, region_id: str, weights: Sequence[RegionWeight], entry_of: dict[str, int]) -> int:
    """That of the first entry that names the region or one that it lies in; 0 for none."""
    named = []
    at: str | None = region_id or None
    while at is not None:
        if at in entry_of:
            named.append(entry_of[at])
        region = get_as(ground.reader, Region, at)
        at = None if region is None else region.parent_id
    return weights[min(named)].weight if named else 0
