"""What every single move would change, all at once: add a column, drop one, or swap two.

The figures are kept in tables with a row for each open column that may be dropped and a column for each that may be
added; row 0 drops nothing and column 0 adds nothing, so that one table holds all three kinds of move. What a swap changes
is what adding and dropping change by themselves, and a correction for the clients of the dropped column that the added
one can serve (Resende and Werneck 2007, "A fast swap-based local search procedure for location problems"). Only entries
that are cheaper than a client's second choice matter, so the work follows the entries and never clients x columns.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from placement.compiled import Cube, Numbers, Row, Table, kernel, part
from placement.solve.evaluation import TOLERANCE
from placement.solve.ground import NO_LIMIT, NOBODY, Ground, Standing, domains_of, insides, outside, sum_of

MOST_DROPS = 64
"""Open columns that a table has rows for; of more, those that look cheapest to drop."""
_ROUNDING = 1e-9
_SCALE = 1e6
"""What something broken weighs against the whole cost, where moves are ranked by one figure."""


class Moves(NamedTuple):
    """Changes that moves would make."""

    drops: Numbers
    """(rows - 1,): places in the standing's `open`, of row 1 on."""
    broken: Table
    """(rows, columns + 1): how much more is broken; infinite where there is no such move."""
    cost: Cube
    """(tiers, rows, columns + 1)."""
    merit: Table
    """(rows, columns + 1): one figure for both, less is better; only good for ranking. Of a row that was `ranked`: of most
    rows no move is better, which is told without it."""
    scale: float
    """What something broken weighs in it."""
    weights: Row
    """(tiers,): what their costs weigh in it."""


@part
def changed(open: Numbers, drop: int, add: int) -> Numbers:
    """The open columns, ascending, without one and with another; -1: with none."""
    found = np.empty(len(open) + 1, dtype=np.int64)
    count = 0
    for column in open:
        if column == drop:
            continue
        if 0 <= add < column:
            found[count] = add
            count += 1
            add = -1
        found[count] = column
        count += 1
    if add >= 0:
        found[count] = add
        count += 1
    return found[:count].copy()


@part
def after_move(standing: Standing, table: Moves, row: int, column: int) -> Numbers:
    """The open columns after a move."""
    return changed(standing.open, standing.open[table.drops[row - 1]] if row else -1, column - 1)


@part
def improves(table: Moves, levels: Row, row: int, column: int) -> bool:
    """Whether a move breaks less, or the same at less cost, tier by tier."""
    broken = table.broken[row, column]
    if abs(broken) > _ROUNDING:
        return bool(broken < 0.0)
    for tier in range(len(table.cost)):
        change = table.cost[tier, row, column]
        if abs(change) > TOLERANCE * max(1.0, abs(levels[1 + tier])):
            return bool(change < 0.0)
    return False


@part
def may_improve(table: Moves, levels: Row, row: int) -> bool:
    """Whether a move of a row may be better: where there is but one tier, whether one is."""
    worse = TOLERANCE * max(1.0, abs(levels[1]))
    return _any_better(table.broken[row], table.cost[0, row], worse if len(table.cost) > 1 else -worse)


@part
def _any_better(broken: Row, cost: Row, most: float) -> bool:
    """Whether a move breaks less, or no more at a cost of at most so much. Counted to the end, as `_sums` is summed."""
    count = 0
    for column in range(len(broken)):
        count += (broken[column] < -_ROUNDING) | ((broken[column] <= _ROUNDING) & (cost[column] <= most))
    return count > 0


