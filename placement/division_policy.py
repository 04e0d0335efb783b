"""A component's total divided as its policy asks: the words of `Division` and `preferences` over the chosen sites.

One place decides which weights count, which bounds hold and when what runs is kept, so that a first placement, a
scale-up and a what-if divide alike. What is kept: with static weights the answer is a function of the total alone,
and sites do not shrink by themselves; weights of room and demand drift, so there what runs is added to or taken from,
and never moved for a drift.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graph.kinds.policy import Division, DivisionMode
from placement.arrays import Floats, Ints
from placement.division import Indivisible, divide, divide_again
from placement.division_layers import Level, divide_in_levels, divide_with_preference
from placement.division_levels import Regions, idle, levels_over
from placement.division_weights import demand_weights, room_weights


@dataclass(frozen=True, slots=True)
class OpenSites:
    """The chosen sites, as far as a division looks at them: (sites,) arrays."""

    ids: Sequence[str]
    room: Ints
    """For how many of the component's replicas there is room in all: those that run now do not count as used."""
    given: Ints
    """With STATIC: the weights that the policy gives."""
    rank: Ints | None = None
    """The group of `preferences` that each is in; None without preferences."""
    current: Ints | None = None
    """The replicas that run now and are to be kept as far as can be; None to divide anew."""
    least: Ints | None = None
    """What each must have at least, besides `minEach`; None: nothing."""
    everyone: bool = False
    """With DEMAND: whether a site that is the nearest of nobody has the least weight, and not none."""
    regions: Sequence[Regions] = ()
    """The regions of each of `levels`."""
    rows: Ints | None = None
    """With `regions`: which of the sites there these are."""


def divide_by_policy(
    total: int, division: Division, *, sites: OpenSites, salt: str, demand: Floats, nearest: Ints
) -> Ints | Indivisible:
    """Replicas of each site, (sites,), which add up to `total`.

    `demand` and `nearest` are (places,), for DEMAND: the weight of each place's users, and which of the sites is the
    nearest to it, or -1. `salt` says whose replicas they are, and decides ties alone. Every chosen site has `minEach`,
    preferred or not. Raises `InvalidInput` when a number is out of range.
    """
    count = len(sites.ids)
    least = np.full(count, division.min_each, dtype=np.int64)
    if sites.least is not None:
        least = np.maximum(least, sites.least)
    most = sites.room if division.max_each is None else np.minimum(sites.room, division.max_each)
    current = sites.current
    match division.mode:
        case DivisionMode.STATIC:
            weights, current = sites.given, None
        case DivisionMode.FREE_CAPACITY:
            weights = room_weights(sites.room)
        case DivisionMode.DEMAND:
            weights = np.maximum(demand_weights(demand, nearest=nearest, count=count), int(sites.everyone))
    levels: list[Level] = []
    if sites.regions and sites.rows is not None:
        weights = np.where(idle(sites.regions, sites.rows), 0, weights)
        levels = levels_over(sites.regions, sites.rows, ids=sites.ids, weights=weights, mode=division.mode)
    if sites.rank is not None:
        return divide_with_preference(
            total,
            weights,
            rank=sites.rank,
            room=most,
            ids=sites.ids,
            salt=salt,
            at_least=least,
            current=current,
            levels=levels,
        )
    if levels:
        return divide_in_levels(total, levels, salt=salt, at_least=least, at_most=most, current=current)
    if current is not None:
        return divide_again(total, weights, current=current, ids=sites.ids, salt=salt, at_least=least, at_most=most)
    return divide(total, weights, ids=sites.ids, salt=salt, at_least=least, at_most=most)
