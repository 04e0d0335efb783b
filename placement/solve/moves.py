"""What every single move would change, all at once: add a column, drop one, or swap two.

The figures are kept in tables with a row for each open column that may be dropped and a column for each that may be
added; row 0 drops nothing and column 0 adds nothing, so that one table holds all three kinds of move. What a swap changes
is what adding and dropping change by themselves, and a correction for the clients of the dropped column that the added
one can serve (Resende and Werneck 2007, "A fast swap-based local search procedure for location problems"). Only entries
that are cheaper than a client's second choice matter, so the work follows the entries and never clients x columns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from placement.arrays import Floats, Ints, Mask
from placement.solve.evaluation import TOLERANCE
from placement.solve.ground import Ground, Spread, Standing, outside

MOST_DROPS = 64
"""Open columns that a table has rows for; of more, those that look cheapest to drop."""
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Moves:
    """Changes that moves would make."""

    drops: Ints
    """(rows - 1,): places in the standing's `open`, of row 1 on."""
    broken: Floats
    """(rows, columns + 1): how much more is broken; infinite where there is no such move."""
    cost: Floats
    """(tiers, rows, columns + 1)."""
    merit: Floats
    """(rows, columns + 1): one figure for both, less is better; only good for ranking."""
    improving: Mask
    """(rows, columns + 1): whether less is broken, or the same at less cost, tier by tier."""

    def after(self, standing: Standing, row: int, column: int) -> Ints:
        """The open columns after a move."""
        dropped = int(standing.open[self.drops[row - 1]]) if row else -1
        return changed(standing.open, drop=dropped, add=column - 1)


def changed(open: Ints, *, drop: int = -1, add: int = -1) -> Ints:
    """The open columns, ascending, without one and with another; -1: with none."""
    found = open[open != drop] if drop >= 0 else open
    if add >= 0:
        found = np.concatenate((found, (add,)))
        found.sort()
    return found


def moves(ground: Ground, standing: Standing, *, adding: bool = True) -> Moves:
    """All moves from where a search stands; without `adding` those that only drop."""
    open, count = standing.open, ground.count if adding else 0
    losses, alone = _losses(ground, standing)
    drops = _droppable(ground, standing, losses, alone)
    rows = len(drops) + 1
    broken = np.zeros((rows, count + 1))
    cost = np.zeros((len(ground.weights), rows, count + 1))
    cost[:, :, 1:] = ground.opening[:, None, :count]
    cost[:, 1:, :] += (losses[:, drops] - ground.opening[:, open[drops]])[:, :, None]
    broken[1:] = alone[drops, None]
    if adding:
        _serving(ground, standing, drops, broken, cost)
    if ground.barred.any():
        broken[:, 1:] += ground.barred[:count]
        broken[1:] -= ground.barred[open[drops], None]
    _sums(ground, open, open[drops], broken)
    for spread in ground.spreads:
        _spread(spread, open, open[drops], broken)
    if adding:
        broken[:, 1 + open] = np.inf
    folded = cost[0] if len(cost) == 1 else (cost * ground.weights[:, None, None]).sum(axis=0)
    scale = 1e6 * (1.0 + float(np.abs(ground.weights @ standing.levels[1:])))
    return Moves(drops, broken, cost, folded + scale * broken, _improving(standing, broken, cost))


def _losses(ground: Ground, standing: Standing) -> tuple[Floats, Floats]:
    """(tiers, open): what clients cost more without each open column; (open,): how many then have nobody."""
    count = len(standing.open)
    losses = np.zeros((len(ground.weights), count))
    mine = np.flatnonzero(standing.slot >= 0)
    slot, second = standing.slot[mine], standing.second[mine]
    alone = np.isinf(second)
    more = np.where(alone, 0.0, second) - standing.first[mine]
    tiers = ground.demand.tiers
    for tier in tiers:
        part = more if len(tiers) == 1 else np.where(ground.demand.tier[mine] == tier, more, 0.0)
        losses[tier] = np.bincount(slot, part, count)
    return losses, np.bincount(slot[alone], minlength=count).astype(np.float64)


def _droppable(ground: Ground, standing: Standing, losses: Floats, alone: Floats) -> Ints:
    """Places in `open` of the columns that the table has rows for, ascending."""
    count = len(standing.open)
    if count <= MOST_DROPS:
        return np.arange(count)
    costs = ground.weights @ (losses - ground.opening[:, standing.open])
    order = np.lexsort((costs, alone - ground.barred[standing.open]))
    return np.sort(order[:MOST_DROPS])


