"""Units moved together: alternatives of one unit, each judged by what the units around it become.

Unit by unit, a site is good or bad with the others as they stand. A better site whose servers would have to move looks bad,
and a server that could be spared if those it serves moved a little looks needed. So each unit that is served is given
alternatives: its best moves if it were served as cheaply as it could be; the units that serve it are solved anew. And each
server is given some that leave others unserved; these are searched anew too, and move to where it is. The whole is
compared each time. How many are tried is limited, for each costs a few searches.
"""

from __future__ import annotations

import numpy as np

from placement.arrays import Floats, Ints
from placement.solve.coupling import Link, Stage
from placement.solve.evaluation import better, cheapest
from placement.solve.ground import Ground, Standing, stand
from placement.solve.local import search
from placement.solve.model import mask_of
from placement.solve.moves import Moves, moves
from placement.solve.shortlist import least

TRIES = 8
"""Alternatives of one unit that are tried before the next unit's turn."""
HOPE = 0.005
"""Of the whole cost: an alternative that would cost so much more, if its servers were what suits it, is not tried."""
PRICE = 0.1
"""Of the mean cost of opening: what a client left unserved is taken to cost, which will be moved."""
SWEEPS = 4
"""Times that all units are searched in turn."""


def settle(
    stage: Stage, order: list[int], open: list[Ints], *, rounds: int, merging: bool = False
) -> tuple[list[Ints], int]:
    """Searches the units in turn, each beside the others as they stand, until none moves; and the steps made."""
    steps = still = 0
    for number in order * SWEEPS:
        ground = stage.ground(number, list(open))
        found = search(ground, ground.open_columns(open[number]), rounds=rounds, merging=merging)
        steps += found.steps
        after = ground.candidates(found.standing.open)
        still = still + 1 if np.array_equal(after, open[number]) else 0
        open = [*open[:number], after, *open[number + 1 :]]
        if still >= len(order):
            break
    return open, steps


def joint(stage: Stage, order: list[int], open: list[Ints], *, most: int, rounds: int) -> tuple[list[Ints], int]:
    """Tries at most so many alternatives; the best choice found, and the steps made."""
    parts = [stage.alone(number, open) for number in range(len(open))]
    levels = stage.shared(open) + sum(parts)
    turns = [(one, True) for one in order if any(link.serving.client == one for link in stage.links)]
    turns += [(one, False) for one in order if any(link.serving.server == one for link in stage.links)]
    tried: set[tuple[int, bytes]] = set()
    steps, left, moved = 0, most, True
    while moved and left > 0:
        moved = False
        for number, down in turns:
            choose = _alternatives if down else _fewer
            for alternative in choose(stage, number, open, parts=parts):
                key = (number, b"".join(one.tobytes() for one in (*open, alternative)))
                if key in tried or left <= 0:
                    continue
                tried.add(key)
                left -= 1
                follow = _followed if down else _led
                after, renewed, made = follow(stage, order, number, alternative, open, parts, rounds=rounds)
                steps += made
                reached = stage.shared(after) + sum(renewed)
                if better(reached, levels):
                    open, parts, levels, moved = after, renewed, reached, True
                    break
    return open, steps


def _followed(
    stage: Stage,
    order: list[int],
    number: int,
    alternative: Ints,
    open: list[Ints],
    parts: list[Floats],
    *,
    rounds: int,
) -> tuple[list[Ints], list[Floats], int]:
    """The choice with an alternative of one unit, and the units that serve it, and those that serve them, anew.

    With it what each unit then costs alone, and the steps made.
    """
    after, renewed, steps, touched = list(open), list(parts), 1, {number}
    after[number] = alternative
    for one in order[order.index(number) + 1 :]:
        if not any(link.serving.server == one and link.serving.client in touched for link in stage.links):
            continue
        ground = stage.ground(one, list(after))
        found = search(ground, ground.open_columns(after[one]), rounds=rounds, merging=False)
        steps += found.steps
        after[one] = ground.candidates(found.standing.open)
        touched.add(one)
        if stage.independent(one):
            renewed[one] = found.standing.levels
            touched.discard(one)
    for one in touched:
        renewed[one] = stage.alone(one, after)
    return after, renewed, steps


