"""How the room of a site is counted, so that a sum over what runs there says whether it can fit on its nodes.

Room is not pooled: a node with 1.5 cores free has none for a replica that needs two. For needs v and nodes E that v may use,
a node takes at most fit(v) = min over resources of floor(free / v) replicas that need v or more, and a replica that needs k
times v counts k times (the superadditive rounding of Chvatal and Gomory). The sum over the nodes of a site bounds what runs
there, for each kind of need that some component has.

Nor are replicas single. A component takes all of its replicas at a site or none, so of what comes eight at a time a site
with room for fifteen has one: the same sums, counted in lots of r and rounded down, are bounds too. And where replicas of a
component are on different nodes, z components of r such replicas each take r z places of which a node has at most z.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from placement.arrays import Floats, Ints, Mask
from placement.batch_drafts import Draft
from placement.batch_room import SharedRoom

MAX_KINDS = 160
"""Kinds of need that are counted; those that fewest deployments have are left out."""
MAX_LOTS = 3
"""Sizes of lots in which a kind is counted: those that most components come in."""


class Kinds:
    """The ways of counting the room of all sites, and what components take of it."""

    def __init__(self, room: SharedRoom, drafts: Sequence[Draft]) -> None:
        """The drafts must be of the whole room, before anything is taken."""
        self._room, self._drafts = room, drafts
        sites = len(room.site_ids)
        components = [one for of in drafts for one in of.problem.components]
        needs = np.array([room.need_of(of.at, n) for of in drafts for n in range(len(of.problem.components))])
        replicas = np.array([one.replicas for one in components], dtype=np.int64)
        apart = np.array([one.most_per_node == 1 for one in components], dtype=bool)
        masks, mask_of = self._masks()
        self._usable: list[Mask] = [masks[one] for one in mask_of.tolist()]
        site, free = room.spare()
        there = np.flatnonzero(site >= 0)
        times: list[Floats] = []
        capacity: list[Floats] = []
        lots: list[tuple[int, int]] = []
        lot_capacity: list[Floats] = []
        spread: list[tuple[int, int]] = []
        spread_capacity: list[Floats] = []
        for need, mask in self._needed(needs, mask_of):
            asked = need > 0
            inside = np.array([not bool((one & ~masks[mask]).any()) for one in masks])
            often: Floats = np.where(inside[mask_of], np.floor(needs[:, asked] / need[asked]).min(axis=1), 0.0)
            fits = (free[asked][:, there] // need[asked, None].astype(np.int64)).min(axis=0)
            fits = np.maximum(fits, 0) * masks[mask][there]
            in_all: Floats = np.bincount(site[there], weights=fits, minlength=sites).astype(np.float64)
            for size in _sizes(replicas[often > 0]):
                lots.append((len(times), size))
                lot_capacity.append(np.floor(in_all / size))
            for size in _sizes(replicas[(often > 0) & apart]):
                spread.append((len(times), size))
                spread_capacity.append(_apart(site[there], fits, size, sites=sites))
            times.append(often)
            capacity.append(in_all)
        for resource in range(len(room.resources)):
            scale = float(needs[:, resource].max(initial=0.0))
            if scale:
                times.append(needs[:, resource] / scale)
                pooled = np.maximum(free[resource, there], 0) / scale
                capacity.append(np.bincount(site[there], weights=pooled, minlength=sites).astype(np.float64))
        self._times: Floats = np.array(times)
        self._apart = apart
        self._lot, self._lot_size = _columns(lots)
        self._spread, self._spread_size = _columns(spread)
        self.capacity: Floats = np.array([*capacity, *lot_capacity, *spread_capacity])
        """(ways of counting, sites)."""

    def takes(self, components: Ints, replicas: Ints) -> Floats:
        """(ways of counting, components) what so many replicas of some components take of a site."""
        single = self._times[:, components] * replicas
        lots = np.floor(single[self._lot] / self._lot_size)
        spread = self._apart[components] & (self._times[self._spread][:, components] > 0)
        spread &= replicas >= self._spread_size
        return np.concatenate((single, lots, spread.astype(np.float64)))

    def usable(self, component: int) -> Mask:
        """(holders,): the nodes and stated capacities that a component may use."""
        return self._usable[component]

    def _masks(self) -> tuple[list[Mask], Ints]:
        """Which holders components may use, each set once; and by component the number of its set."""
        masks: list[Mask] = []
        number_of: dict[bytes, int] = {}
        found: list[int] = []
        for of in self._drafts:
            holder = self._room.holder_of[of.at]
            by_component = {}
            for unit, screening in zip(of.units, of.screenings, strict=True):
                for n, component in enumerate(unit.components):
                    mask = np.zeros(self._room.holders, dtype=bool)
                    mask[holder[screening.packing.eligible[n]]] = True
                    by_component[component] = mask
            for component in range(len(of.problem.components)):
                key = np.packbits(by_component[component]).tobytes()
                if key not in number_of:
                    number_of[key] = len(masks)
                    masks.append(by_component[component])
                found.append(number_of[key])
        return masks, np.array(found, dtype=np.int64)

    def _needed(self, needs: Floats, mask_of: Ints) -> list[tuple[Floats, int]]:
        """What is counted: each need of a component, and each amount of one resource, with the holders they may use."""
        often: dict[tuple[bytes, int], int] = {}
        kinds: dict[tuple[bytes, int], tuple[Floats, int]] = {}
        for need, mask in zip(needs, mask_of.tolist(), strict=True):
            parts = [need]
            for resource in np.flatnonzero(need).tolist():
                part = np.zeros(len(need))
                part[resource] = need[resource]
                parts.append(part)
            for part in parts:
                key = (part.tobytes(), mask)
                kinds[key] = (part, mask)
                often[key] = often.get(key, 0) + 1
        most = sorted(kinds, key=lambda one: (-often[one], one))[:MAX_KINDS]
        return [kinds[one] for one in most]


def _sizes(replicas: Ints) -> list[int]:
    """The sizes above one that most come in."""
    sizes, often = np.unique(replicas[replicas > 1], return_counts=True)
    return [int(one) for one in sizes[np.lexsort((sizes, -often))][:MAX_LOTS]]


def _apart(site: Ints, fits: Ints, size: int, *, sites: int) -> Floats:
    """(sites,): the most components with so many replicas each that are on different nodes."""
    found = np.zeros(sites)
    while True:
        more = found + 1
        places = np.bincount(site, weights=np.minimum(fits, more[site]), minlength=sites)
        can = places >= size * more
        if not can.any():
            return found
        found[can] += 1


def _columns(rows: list[tuple[int, int]]) -> tuple[Ints, Ints]:
    """(rows,) the kind of each, and (rows, 1) its size."""
    table = np.array(rows, dtype=np.int64).reshape(len(rows), 2)
    return table[:, 0], table[:, 1:]
