"""All units as flat arrays, one unit after the other, with what connects them.

A search moves one unit while the others stand still, and what that unit sees of the others (placement/solve/coupling.py) is
read off these arrays: so thousands of such views cost one call of compiled code.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from placement.arrays import Floats, Ints, Mask
from placement.compiled import Flags, Numbers, Row, Small, Table, part
from placement.solve.entries import Listed, turned
from placement.solve.layout import Layout, Rows, joined, weight_of
from placement.solve.model import Model

OWN = -1
"""In `Board.player`."""


class Board(NamedTuple):
    """All units on their layouts, with what connects them.

    A unit's *players* are its columns and then its fixed candidates. `…_at` say where each unit's part begins.
    """

    weights: Row
    """(tiers,)."""
    player_at: Numbers
    width: Numbers
    """(units,): how many of its players are columns."""
    site: Numbers
    """(players,): the site's row in the problem."""
    opening: Row
    """By unit (tiers, players)."""
    sum_at: Numbers
    amount_at: Numbers
    amounts: Row
    """By unit (sums, columns), the budgets last."""
    low: Row
    high: Row
    weight: Row
    """(sums,)."""
    budget_amounts: Table
    """(budgets, players)."""
    budget_most: Row
    spread_at: Numbers
    domain_at: Numbers
    domain: Numbers
    """By unit (spreads, columns)."""
    inside_at: Numbers
    inside: Numbers
    inside_from: Numbers
    """By unit (spreads + 1,): where each spread begins in the unit's part of `inside`."""
    least: Numbers
    most: Numbers
    each: Numbers
    row_at: Numbers
    start: Numbers
    """By unit (rows + 1,)."""
    entry_at: Numbers
    column: Small
    cost: Row
    floor: Row
    tier: Numbers
    first: Row
    second: Row
    begin_at: Numbers
    begin: Numbers
    """By unit (columns + 1,): where the same entries begin column by column."""
    row: Small
    price: Row
    player: Numbers
    """(rows,): the player that is the client while it is open, or `OWN`."""
    link_server: Numbers
    link_client: Numbers
    link_tier: Numbers
    link_row: Numbers
    """(links,): the server's row of the client's first player."""
    apart_one: Numbers
    apart_other: Numbers


