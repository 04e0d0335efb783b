"""A first choice for one unit: again and again the column that does most of what is missing for its cost.

The weighted set cover of Chvatal (1979), in which covering counts everything that a choice must have: clients served,
members of groups, domains of a spread, sites, and room. Columns that would break a limit on the most are passed over as
long as they would. What each column would add is kept up as clients become served, which touches each entry once.
"""

from __future__ import annotations

import numpy as np

from placement.compiled import Flags, Numbers, Row, kernel, part
from placement.solve.ground import NO_LIMIT, Ground, domains_of

_CHEAPEST = 1e-6
"""Of the mean cost of a column: what a column that costs nothing is taken to cost, so that the one that does more wins."""


@kernel
def greedy(ground: Ground) -> Numbers:
    """Open columns, ascending, that keep what is asked for where a greedy choice can."""
    count = len(ground.barred)
    chosen = np.zeros(count, dtype=np.bool_)
    if not count:
        return np.nonzero(chosen)[0]
    waiting, serves, price = _initial(ground)
    by_column, begin = _by_column(ground, waiting)
    own = _own(ground)
    have, inside = np.zeros(len(ground.low)), ground.inside.copy()
    while True:
        best, ratio = -1, np.inf
        wanted = _wanted(ground, have, inside)
        for column in range(count):
            progress = serves[column] + wanted[column]
            if chosen[column] or progress <= 0.0:
                continue
            figure = (own[column] + price[column]) / progress
            if (best < 0 or figure < ratio) and _allowed(ground, have, inside, column):
                best, ratio = column, figure
        if best < 0:
            break
        chosen[best] = True
        for at in range(len(have)):
            have[at] += ground.amounts[at, best]
        for spread in range(len(ground.least)):
            inside[ground.inside_at[spread] + ground.domain[spread, best]] += 1
        for at in range(begin[best], begin[best + 1]):
            client = by_column[at]
            if waiting[client]:
                waiting[client] = False
                _served(ground, client, serves, price)
    return np.nonzero(chosen)[0]


@part
def _own(ground: Ground) -> Row:
    """(columns,): what each costs by itself; one that costs nothing, or less, is taken to cost a little."""
    own = np.zeros(len(ground.barred))
    for tier in range(len(ground.weights)):
        own += ground.weights[tier] * ground.opening[tier]
    own += _CHEAPEST * np.abs(own).mean() + 1e-12 - min(0.0, own.min())
    return own


@part
def _initial(ground: Ground) -> tuple[Flags, Row, Row]:
    """Clients that nobody serves; by column, how many of them are in reach, and what serving these costs."""
    serves, price = np.zeros(len(ground.barred)), np.zeros(len(ground.barred))
    waiting = np.zeros(len(ground.rows), dtype=np.bool_)
    for client in range(len(ground.rows)):
        row = ground.rows[client]
        if ground.first[row] < np.inf:
            continue
        waiting[client] = True
        weight = ground.weights[ground.tier[row]]
        for entry in range(ground.start[row], ground.start[row + 1]):
            serves[ground.column[entry]] += 1.0
            price[ground.column[entry]] += weight * ground.cost[entry]
    return waiting, serves, price


@part
def _by_column(ground: Ground, waiting: Flags) -> tuple[Numbers, Numbers]:
    """The waiting clients of each column, one column after the other, and where each begins."""
    begin = np.zeros(len(ground.barred) + 1, dtype=np.int64)
    for client in range(len(waiting)):
        if waiting[client]:
            row = ground.rows[client]
            for entry in range(ground.start[row], ground.start[row + 1]):
                begin[ground.column[entry] + 1] += 1
    for column in range(len(begin) - 1):
        begin[column + 1] += begin[column]
    free = begin[:-1].copy()
    found = np.empty(begin[-1], dtype=np.int64)
    for client in range(len(waiting)):
        if waiting[client]:
            row = ground.rows[client]
            for entry in range(ground.start[row], ground.start[row + 1]):
                column = ground.column[entry]
                found[free[column]] = client
                free[column] += 1
    return found, begin


@part
def _served(ground: Ground, client: int, serves: Row, price: Row) -> None:
    """Takes a client that is served now off what columns would add."""
    row = ground.rows[client]
    weight = ground.weights[ground.tier[row]]
    for entry in range(ground.start[row], ground.start[row + 1]):
        serves[ground.column[entry]] -= 1.0
        price[ground.column[entry]] -= weight * ground.cost[entry]


@part
def _wanted(ground: Ground, have: Row, inside: Numbers) -> Row:
    """(columns,): what each adds to sums and spreads that fall short."""
    wanted = np.zeros(len(ground.barred))
    for at in range(len(have)):
        if ground.low[at] > have[at]:
            for column in range(len(wanted)):
                wanted[column] += min(ground.amounts[at, column], ground.low[at] - have[at]) * ground.weight[at]
    for spread in range(len(ground.least)):
        if domains_of(ground, inside, spread) < ground.least[spread]:
            for column in range(len(wanted)):
                wanted[column] += inside[ground.inside_at[spread] + ground.domain[spread, column]] == 0
    return wanted


@part
def _allowed(ground: Ground, have: Row, inside: Numbers, column: int) -> bool:
    """Whether opening it breaks no limit on the most and nothing by itself."""
    if ground.barred[column] != 0.0:
        return False
    for at in range(len(have)):
        if ground.high[at] < np.inf:
            limit = max(ground.high[at], have[at])
            if have[at] + ground.amounts[at, column] > limit + 1e-9 * max(1.0, abs(limit)):
                return False
    for spread in range(len(ground.least)):
        there = inside[ground.inside_at[spread] + ground.domain[spread, column]]
        if ground.each[spread] != NO_LIMIT and there >= ground.each[spread]:
            return False
        most = ground.most[spread]
        if most != NO_LIMIT and there == 0 and domains_of(ground, inside, spread) >= most:
            return False
    return True
