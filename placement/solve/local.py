"""Local search of one unit: the best moves again and again until none is left, then two columns merged into one.

A table of all moves (placement/solve/moves.py) costs far more than trying one, so a table is used for several moves: the
best of each row in turn, each checked by doing it. A move is only made when it truly breaks less, or costs less and
breaks no more, so that the search ends, and never ends worse than it began.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from placement.borrowing import borrowed
from placement.compiled import Numbers, Row, kernel, part
from placement.solve.ground import Ground, Standing, less, stand
from placement.solve.moves import Moves, after_move, all_ranked, changed, improves, may_improve, moves, ranked

TRIES = 6
"""Moves that are tried from one table after its best."""
FAILS = 2
"""Moves of one table that turn out to be none any more, after which a new table is made."""
MERGES = 2
"""Columns that are tried in the place of several."""


class Searched(NamedTuple):
    """Where a search ended."""

    open: Numbers
    """(open,) ascending columns."""
    levels: Row
    """(1 + tiers,): how much is broken, then the cost."""
    steps: int
    """Tables made and moves tried."""


@kernel
def search(ground: Ground, open: Numbers, rounds: int, merging: bool) -> Searched:
    """Moves from these open columns (ascending) until none is better, in at most so many tables."""
    ground = borrowed(ground)
    standing = stand(ground, open)
    steps, left = 0, moves(ground, standing, True)
    while steps < rounds:
        steps += 1
        found, after = _moved(ground, standing, left)
        if not found and merging:
            found, after = _merged(ground, standing, left)
        if not found:
            break
        standing = after
        left = moves(ground, standing, True)
    return Searched(standing.open, standing.levels, steps)


@part
def _moved(ground: Ground, standing: Standing, table: Moves) -> tuple[bool, Standing]:
    """After the best move of the table and those of its others that are still good then; whether there is one."""
    table = borrowed(table)
    rows = len(table.merit)
    best, figure = np.full(rows, -1, dtype=np.int64), np.full(rows, np.inf)
    for row in range(rows):
        # Mostly no move of a row is better, and that is told of several moves at once.
        if may_improve(table, standing.levels, row):
            ranked(table, row)
            for column in range(table.merit.shape[1]):
                if table.merit[row, column] < figure[row] and improves(table, standing.levels, row, column):
                    best[row], figure[row] = column, table.merit[row, column]
    reached, moved, failed = standing, False, 0
    added = np.zeros(len(ground.barred) + 1, dtype=np.bool_)
    for _ in range(TRIES + 1):
        row = int(np.argmin(figure))
        if figure[row] == np.inf:
            break
        figure[row] = np.inf
        column = best[row]
        if added[column]:
            continue
        dropped = standing.open[table.drops[row - 1]] if row else -1
        after = stand(ground, changed(reached.open, dropped, column - 1))
        if less(after.levels, reached.levels):
            reached, moved = after, True
            added[column] = column > 0
        else:
            failed += 1
            if failed == FAILS:
                break
    return moved, reached


@part
def _merged(ground: Ground, standing: Standing, table: Moves) -> tuple[bool, Standing]:
    """After a column is opened in the place of two or more; whether one was found that is better."""
    if len(standing.open) < 2:
        return False, standing
    all_ranked(table)
    hope = np.empty(len(ground.barred))
    for column in range(len(hope)):
        adding = table.merit[0, column + 1]
        hope[column] = adding
        for row in range(1, len(table.merit)):
            hope[column] += min(table.merit[row, column + 1] - adding, 0.0)
    for column in standing.open:
        hope[column] = np.inf
    for _ in range(min(MERGES, len(hope))):
        column = int(np.argmin(hope))
        if not hope[column] < 0.0:
            break
        hope[column] = np.inf
        after = stand(ground, changed(standing.open, -1, column))
        found = True
        while found:
            found, after = _dropped(ground, after)
        if less(after.levels, standing.levels):
            return True, after
    return False, standing


@part
def _dropped(ground: Ground, standing: Standing) -> tuple[bool, Standing]:
    """After the best drop; whether one is better."""
    table = moves(ground, standing, False)
    all_ranked(table)
    best = -1
    for row in range(len(table.merit)):
        if improves(table, standing.levels, row, 0) and (best < 0 or table.merit[row, 0] < table.merit[best, 0]):
            best = row
    if best < 0:
        return False, standing
    after = stand(ground, after_move(standing, table, best, 0))
    return (True, after) if less(after.levels, standing.levels) else (False, standing)
