"""One unit as the searches see it: a few of its candidates, and what opening each does while all other units stand still.

A search of one unit makes thousands of small changes, so everything that the other units mean for it is folded in first:
candidates that they need as servers are clients, what their open sites charge a candidate is part of its opening, what
they use of a budget is taken off, and a candidate that breaks something by being opened at all is `barred`. What is left
is one form for every unit: clients to serve, sums to keep between two bounds, and spreads over domains.

The candidates that are looked at are the *columns*. Candidates that every group makes mandatory are *fixed*: they are no
columns, and what they serve, use and cost is counted once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from placement.arrays import Floats, Ints, Mask
from placement.solve.evaluation import TOLERANCE


@dataclass(frozen=True, slots=True)
class Demand:
    """Clients, and the columns that each can be served from: entries in the order of clients, then of columns."""

    client: Ints
    """(entries,)."""
    column: Ints
    """(entries,)."""
    cost: Floats
    """(entries,)."""
    start: Ints
    """(clients + 1,): where each client's entries begin."""
    tier: Ints
    """(clients,): the tier in which serving it counts."""
    first: Floats
    """(clients,): the cheapest of the fixed candidates in reach; infinite without one."""
    second: Floats
    """(clients,): the next."""

    @property
    def count(self) -> int:
        """How many clients there are."""
        return len(self.tier)

    @property
    def tiers(self) -> list[int]:
        """The tiers that occur, ascending."""
        if not len(self.tier):
            return []
        low, high = int(self.tier.min()), int(self.tier.max())
        return [low] if low == high else np.unique(self.tier).tolist()


@dataclass(frozen=True, slots=True)
class Sums:
    """What the open columns must add up to, one row for each sum: between `low` and `high`."""

    amounts: Floats
    """(rows, columns)."""
    low: Floats
    high: Floats
    weight: Floats
    """(rows,): what a shortage or an excess of 1 weighs against a client that nobody serves."""

    def broken(self, open: Ints) -> float:
        """By how much the sums are outside their bounds, weighted."""
        return float((outside(self.amounts[:, open].sum(axis=1), self.low, self.high) * self.weight).sum())


@dataclass(frozen=True, slots=True)
class Spread:
    """Domains of the columns, and how many of them, and how many columns in each, may be open."""

    domain: Ints
    """(columns,): from 0."""
    fixed: Ints
    """(domains,): how many fixed candidates are in each."""
    least: int
    most: int | None
    each: int | None

    def inside(self, open: Ints) -> Ints:
        """(domains,): how many are open in each."""
        return self.fixed + np.bincount(self.domain[open], minlength=len(self.fixed))

    def broken(self, open: Ints) -> float:
        """How many domains are missing or too many, and how many columns are too many in one."""
        inside = self.inside(open)
        domains = int(np.count_nonzero(inside))
        over = 0 if self.each is None else int(np.maximum(inside - self.each, 0).sum())
        return float(max(self.least - domains, 0) + max(domains - (self.most or domains), 0) + over)