def _serving(ground: Ground, standing: Standing, drops: Ints, broken: Floats, cost: Floats) -> None:
    """Adds what the added column serves, by itself and in the place of the dropped one."""
    demand, columns, rows = ground.demand, ground.count, len(drops) + 1
    if not demand.count:
        return
    entries = np.flatnonzero(demand.cost < standing.second.take(demand.client))
    client, column, price = demand.client.take(entries), demand.column.take(entries), demand.cost.take(entries)
    first = standing.first.take(client)
    row_of = np.zeros(len(standing.open) + 2, dtype=np.int64)
    row_of[drops] = np.arange(1, rows)
    key = row_of.take(standing.slot.take(client)) * columns + column
    nobody = np.isinf(first)
    gain = np.where(nobody, price, np.minimum(price - first, 0.0))
    alone = standing.alone
    second = np.where(np.isinf(standing.second), 0.0, standing.second)
    saved = np.maximum(price, np.where(nobody, 0.0, first)) - second.take(client)
    saved[nobody] = 0.0
    tiers = demand.tiers
    for tier in tiers:
        if len(tiers) > 1:
            here = demand.tier.take(client) == tier
            gains, extras = np.where(here, gain, 0.0), np.where(here, saved, 0.0)
        else:
            gains, extras = gain, saved
        cost[tier, :, 1:] += np.bincount(column, gains, columns)
        cost[tier, 1:, 1:] += np.bincount(key, extras, rows * columns).reshape(rows, columns)[1:]
    kept = np.flatnonzero(alone.take(client))
    if len(kept):
        broken[1:, 1:] -= np.bincount(key.take(kept), minlength=rows * columns).reshape(rows, columns)[1:]
    if nobody.any():
        broken[:, 1:] -= np.bincount(column[nobody], minlength=columns)


def _sums(ground: Ground, open: Ints, dropped: Ints, broken: Floats) -> None:
    """Adds what sums are further outside their bounds."""
    sums = ground.sums
    inside = sums.amounts[:, open].sum(axis=1)
    for amounts, low, high, weight, now in zip(
        sums.amounts, sums.low.tolist(), sums.high.tolist(), sums.weight.tolist(), inside.tolist(), strict=True
    ):
        less, more = amounts[dropped], amounts[: broken.shape[1] - 1]
        if now - less.max(initial=0.0) >= low and now + more.max(initial=0.0) <= high:
            continue
        after = np.full(broken.shape, now)
        after[1:] -= less[:, None]
        after[:, 1:] += more
        broken += weight * (outside(after, low, high) - float(outside(np.float64(now), low, high)))


def _spread(spread: Spread, open: Ints, dropped: Ints, broken: Floats) -> None:
    """Adds what a spread is further from being kept."""
    inside = spread.inside(open)
    gone, come = spread.domain[dropped], spread.domain[: broken.shape[1] - 1]
    same = gone[:, None] == come[None, :]
    if spread.each is not None:
        less, more = -1.0 * (inside[gone] > spread.each), 1.0 * (inside[come] >= spread.each)
        broken[0, 1:] += more
        broken[1:, 0] += less
        broken[1:, 1:] += np.where(same, 0.0, less[:, None] + more)
    now = int(np.count_nonzero(inside))
    after = np.full(broken.shape, float(now))
    less, more = 1.0 * (inside[gone] == 1), 1.0 * (inside[come] == 0)
    after[0, 1:] += more
    after[1:, 0] -= less
    after[1:, 1:] += np.where(same, 0.0, more - less[:, None])
    low, high = float(spread.least), np.inf if spread.most is None else float(spread.most)
    broken += outside(after, low, high) - float(outside(np.float64(now), low, high))


def _improving(standing: Standing, broken: Floats, cost: Floats) -> Mask:
    """Which moves break less, or the same at less cost."""
    found: Mask = broken < -_ROUNDING
    equal = np.abs(broken) <= _ROUNDING
    for part, now in zip(cost, standing.levels[1:].tolist(), strict=True):
        slack = TOLERANCE * max(1.0, abs(now))
        found |= equal & (part < -slack)
        equal &= np.abs(part) <= slack
    return found