@kernel
def moves(ground: Ground, standing: Standing, adding: bool) -> Moves:
    """All moves from where a search stands; without `adding` those that only drop."""
    open = standing.open
    count = len(ground.barred) if adding else 0
    tiers = len(ground.weights)
    losses, alone = _losses(ground, standing)
    drops = _droppable(ground, standing, losses, alone)
    rows = len(drops) + 1
    broken, cost = np.empty((rows, count + 1)), np.empty((tiers, rows, count + 1))
    gains = _gains(ground, standing) if adding else np.zeros((1 + tiers, 0))
    for row in range(rows):
        less = 0.0
        if row:
            less = alone[drops[row - 1]] - ground.barred[open[drops[row - 1]]]
        broken[row, 0] = less
        if adding:
            _sums(broken[row, 1:], less, ground.barred, gains[tiers])
        for tier in range(tiers):
            loss = 0.0
            if row:
                loss = losses[tier, drops[row - 1]] - ground.opening[tier, open[drops[row - 1]]]
            cost[tier, row, 0] = loss
            if adding:
                _sums(cost[tier, row, 1:], loss, ground.opening[tier], gains[tier])
    if adding:
        _instead(ground, standing, drops, broken, cost)
    for at in range(len(ground.low)):
        _sum(ground, open, drops, at, broken)
    if len(ground.least):
        inside = insides(ground, open)
        for spread in range(len(ground.least)):
            _spread(ground, open, drops, spread, inside, broken)
    if adding:
        for column in open:
            broken[:, column + 1] = np.inf
    scale = 0.0
    for tier in range(tiers):
        scale += ground.weights[tier] * standing.levels[1 + tier]
    scale = _SCALE * (1.0 + abs(scale))
    return Moves(drops, broken, cost, np.empty((rows, count + 1)), scale, ground.weights.copy())


@part
def ranked(table: Moves, row: int) -> None:
    """Writes the merit of the moves of a row."""
    _ranked(table.merit[row], table.scale, table.broken[row], table.weights[0], table.cost[0, row])
    for tier in range(1, len(table.weights)):
        _more(table.merit[row], table.weights[tier], table.cost[tier, row])


@part
def all_ranked(table: Moves) -> None:
    """Writes the merit of all moves."""
    for row in range(len(table.merit)):
        ranked(table, row)


@part
def _sums(found: Row, one: float, others: Row, more: Row) -> None:
    """Three figures together, column by column. As are the next two, a loop over nothing but rows of figures, of which
    machine code takes several at once."""
    for column in range(len(found)):
        found[column] = one + others[column] + more[column]


@part
def _ranked(merit: Row, scale: float, broken: Row, weight: float, cost: Row) -> None:
    for column in range(len(merit)):
        merit[column] = scale * broken[column] + weight * cost[column]


@part
def _more(merit: Row, weight: float, cost: Row) -> None:
    for column in range(len(merit)):
        merit[column] += weight * cost[column]


@part
def _losses(ground: Ground, standing: Standing) -> tuple[Table, Row]:
    """(tiers, open): what clients cost more without each open column; (open,): how many then have nobody."""
    count = len(standing.open)
    losses, alone = np.zeros((len(ground.weights), count)), np.zeros(count)
    for client in range(len(standing.slot)):
        slot = standing.slot[client]
        if slot >= 0:
            other = 0.0
            if standing.second[client] == np.inf:
                alone[slot] += 1.0
            else:
                other = standing.second[client]
            losses[ground.tier[ground.rows[client]], slot] += other - standing.first[client]
    return losses, alone


@part
def _droppable(ground: Ground, standing: Standing, losses: Table, alone: Row) -> Numbers:
    """Places in `open` of the columns that the table has rows for, ascending."""
    count = len(standing.open)
    if count <= MOST_DROPS:
        return np.arange(count)
    breaks, costs = np.empty(count), np.zeros(count)
    for at in range(count):
        column = standing.open[at]
        breaks[at] = alone[at] - ground.barred[column]
        for tier in range(len(ground.weights)):
            costs[at] += ground.weights[tier] * (losses[tier, at] - ground.opening[tier, column])
    chosen = np.zeros(count, dtype=np.bool_)
    for _ in range(MOST_DROPS):
        best = -1
        for at in range(count):
            if chosen[at]:
                continue
            if best < 0 or breaks[at] < breaks[best] or (breaks[at] == breaks[best] and costs[at] < costs[best]):
                best = at
        chosen[best] = True
    return np.nonzero(chosen)[0]