def _led(
    stage: Stage,
    order: list[int],
    number: int,
    alternative: Ints,
    open: list[Ints],
    parts: list[Floats],
    *,
    rounds: int,
) -> tuple[list[Ints], list[Floats], int]:
    """The choice with an alternative of a server, the units that it serves moved to where it is, and all servers anew."""
    after, steps = list(open), 1
    after[number] = alternative
    touched = {number}
    place = order.index(number)
    for one in (*reversed(order[:place]), *order):
        pairs = [{link.serving.server, link.serving.client} for link in stage.links]
        if not any(one in pair and pair & touched for pair in pairs):
            continue
        ground = stage.ground(one, list(after))
        found = search(ground, ground.open_columns(after[one]), rounds=rounds, merging=False)
        steps += found.steps
        after[one] = ground.candidates(found.standing.open)
        touched.add(one)
    renewed = [stage.alone(one, after) if one in touched else parts[one] for one in range(len(open))]
    return after, renewed, steps


def _fewer(stage: Stage, number: int, open: list[Ints], *, parts: list[Floats]) -> list[Ints]:
    """Candidates of a server after moves that would leave some of what it serves unserved; best first."""
    ground = stage.ground(number, list(open))
    if not ground.count:
        return []
    standing = stand(ground, ground.open_columns(open[number]))
    table = moves(ground, standing)
    folded = (table.cost * ground.weights[:, None, None]).sum(axis=0)
    price = PRICE * float(np.abs(ground.weights @ ground.opening).mean())
    breaking = (table.broken > 0.5) & np.isfinite(table.broken)
    hope = np.where(breaking, folded + price * np.where(breaking, table.broken, 0.0), np.inf)
    return _best(ground, standing, table, hope, parts)


def _alternatives(stage: Stage, number: int, open: list[Ints], *, parts: list[Floats]) -> list[Ints]:
    """Candidates of the unit after its best moves, if its servers were what suits them; best first."""
    ground = stage.ground(number, list(open), charged=False)
    standing = stand(ground, ground.open_columns(open[number]))
    table = moves(ground, standing)
    costs, saved = np.zeros(ground.count), np.zeros(ground.count)
    for one in stage.links:
        if one.serving.client == number:
            at = np.searchsorted(one.clients, ground.columns)
            costs += _served(stage, one, ground, open)[at]
            saved += _exclusive(stage, one, open)[at]
    hope = table.merit.copy()
    hope[:, 1:] += costs
    dropped = standing.open[table.drops]
    hope[1:] -= (costs + saved)[dropped, None]
    hope[0, 0] = np.inf
    return _best(ground, standing, table, hope, parts)


def _best(ground: Ground, standing: Standing, table: Moves, hope: Floats, parts: list[Floats]) -> list[Ints]:
    """Candidates after the moves with the least hope, (rows, columns + 1), best first, but for those that are hopeless."""
    most = HOPE * float(ground.weights @ np.sum(parts, axis=0)[1:])
    flat = hope.ravel()
    places = least(flat, TRIES)
    places = places[np.argsort(flat[places], kind="stable")]
    rows, columns = np.unravel_index(places[flat[places] <= most], hope.shape)
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return [ground.candidates(table.after(standing, row, column)) for row, column in pairs]


def _served(stage: Stage, link: Link, ground: Ground, open: list[Ints]) -> Floats:
    """(the link's clients,): what being served costs each: by an open server, or with one that is opened for it."""
    server = stage.layouts[link.serving.server]
    weight = ground.weights[link.serving.tier]
    cost = weight * cheapest(link.matrix, mask_of(open[link.serving.server], link.matrix.shape[1]))
    own = ground.weights @ server.unit.open_cost
    count = link.matrix.shape[0]
    lengths = np.diff(link.matrix.indptr)
    some = np.flatnonzero(lengths)
    opened = np.full(count, np.inf)
    if len(some):
        prices = own.take(link.matrix.indices) + weight * link.matrix.data
        opened[some] = np.minimum.reduceat(prices, link.matrix.indptr[some])
    found = np.where(np.isfinite(cost), cost, opened)
    return np.where(np.isfinite(found), found, 1e12)


def _exclusive(stage: Stage, link: Link, open: list[Ints]) -> Floats:
    """(the link's clients,): for an open one that alone uses its server, what that server's opening costs."""
    number = link.serving.server
    saved = np.zeros(len(link.clients))
    server = stage.layouts[number]
    rows = link.rows(open[link.serving.client])
    ground = server.ground(rows=[rows])
    standing = stand(ground, ground.open_columns(open[number]))
    slot = standing.slot
    uses = np.bincount(slot[slot >= 0], minlength=len(standing.open))
    own = ground.weights @ ground.opening[:, standing.open]
    mine = slot[ground.demand.count - len(rows.rows) :]
    alone = np.flatnonzero(mine >= 0)
    alone = alone[uses[mine[alone]] == 1]
    saved[rows.rows[alone]] = own[mine[alone]]
    return saved
