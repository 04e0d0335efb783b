"""Local search of one unit: the best moves again and again until none is left, then two columns merged into one.

A table of all moves (placement/solve/moves.py) costs far more than trying one, so a table is used for several moves: the
best of each row in turn, each checked by doing it. A move is only made when it truly breaks less, or costs less and
breaks no more, so that the search ends, and never ends worse than it began.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from placement.arrays import Ints
from placement.solve.evaluation import better
from placement.solve.ground import Ground, Standing, stand
from placement.solve.moves import Moves, changed, moves

TRIES = 6
"""Moves that are tried from one table after its best."""
FAILS = 2
"""Moves of one table that turn out to be none any more, after which a new table is made."""
MERGES = 2
"""Columns that are tried in the place of several."""


@dataclass(frozen=True, slots=True)
class Searched:
    """Where a search ended."""

    standing: Standing
    steps: int
    """Tables made and moves tried."""
    last: Moves
    """The moves that were left at the end."""


def search(ground: Ground, open: Ints, *, rounds: int, merging: bool = True) -> Searched:
    """Moves from these open columns until none is better, in at most so many tables."""
    standing = stand(ground, open)
    steps, left = 0, moves(ground, standing)
    while steps < rounds:
        steps += 1
        after = _moved(ground, standing, left)
        if after is None and merging:
            after = _merged(ground, standing, left)
        if after is None:
            break
        standing = after
        left = moves(ground, standing)
    return Searched(standing, steps, left)


def _moved(ground: Ground, standing: Standing, table: Moves) -> Standing | None:
    """After the best move of the table and those of its others that are still good then; None when there is none."""
    if not table.improving.any():
        return None
    merit = np.where(table.improving, table.merit, np.inf)
    columns = merit.argmin(axis=1)
    values = merit[np.arange(len(merit)), columns]
    order = np.argsort(values, kind="stable")
    order = order[np.isfinite(values[order])][: TRIES + 1]
    reached, added, failed = standing, set[int](), 0
    for row, column in zip(order.tolist(), columns[order].tolist(), strict=True):
        if column in added:
            continue
        dropped = int(standing.open[table.drops[row - 1]]) if row else -1
        after = stand(ground, changed(reached.open, drop=dropped, add=column - 1))
        if better(after.levels, reached.levels):
            reached = after
            if column:
                added.add(column)
        else:
            failed += 1
            if failed == FAILS:
                break
    return None if reached is standing else reached


def _merged(ground: Ground, standing: Standing, table: Moves) -> Standing | None:
    """After a column is opened in the place of two or more; None when none is found that is better."""
    if len(standing.open) < 2:
        return None
    adding = table.merit[0, 1:].copy()
    adding[standing.open] = 0.0
    hope = adding + np.minimum(table.merit[1:, 1:] - adding, 0.0).sum(axis=0)
    hope[standing.open] = np.inf
    order = np.argsort(hope, kind="stable")[:MERGES]
    for column in order[hope[order] < 0.0].tolist():
        after = stand(ground, changed(standing.open, add=column))
        while True:
            fewer = _dropped(ground, after)
            if fewer is None:
                break
            after = fewer
        if better(after.levels, standing.levels):
            return after
    return None


def _dropped(ground: Ground, standing: Standing) -> Standing | None:
    """After the best drop; None when none is better."""
    table = moves(ground, standing, adding=False)
    if not table.improving.any():
        return None
    row = int(np.where(table.improving[:, 0], table.merit[:, 0], np.inf).argmin())
    after = stand(ground, table.after(standing, row, 0))
    return after if better(after.levels, standing.levels) else None