@dataclass(frozen=True, slots=True)
class Ground:
    """A unit's columns, with all else that a search of it needs."""

    columns: Ints
    """(columns,) ascending: candidates of the unit."""
    fixed: Ints
    """Candidates that are open in every choice, ascending."""
    opening: Floats
    """(tiers, columns)."""
    barred: Floats
    """(columns,): what opening the column breaks by itself."""
    sums: Sums
    spreads: tuple[Spread, ...]
    demand: Demand
    fixed_levels: Floats
    """(1 + tiers,): what the fixed candidates break by themselves, and what opening them costs."""
    weights: Floats
    """(tiers,): what a tier weighs where one figure must stand for all; see placement/solve/folding.py."""

    @property
    def count(self) -> int:
        """How many columns there are."""
        return len(self.columns)

    def candidates(self, open: Ints) -> Ints:
        """The open candidates of the unit, ascending, from the open columns."""
        chosen = self.columns[open]
        return np.sort(np.concatenate((self.fixed, chosen))) if len(self.fixed) else chosen

    def open_columns(self, candidates: Ints) -> Ints:
        """The columns of those candidates that are one, ascending."""
        if not self.count or not len(candidates):
            return np.empty(0, dtype=np.int64)
        at: Ints = np.minimum(self.columns.searchsorted(candidates), self.count - 1)
        found: Ints = at[self.columns[at] == candidates]
        return found


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a search stands: the open columns and who serves each client."""

    open: Ints
    """(open,) ascending columns."""
    first: Floats
    """(clients,): the cheapest open in reach; infinite where nobody serves."""
    slot: Ints
    """(clients,): the place in `open` of the cheapest; -1 nobody, -2 a fixed candidate."""
    second: Floats
    """(clients,): the cheapest without that one."""
    levels: Floats
    """(1 + tiers,): how much is broken, then the cost."""

    @property
    def alone(self) -> Mask:
        """(clients,): those that only one candidate serves."""
        return np.isinf(self.second) & np.isfinite(self.first)


def outside(value: Floats | np.float64, low: Floats | float, high: Floats | float) -> Floats:
    """By how much values are outside of their bounds; rounding is inside."""
    below, above = low - value, value - high
    found: Floats = np.maximum(np.maximum(below, above), 0.0)
    slack = TOLERANCE * np.maximum(1.0, np.abs(value))
    return np.where(found > slack, found, 0.0)


def stand(ground: Ground, open: Ints) -> Standing:
    """The standing with these columns open (ascending)."""
    demand = ground.demand
    levels = ground.fixed_levels.copy()
    levels[0] += ground.barred[open].sum() + ground.sums.broken(open)
    for spread in ground.spreads:
        levels[0] += spread.broken(open)
    levels[1:] += ground.opening[:, open].sum(axis=1)
    first, slot, second = _served(ground, open)
    covered = slot != -1
    every = bool(covered.all())
    if not every:
        levels[0] += demand.count - np.count_nonzero(covered)
    tiers = demand.tiers
    for tier in tiers:
        if every and len(tiers) == 1:
            levels[1 + tier] += first.sum()
        else:
            levels[1 + tier] += first[covered & (demand.tier == tier)].sum()
    return Standing(open, first, slot, second, levels)


def _served(ground: Ground, open: Ints) -> tuple[Floats, Ints, Floats]:
    """Of each client the cheapest open, its place, and the cheapest without it."""
    demand = ground.demand
    first, second = demand.first.copy(), demand.second.copy()
    slot = np.where(np.isfinite(first), -2, -1) if len(ground.fixed) else np.full(demand.count, -1)
    places = np.full(ground.count, -1, dtype=np.int64)
    places[open] = np.arange(len(open))
    entries = (places.take(demand.column) >= 0).nonzero()[0]
    if not len(entries):
        return first, slot, second
    client, cost = demand.client.take(entries), demand.cost.take(entries)
    new = np.empty(len(client), dtype=bool)
    new[0] = True
    np.not_equal(client[1:], client[:-1], out=new[1:])
    begin = new.nonzero()[0]
    who = client.take(begin)
    least = np.minimum.reduceat(cost, begin)
    cheapest = np.empty(demand.count)
    cheapest[who] = least
    equal = (cost == cheapest.take(client)).nonzero()[0][::-1]
    place = np.empty(demand.count, dtype=np.int64)
    place[client.take(equal)] = equal
    place = place.take(who)
    best = places.take(demand.column.take(entries.take(place)))
    cost[place] = np.inf
    other = np.minimum.reduceat(cost, begin)
    if not len(ground.fixed):
        first[who], slot[who], second[who] = least, best, other
        return first, slot, second
    held, next_held = first[who], second[who]
    slot[who] = np.where(held <= least, -2, best)
    first[who] = np.minimum(held, least)
    second[who] = np.minimum(np.maximum(held, least), np.minimum(next_held, other))
    return first, slot, second
