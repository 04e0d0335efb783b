"""One unit as the searches see it: a few of its candidates, and what opening each does while all other units stand still.

A search of one unit makes thousands of small changes, so everything that the other units mean for it is folded in first:
candidates that they need as servers are clients, what their open sites charge a candidate is part of its opening, what
they use of a budget is taken off, and a candidate that breaks something by being opened at all is `barred`. What is left
is one form for every unit: clients to serve, sums to keep between two bounds, and spreads over domains.

The candidates that are looked at are the *columns*. Candidates that every group makes mandatory are *fixed*: they are no
columns, and what they serve, use and cost is counted once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from placement.compiled import Numbers, NumberTable, Row, Small, Table, kernel, part
from placement.solve.evaluation import TOLERANCE

NO_LIMIT = -1
"""In `Ground.most` and `Ground.each`."""
NOBODY, FIXED = -1, -2
"""In `Standing.slot`."""


class Ground(NamedTuple):
    """A unit's columns, with all else that a search of it needs."""

    opening: Table
    """(tiers, columns)."""
    barred: Row
    """(columns,): what opening the column breaks by itself."""
    amounts: Table
    """(sums, columns): what the open columns must add up to, each sum between `low` and `high`."""
    low: Row
    high: Row
    weight: Row
    """(sums,): what a shortage or an excess of 1 weighs against a client that nobody serves."""
    domain: NumberTable
    """(spreads, columns): the domain of each column, from 0."""
    inside: Numbers
    """Of each spread, one after the other, (domains,): how many fixed candidates are in each."""
    inside_at: Numbers
    """(spreads + 1,): where each spread begins in `inside`."""
    least: Numbers
    most: Numbers
    """(spreads,): how many domains have an open candidate; at most `NO_LIMIT`: any number."""
    each: Numbers
    """(spreads,): how many open candidates one domain has at most."""
    rows: Numbers
    """(clients,): the rows below that are clients now."""
    client: Numbers
    """(rows,): which client each is; -1: none now."""
    start: Numbers
    """(rows + 1,): where each row's entries begin."""
    column: Small
    """(entries,): who is in reach, ascending in each row."""
    cost: Row
    """(entries,)."""
    floor: Row
    """(rows,): the least of each row's entries; infinite without any."""
    tier: Numbers
    """(rows,): the tier in which serving it counts."""
    first: Row
    """(rows,): the cheapest of the fixed candidates in reach; infinite without one."""
    second: Row
    """(rows,): the next."""
    begin: Numbers
    """(columns + 1,): where the same entries begin column by column."""
    row: Small
    """(entries,): whom each column reaches, ascending."""
    price: Row
    """(entries,): their cost."""
    fixed_levels: Row
    """(1 + tiers,): what the fixed candidates break by themselves, and what opening them costs."""
    weights: Row
    """(tiers,): what a tier weighs where one figure must stand for all; see placement/solve/folding.py."""


class Standing(NamedTuple):
    """Where a search stands: the open columns and who serves each client."""

    open: Numbers
    """(open,) ascending columns."""
    first: Row
    """(clients,): the cheapest open in reach; infinite where nobody serves."""
    slot: Numbers
    """(clients,): the place in `open` of the cheapest, or `NOBODY` or `FIXED`."""
    second: Row
    """(clients,): the cheapest without that one."""
    levels: Row
    """(1 + tiers,): how much is broken, then the cost."""


@part
def outside(value: float, low: float, high: float) -> float:
    """By how much a value is outside of its bounds; rounding is inside."""
    found = max(low - value, value - high, 0.0)
    return found if found > TOLERANCE * max(1.0, abs(value)) else 0.0


@part
def less(one: Row, other: Row) -> bool:
    """Whether the first figures are better: by the first in which they differ, to a relative 1e-9."""
    for at in range(len(one)):
        left, right = one[at], other[at]
        if abs(left - right) > TOLERANCE * max(1.0, abs(left), abs(right)):
            return bool(left < right)
    return False


@part
def numbered(rows: Numbers, count: int) -> Numbers:
    """Of so many rows, which client each is; -1: none."""
    found = np.full(count, -1, dtype=np.int64)
    for client in range(len(rows)):
        found[rows[client]] = client
    return found


@part
def insides(ground: Ground, open: Numbers) -> Numbers:
    """Of each spread, one after the other, (domains,): how many are open in each."""
    found = ground.inside.copy()
    for spread in range(len(ground.least)):
        begin = ground.inside_at[spread]
        for column in open:
            found[begin + ground.domain[spread, column]] += 1
    return found


@part
def domains_of(ground: Ground, inside: Numbers, spread: int) -> int:
    """How many domains of a spread have an open candidate."""
    found = 0
    for at in range(ground.inside_at[spread], ground.inside_at[spread + 1]):
        found += inside[at] > 0
    return found


@part
def sum_of(amounts: Row, open: Numbers) -> float:
    """What the open columns add up to in one sum."""
    found = 0.0
    for column in open:
        found += amounts[column]
    return found


@part
def _add_spreads(ground: Ground, open: Numbers, levels: Row) -> None:
    """Adds by how much spreads are not kept."""
    inside = insides(ground, open)
    for spread in range(len(ground.least)):
        domains = domains_of(ground, inside, spread)
        levels[0] += max(ground.least[spread] - domains, 0)
        if ground.most[spread] != NO_LIMIT:
            levels[0] += max(domains - ground.most[spread], 0)
        if ground.each[spread] != NO_LIMIT:
            for at in range(ground.inside_at[spread], ground.inside_at[spread + 1]):
                levels[0] += max(inside[at] - ground.each[spread], 0)


@kernel
def stand(ground: Ground, open: Numbers) -> Standing:
    """The standing with these columns open (ascending)."""
    levels = ground.fixed_levels.copy()
    for column in open:
        levels[0] += ground.barred[column]
        for tier in range(len(ground.weights)):
            levels[1 + tier] += ground.opening[tier, column]
    for at in range(len(ground.low)):
        levels[0] += ground.weight[at] * outside(sum_of(ground.amounts[at], open), ground.low[at], ground.high[at])
    if len(ground.least):
        _add_spreads(ground, open, levels)
    first, slot, second = _served(ground, open)
    for client in range(len(ground.rows)):
        if slot[client] == NOBODY:
            levels[0] += 1.0
        else:
            levels[1 + ground.tier[ground.rows[client]]] += first[client]
    return Standing(open, first, slot, second, levels)


@part
def _served(ground: Ground, open: Numbers) -> tuple[Row, Numbers, Row]:
    """Of each client the cheapest open, its place, and the cheapest without it."""
    count = len(ground.rows)
    first, second = np.empty(count), np.empty(count)
    slot = np.empty(count, dtype=np.int64)
    for client in range(count):
        row = ground.rows[client]
        first[client], second[client] = ground.first[row], ground.second[row]
        slot[client] = FIXED if first[client] < np.inf else NOBODY
    rows, prices, clients = ground.row, ground.price, ground.client
    # By column, for few of those that reach a client are open.
    for at in range(len(open)):
        for entry in range(ground.begin[open[at]], ground.begin[open[at] + 1]):
            client = clients[rows[entry]]
            if client < 0:
                continue
            cost = prices[entry]
            if cost < first[client]:
                first[client], second[client], slot[client] = cost, first[client], at
            elif cost < second[client]:
                second[client] = cost
    return first, slot, second