@part
def _gains(ground: Ground, standing: Standing) -> Table:
    """(tiers + 1, columns): by tier what each added column changes, whatever is dropped: less for clients that it is cheaper
    for. Last how much less is broken: clients that nobody serves."""
    tiers = len(ground.weights)
    gains = np.zeros((tiers + 1, len(ground.barred)))
    columns, costs = ground.column, ground.cost
    for client in range(len(ground.rows)):
        row = ground.rows[client]
        first, saves = standing.first[client], gains[ground.tier[row]]
        begin, end = np.uint64(ground.start[row]), np.uint64(ground.start[row + 1])
        if standing.slot[client] == NOBODY:
            serves = gains[tiers]
            for entry in range(begin, end):
                column = np.uint32(columns[entry])
                saves[column] += costs[entry]
                serves[column] -= 1.0
        elif first > ground.floor[row]:
            for entry in range(begin, end):
                if costs[entry] < first:
                    saves[np.uint32(columns[entry])] += costs[entry] - first
    return gains


@part
def _instead(ground: Ground, standing: Standing, drops: Numbers, broken: Table, cost: Cube) -> None:
    """Takes off what the added column does for the clients of the dropped one."""
    row_of, columns, costs = np.zeros(len(standing.open), dtype=np.int64), ground.column, ground.cost
    for at in range(len(drops)):
        row_of[drops[at]] = at + 1
    for client in range(len(ground.rows)):
        slot, second = standing.slot[client], standing.second[client]
        row = ground.rows[client]
        if slot < 0 or second <= ground.floor[row] or not row_of[slot]:
            continue
        drop, first, tier = row_of[slot], standing.first[client], ground.tier[row]
        alone = second == np.inf
        without = 0.0 if alone else second
        more, breaks = cost[tier, drop, 1:], broken[drop, 1:]
        for entry in range(np.uint64(ground.start[row]), np.uint64(ground.start[row + 1])):
            price = costs[entry]
            if price >= second:
                continue
            column = np.uint32(columns[entry])
            more[column] += max(price, first) - without
            if alone:
                breaks[column] -= 1.0


@part
def _sum(ground: Ground, open: Numbers, drops: Numbers, at: int, broken: Table) -> None:
    """Adds what one sum is further outside its bounds."""
    amounts, low, high, weight = ground.amounts[at], ground.low[at], ground.high[at], ground.weight[at]
    now = sum_of(amounts, open)
    columns = broken.shape[1] - 1
    most_gone, most_come = 0.0, 0.0
    for place in drops:
        most_gone = max(most_gone, amounts[open[place]])
    for column in range(columns):
        most_come = max(most_come, amounts[column])
    if now - most_gone >= low and now + most_come <= high:
        return
    before = outside(now, low, high)
    for row in range(len(drops) + 1):
        left = now - (amounts[open[drops[row - 1]]] if row else 0.0)
        broken[row, 0] += weight * (outside(left, low, high) - before)
        for column in range(columns):
            broken[row, column + 1] += weight * (outside(left + amounts[column], low, high) - before)


@part
def _spread(ground: Ground, open: Numbers, drops: Numbers, spread: int, inside: Numbers, broken: Table) -> None:
    """Adds what a spread is further from being kept."""
    domain, begin = ground.domain[spread], ground.inside_at[spread]
    each = ground.each[spread]
    low = float(ground.least[spread])
    high = np.inf if ground.most[spread] == NO_LIMIT else float(ground.most[spread])
    now = float(domains_of(ground, inside, spread))
    before = outside(now, low, high)
    for row in range(len(drops) + 1):
        gone, gone_domains, gone_over = -1, 0.0, 0.0
        if row:
            gone = domain[open[drops[row - 1]]]
            gone_domains = 1.0 if inside[begin + gone] == 1 else 0.0
            gone_over = 1.0 if each != NO_LIMIT and inside[begin + gone] > each else 0.0
        broken[row, 0] += outside(now - gone_domains, low, high) - before - gone_over
        for column in range(broken.shape[1] - 1):
            come = domain[column]
            if come == gone:
                continue
            domains = now - gone_domains + (1.0 if inside[begin + come] == 0 else 0.0)
            over = 1.0 if each != NO_LIMIT and inside[begin + come] >= each else 0.0
            broken[row, column + 1] += outside(domains, low, high) - before + over - gone_over
