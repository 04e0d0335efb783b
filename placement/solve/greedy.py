"""A first choice for one unit: again and again the column that does most of what is missing for its cost.

The weighted set cover of Chvatal (1979), in which covering counts everything that a choice must have: clients served,
members of groups, domains of a spread, sites, and room. Columns that would break a limit on the most are passed over as
long as they would. What each column would add is kept up as clients become served, which touches each entry once.
"""

from __future__ import annotations

import numpy as np

from placement.arrays import Floats, Ints, Mask
from placement.solve.ground import Ground

_CHEAPEST = 1e-6
"""Of the mean cost of a column: what a column that costs nothing is taken to cost, so that the one that does more wins."""


def greedy(ground: Ground) -> Ints:
    """Open columns, ascending, that keep what is asked for where a greedy choice can."""
    demand, count = ground.demand, ground.count
    if not count:
        return np.empty(0, dtype=np.int64)
    chosen: list[int] = []
    free = np.ones(count, dtype=bool)
    waiting = np.isinf(demand.first)
    serves, price = _initial(ground)
    order, begin = _by_column(ground)
    own = ground.weights @ ground.opening
    # A column that costs nothing, or less, is taken to cost a little: the one that does more wins.
    own = own - min(0.0, float(own.min())) + _CHEAPEST * float(np.abs(own).mean()) + 1e-12
    sums = ground.sums
    limited = bool(ground.spreads) or bool(ground.barred.any()) or bool(np.isfinite(sums.high).any())
    domains = [one.fixed.copy() for one in ground.spreads]
    have = np.zeros(len(ground.sums.low))
    while True:
        progress = serves
        if ground.spreads or (sums.low > have).any():
            progress = serves + _wanted(ground, have, domains)
        may = free & _allowed(ground, have, domains) if limited else free
        some = (may & (progress > 0.0)).nonzero()[0]
        if not len(some):
            break
        ratio = (own.take(some) + price.take(some)) / progress.take(some)
        column = int(some[ratio.argmin()])
        chosen.append(column)
        free[column] = False
        have += sums.amounts[:, column]
        for inside, spread in zip(domains, ground.spreads, strict=True):
            inside[spread.domain[column]] += 1
        clients = demand.client.take(order[begin[column] : begin[column + 1]])
        clients = clients[waiting[clients]]
        if len(clients):
            waiting[clients] = False
            _served(ground, clients, serves, price)
    return np.sort(np.array(chosen, dtype=np.int64))


def _initial(ground: Ground) -> tuple[Floats, Floats]:
    """(columns,): how many clients that nobody serves are in reach; and what serving them costs."""
    demand = ground.demand
    column, cost = demand.column, demand.cost * ground.weights[demand.tier].take(demand.client)
    if len(ground.fixed):
        open = np.isinf(demand.first).take(demand.client)
        column, cost = column[open], cost[open]
    serves = np.bincount(column, minlength=ground.count).astype(np.float64)
    price = np.bincount(column, cost, ground.count).astype(np.float64)
    return serves, price


def _by_column(ground: Ground) -> tuple[Ints, Ints]:
    """The entries in the order of columns, and where each column's begin."""
    column = ground.demand.column
    small = column.astype(np.int16) if ground.count < 2**15 else column
    begin = np.zeros(ground.count + 1, dtype=np.int64)
    np.cumsum(np.bincount(column, minlength=ground.count), out=begin[1:])
    order: Ints = np.argsort(small, kind="stable")
    return order, begin


def _served(ground: Ground, clients: Ints, serves: Floats, price: Floats) -> None:
    """Takes clients that are served now off what columns would add."""
    demand = ground.demand
    begin = demand.start.take(clients)
    lengths = demand.start.take(clients + 1) - begin
    ends = np.cumsum(lengths)
    entries = np.arange(int(ends[-1])) + np.repeat(begin - ends + lengths, lengths)
    column = demand.column.take(entries)
    cost = demand.cost.take(entries) * np.repeat(ground.weights[demand.tier.take(clients)], lengths)
    serves -= np.bincount(column, minlength=ground.count)
    price -= np.bincount(column, cost, ground.count)


def _wanted(ground: Ground, have: Floats, domains: list[Ints]) -> Floats:
    """(columns,): what each adds to sums and spreads that fall short."""
    sums = ground.sums
    wanted = np.zeros(ground.count)
    for row in np.flatnonzero(sums.low > have).tolist():
        wanted += np.minimum(sums.amounts[row], sums.low[row] - have[row]) * sums.weight[row]
    for inside, spread in zip(domains, ground.spreads, strict=True):
        if np.count_nonzero(inside) < spread.least:
            wanted += inside[spread.domain] == 0
    return wanted


def _allowed(ground: Ground, have: Floats, domains: list[Ints]) -> Mask:
    """(columns,): whether opening it breaks no limit on the most and nothing by itself."""
    sums = ground.sums
    allowed: Mask = ground.barred == 0.0
    for row in np.flatnonzero(np.isfinite(sums.high)).tolist():
        limit = max(sums.high[row], have[row])
        allowed &= have[row] + sums.amounts[row] <= limit + 1e-9 * max(1.0, abs(limit))
    for inside, spread in zip(domains, ground.spreads, strict=True):
        if spread.each is not None:
            allowed &= inside[spread.domain] < spread.each
        if spread.most is not None and np.count_nonzero(inside) >= spread.most:
            allowed &= inside[spread.domain] > 0
    return allowed
