"""What units mean for one another: which candidates they need served, what they share, and where they may not meet.

A search moves one unit while the others stand still. `ground_of` is that unit's view: the open candidates of its client
units are clients of its own, the sites of a unit apart from it are barred, and what the others use of a budget is gone. Once
servers are open, being served by them is part of what opening a candidate costs. All of it is read off the `Board`.
"""

from __future__ import annotations

import numpy as np

from placement.compiled import Flags, Numbers, Row, Table, kernel, part
from placement.solve.board import OWN, Board, columns_open
from placement.solve.evaluation import TOLERANCE
from placement.solve.ground import Ground, numbered, stand

ALONE, UNSERVED, WHOLE = 0, 1, 2
"""What a view has of the other units: clients alone; all but who serves the unit; all."""


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