def board_of(model: Model, layouts: Sequence[Layout]) -> Board:
    """The units on these layouts."""
    players = [np.concatenate((one.columns, one.fixed)) for one in layouts]
    player_at = _ends(players)
    demands, clients, link_row = [], [], [0] * len(model.serving)
    for number, one in enumerate(layouts):
        parts, who, size = [one.own], [np.full(len(one.own.tier), OWN)], len(one.own.tier)
        for at, serving in enumerate(model.serving):
            if serving.server == number:
                parts.append(one.demand(Rows(serving.reach, players[serving.client], serving.tier)))
                who.append(np.arange(player_at[serving.client], player_at[serving.client + 1]))
                link_row[at], size = size, size + len(players[serving.client])
        demands.append(joined(parts))
        clients.append(np.concatenate(who))
    budgets = [
        np.concatenate([amounts[mine] for amounts, mine in zip(one.amounts, players, strict=True)])
        for one in model.budgets
    ]
    amounts, lows, highs, sum_weights = [], [], [], []
    for number, one in enumerate(layouts):
        shared = [budget.amounts[number] for budget in model.budgets]
        if not shared:
            amounts.append(one.sums.amounts.ravel())
            lows.append(one.sums.low)
            highs.append(one.sums.high)
            sum_weights.append(one.sums.weight)
            continue
        amounts.append(np.concatenate([one.sums.amounts.ravel(), *(each[one.columns] for each in shared)]))
        lows.append(np.concatenate((one.sums.low, np.full(len(shared), -np.inf))))
        highs.append(np.concatenate((one.sums.high, np.full(len(shared), np.inf))))
        sum_weights.append(np.concatenate((one.sums.weight, [weight_of(each) for each in shared])))
    spreads = [one.spreads for one in layouts]
    by_column = [
        turned(Listed(demand.start, demand.column, demand.cost), columns=len(one.columns))
        for one, demand in zip(layouts, demands, strict=True)
    ]
    return Board(
        weights=layouts[0].weights,
        player_at=player_at,
        width=np.array([len(one.columns) for one in layouts]),
        site=np.concatenate([one.unit.sites[mine] for one, mine in zip(layouts, players, strict=True)]),
        opening=np.concatenate(
            [one.unit.open_cost[:, mine].ravel() for one, mine in zip(layouts, players, strict=True)]
        ),
        sum_at=_ends(lows),
        amount_at=_ends(amounts),
        amounts=np.concatenate(amounts),
        low=np.concatenate(lows),
        high=np.concatenate(highs),
        weight=np.concatenate(sum_weights),
        budget_amounts=np.array(budgets, dtype=np.float64).reshape(len(budgets), int(player_at[-1])),
        budget_most=np.array([one.most for one in model.budgets], dtype=np.float64),
        spread_at=_ends([one.least for one in spreads]),
        domain_at=_ends([one.domain.ravel() for one in spreads]),
        domain=np.concatenate([one.domain.ravel() for one in spreads]),
        inside_at=_ends([one.inside for one in spreads]),
        inside=np.concatenate([one.inside for one in spreads]),
        inside_from=np.concatenate([one.inside_at for one in spreads]),
        least=np.concatenate([one.least for one in spreads]),
        most=np.concatenate([one.most for one in spreads]),
        each=np.concatenate([one.each for one in spreads]),
        row_at=_ends([one.tier for one in demands]),
        start=np.concatenate([one.start for one in demands]),
        entry_at=_ends([one.cost for one in demands]),
        column=np.concatenate([one.column for one in demands]),
        cost=np.concatenate([one.cost for one in demands]),
        floor=np.concatenate([one.floor for one in demands]),
        tier=np.concatenate([one.tier for one in demands]),
        first=np.concatenate([one.first for one in demands]),
        second=np.concatenate([one.second for one in demands]),
        begin_at=_ends([one.start for one in by_column]),
        begin=np.concatenate([one.start for one in by_column]),
        row=np.concatenate([one.column for one in by_column]),
        price=np.concatenate([one.value for one in by_column]),
        player=np.concatenate(clients),
        link_server=np.array([one.server for one in model.serving], dtype=np.int64),
        link_client=np.array([one.client for one in model.serving], dtype=np.int64),
        link_tier=np.array([one.tier for one in model.serving], dtype=np.int64),
        link_row=np.array(link_row, dtype=np.int64),
        apart_one=np.array([one.one for one in model.apart], dtype=np.int64),
        apart_other=np.array([one.other for one in model.apart], dtype=np.int64),
    )


def opened(layouts: Sequence[Layout], open: Sequence[Ints]) -> Mask:
    """(players,): which are open; fixed candidates always are."""
    parts = []
    for one, candidates in zip(layouts, open, strict=True):
        mine = np.zeros(len(one.columns) + len(one.fixed), dtype=bool)
        mine[one.open_columns(candidates)] = True
        mine[len(one.columns) :] = True
        parts.append(mine)
    return np.concatenate(parts)


def order_of(model: Model) -> list[int]:
    """The units, those that are served before those that serve them; of a circle the first first."""
    left = list(range(len(model.units)))
    found: list[int] = []
    while left:
        ready = [
            one
            for one in left
            if not any(
                serving.server == one and serving.client in left and serving.client != one for serving in model.serving
            )
        ]
        found.append((ready or left)[0])
        left.remove(found[-1])
    return found


@part
def columns_open(board: Board, unit: int, open: Flags) -> Numbers:
    """The unit's open columns, ascending."""
    begin = board.player_at[unit]
    return np.nonzero(open[begin : begin + board.width[unit]])[0]


@part
def set_columns(board: Board, unit: int, open: Flags, columns: Numbers) -> None:
    """Has these columns of the unit open, and no others of its columns."""
    begin = board.player_at[unit]
    open[begin : begin + board.width[unit]] = False
    for column in columns:
        open[begin + column] = True


def _ends(parts: Sequence[Ints] | Sequence[Floats]) -> Ints:
    return np.array([0, *itertools.accumulate(map(len, parts))])
