"""What units mean for one another: which candidates they need served, what they share, and where they may not meet.

A search moves one unit while the others stand still. `ground_of` is that unit's view: the open candidates of its client
units are clients of its own, the sites of a unit apart from it are barred, and what the others use of a budget is gone. Once
servers are open, being served by them is part of what opening a candidate costs.

The `Board` holds all units as flat arrays, one unit after the other, so that thousands of such views cost one call.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from placement.arrays import Floats, Ints, Mask
from placement.compiled import Flags, Numbers, Row, Small, Table, kernel, part
from placement.solve.entries import Listed, turned
from placement.solve.evaluation import TOLERANCE
from placement.solve.ground import Ground, numbered, stand
from placement.solve.layout import Layout, Rows, joined, weight_of
from placement.solve.model import Model

ALONE, UNSERVED, WHOLE = 0, 1, 2
"""What a view has of the other units: clients alone; all but who serves the unit; all."""
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


@part
def cheapest_servers(board: Board, link: int, open: Flags) -> Row:
    """(players of the client unit,): what each pays the cheapest open server in reach; infinite without one."""
    unit, client, before = board.link_server[link], board.link_client[link], board.link_row[link]
    players = board.player_at[client + 1] - board.player_at[client]
    found = board.first[board.row_at[unit] + before : board.row_at[unit] + before + players].copy()
    columns, entries, rows, prices = board.begin_at[unit], board.entry_at[unit], board.row, board.price
    for column in range(board.width[unit]):
        if open[board.player_at[unit] + column]:
            for entry in range(entries + board.begin[columns + column], entries + board.begin[columns + column + 1]):
                player = rows[entry] - before
                if 0 <= player < players and prices[entry] < found[player]:
                    found[player] = prices[entry]
    return found


@part
def shared(board: Board, open: Flags) -> Row:
    """(1 + tiers,): what units break together, by being not apart and by budgets."""
    levels = np.zeros(1 + len(board.weights))
    for at in range(len(board.apart_one)):
        one, other = board.apart_one[at], board.apart_other[at]
        for mine in range(board.player_at[one], board.player_at[one + 1]):
            if open[mine] and _meets(board, other, board.site[mine], open):
                levels[0] += 1.0
    for budget in range(len(board.budget_most)):
        have, most = 0.0, board.budget_most[budget]
        for player in range(len(open)):
            if open[player]:
                have += board.budget_amounts[budget, player]
        if have - most > TOLERANCE * max(1.0, abs(most)):
            levels[0] += (have - most) / max(abs(most), 1e-9)
    return levels


@part
def alone(board: Board, unit: int, open: Flags) -> Row:
    """(1 + tiers,): what the unit breaks and costs by itself and as a server; sums of these count nothing twice."""
    return stand(ground_of(board, unit, open, ALONE), columns_open(board, unit, open)).levels


@part
def independent(board: Board, unit: int) -> bool:
    """Whether the unit's ground has nothing of other units but clients: it is served by none and shares nothing."""
    if len(board.budget_most):
        return False
    for at in range(len(board.apart_one)):
        if unit == board.apart_one[at] or unit == board.apart_other[at]:
            return False
    return not (board.link_client == unit).any()


@kernel
def ground_of(board: Board, unit: int, open: Flags, view: int) -> Ground:
    """The unit's ground while the others have these open (fixed players are)."""
    tiers = len(board.weights)
    begin, end, width = board.player_at[unit], board.player_at[unit + 1], board.width[unit]
    opening = board.opening[tiers * begin : tiers * end].reshape(tiers, end - begin)
    barred, levels = np.zeros(width), np.zeros(1 + tiers)
    for tier in range(tiers):
        for player in range(width, end - begin):
            levels[1 + tier] += opening[tier, player]
    opening = opening[:, :width].copy()
    if view == WHOLE:
        for link in range(len(board.link_client)):
            if board.link_client[link] == unit:
                _charge(board, link, open, opening, barred, levels)
    if view != ALONE:
        _bar(board, unit, open, barred, levels)
    sums, more = board.sum_at[unit + 1] - board.sum_at[unit], len(board.budget_most)
    if view == ALONE:
        sums, more = sums - more, 0
    at = board.sum_at[unit]
    high = board.high[at : at + sums]
    if more:
        high = high.copy()
        for budget in range(more):
            high[sums - more + budget] = _left(board, unit, budget, open)
    amounts = board.amounts[board.amount_at[unit] : board.amount_at[unit] + sums * width].reshape(sums, width)
    spread, spreads = board.spread_at[unit], board.spread_at[unit + 1] - board.spread_at[unit]
    row, end_row = board.row_at[unit], board.row_at[unit + 1]
    entry, end_entry = board.entry_at[unit], board.entry_at[unit + 1]
    clients = _clients(board, unit, open)
    return Ground(
        opening,
        barred,
        amounts,
        board.low[at : at + sums],
        high,
        board.weight[at : at + sums],
        board.domain[board.domain_at[unit] : board.domain_at[unit + 1]].reshape(spreads, width),
        board.inside[board.inside_at[unit] : board.inside_at[unit + 1]],
        board.inside_from[spread + unit : spread + unit + spreads + 1],
        board.least[spread : spread + spreads],
        board.most[spread : spread + spreads],
        board.each[spread : spread + spreads],
        clients,
        numbered(clients, end_row - row),
        board.start[row + unit : end_row + unit + 1],
        board.column[entry:end_entry],
        board.cost[entry:end_entry],
        board.floor[row:end_row],
        board.tier[row:end_row],
        board.first[row:end_row],
        board.second[row:end_row],
        board.begin[board.begin_at[unit] : board.begin_at[unit + 1]],
        board.row[entry:end_entry],
        board.price[entry:end_entry],
        levels,
        board.weights,
    )


@part
def _clients(board: Board, unit: int, open: Flags) -> Numbers:
    """The unit's rows that are clients now: its own, and those of open players of other units."""
    begin, count = board.row_at[unit], board.row_at[unit + 1] - board.row_at[unit]
    mine, end = board.player_at[unit], board.player_at[unit + 1]
    found, size = np.empty(count, dtype=np.int64), 0
    for row in range(count):
        player = board.player[begin + row]
        if player == OWN or (open[player] and not mine <= player < end):
            found[size] = row
            size += 1
    return found[:size].copy()


@part
def _charge(board: Board, link: int, open: Flags, opening: Table, barred: Row, levels: Row) -> None:
    """Adds what being served costs each player of the client unit, and where nobody serves it."""
    unit, tier = board.link_client[link], board.link_tier[link]
    costs = cheapest_servers(board, link, open)
    for player in range(len(costs)):
        cost = costs[player]
        column = player < board.width[unit]
        if cost < np.inf:
            if column:
                opening[tier, player] += cost
            else:
                levels[1 + tier] += cost
        elif column:
            barred[player] += 1.0
        else:
            levels[0] += 1.0


@part
def _bar(board: Board, unit: int, open: Flags, barred: Row, levels: Row) -> None:
    """Adds where a unit that is apart from this one is."""
    begin = board.player_at[unit]
    for at in range(len(board.apart_one)):
        if unit != board.apart_one[at] and unit != board.apart_other[at]:
            continue
        there = board.apart_other[at] if unit == board.apart_one[at] else board.apart_one[at]
        if there == unit:
            continue
        for player in range(board.player_at[unit + 1] - begin):
            if _meets(board, there, board.site[begin + player], open):
                if player < board.width[unit]:
                    barred[player] += 1.0
                else:
                    levels[0] += 1.0


@part
def _meets(board: Board, unit: int, site: int, open: Flags) -> bool:
    """Whether the unit is open at a site."""
    for player in range(board.player_at[unit], board.player_at[unit + 1]):
        if open[player] and board.site[player] == site:
            return True
    return False


@part
def _left(board: Board, unit: int, budget: int, open: Flags) -> float:
    """What the other units and the unit's fixed candidates leave of a budget."""
    left = board.budget_most[budget]
    columns = board.player_at[unit], board.player_at[unit] + board.width[unit]
    for player in range(len(open)):
        if open[player] and not columns[0] <= player < columns[1]:
            left -= board.budget_amounts[budget, player]
    return float(left)


def _ends(parts: Sequence[Ints] | Sequence[Floats]) -> Ints:
    return np.array([0, *itertools.accumulate(map(len, parts))])
