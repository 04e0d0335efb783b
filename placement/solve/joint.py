"""Units moved together: alternatives of one unit, each judged by what the units around it become.

Unit by unit, a site is good or bad with the others as they stand. A better site whose servers would have to move looks bad,
and a server that could be spared if those it serves moved a little looks needed. So each unit that is served is given
alternatives: its best moves if it were served as cheaply as it could be; the units that serve it are solved anew. And each
server is given some that leave others unserved; these are searched anew too, and move to where it is. The whole is
compared each time. How many are tried is limited, for each costs a few searches.
"""

from __future__ import annotations

import numpy as np

from placement.borrowing import borrowed
from placement.compiled import Flags, Numbers, Row, Table, kernel, part
from placement.solve.board import OWN, Board, columns_open, set_columns
from placement.solve.coupling import UNSERVED, WHOLE, alone, cheapest_servers, ground_of, independent, shared
from placement.solve.greedy import greedy
from placement.solve.ground import Ground, Standing, less, numbered, stand
from placement.solve.local import search
from placement.solve.moves import Moves, after_move, all_ranked, moves

TRIES = 8
"""Alternatives of one unit that are tried before the next unit's turn."""
HOPE = 0.005
"""Of the whole cost: an alternative that would cost so much more, if its servers were what suits it, is not tried."""
PRICE = 0.1
"""Of the mean cost of opening: what a client left unserved is taken to cost, which will be moved."""
SWEEPS = 4
"""Times that all units are searched in turn."""
_FAR = 1e12
"""What being served costs where nothing is in reach."""


@kernel
def searched(board: Board, order: Numbers, open: Flags, anew: bool, rounds: int, most: int) -> tuple[Flags, int]:
    """Each unit searched for those before it, then all beside each other, with at most so many alternatives tried.

    order: the units, each after those that it serves. `open` says which players are to begin with, and is not changed; the
    fixed always are. anew: whether each unit begins with a greedy choice, and not with what is open. What is open in the
    end, and the steps made.
    """
    board = borrowed(board)
    open, steps = open.copy(), 0
    for unit in order:
        ground = ground_of(board, unit, open, UNSERVED)
        found = search(ground, greedy(ground) if anew else columns_open(board, unit, open), rounds, True)
        steps += found.steps
        set_columns(board, unit, open, found.open)
    if len(order) > 1:
        steps += _together(board, order, open, rounds, most, False)
    return open, steps


@kernel
def settled(board: Board, order: Numbers, open: Flags, rounds: int, most: int) -> tuple[Flags, int]:
    """The units searched from what is open, which keeps everything, each beside the others as they stand: never for more.

    As `searched`, but that nothing is begun anew.
    """
    board = borrowed(board)
    open = open.copy()
    steps = _together(board, order, open, rounds, most, True)
    return open, steps


@part
def _together(board: Board, order: Numbers, open: Flags, rounds: int, most: int, merging: bool) -> int:
    """Searches the units beside each other, with at most so many alternatives tried; the steps made."""
    steps = _settle(board, order, open, rounds, merging)
    if most and len(board.link_server):
        moved, made = _joint(board, order, open, most, rounds)
        steps += made
        if moved:
            steps += _settle(board, order, open, rounds, True)
    return steps


@part
def _settle(board: Board, order: Numbers, open: Flags, rounds: int, merging: bool) -> int:
    """Searches the units in turn, each beside the others as they stand, until none moves; the steps made."""
    steps, still = 0, 0
    for _ in range(SWEEPS):
        for unit in order:
            before = columns_open(board, unit, open)
            found = search(ground_of(board, unit, open, WHOLE), before, rounds, merging)
            steps += found.steps
            still = still + 1 if np.array_equal(before, found.open) else 0
            set_columns(board, unit, open, found.open)
            if still >= len(order):
                return steps
    return steps


@part
def _joint(board: Board, order: Numbers, open: Flags, most: int, rounds: int) -> tuple[bool, int]:
    """Tries at most so many alternatives and has `open` be the best; whether it moved, and the steps made."""
    units = len(board.width)
    parts = np.empty((units, 1 + len(board.weights)))
    for unit in range(units):
        parts[unit] = alone(board, unit, open)
    levels = shared(board, open) + parts.sum(axis=0)
    turns, clients = _turns(board, order)
    tried, count = np.empty(most, dtype=np.uint64), 0
    steps, moved_ever, moved = 0, False, True
    while moved and count < most:
        moved = False
        for turn in range(len(turns)):
            unit, down = turns[turn], turn < clients
            whole = 0.0
            for tier in range(len(board.weights)):
                whole += board.weights[tier] * parts[:, 1 + tier].sum()
            choices, ends = _alternatives(board, unit, open, whole) if down else _fewer(board, unit, open, whole)
            for at in range(len(ends) - 1):
                choice = choices[ends[at] : ends[at + 1]]
                key = _key(unit, open, choice)
                if count >= most or (tried[:count] == key).any():
                    continue
                tried[count] = key
                count += 1
                after, renewed = open.copy(), parts.copy()
                set_columns(board, unit, after, choice)
                if down:
                    steps += _followed(board, order, unit, after, renewed, rounds)
                else:
                    steps += _led(board, order, unit, after, renewed, rounds)
                reached = shared(board, after) + renewed.sum(axis=0)
                if less(reached, levels):
                    open[:] = after
                    parts, levels, moved, moved_ever = renewed, reached, True, True
                    break
    return moved_ever, steps


@part
def _turns(board: Board, order: Numbers) -> tuple[Numbers, int]:
    """The units that are served, in their order, and after them those that serve; how many are served."""
    found, count, clients = np.empty(2 * len(order), dtype=np.int64), 0, 0
    for serving in range(2):
        for unit in order:
            for link in range(len(board.link_server)):
                if unit == (board.link_server[link] if serving else board.link_client[link]):
                    found[count] = unit
                    count += 1
                    break
        if not serving:
            clients = count
    return found[:count].copy(), clients


@part
def _followed(board: Board, order: Numbers, unit: int, open: Flags, parts: Table, rounds: int) -> int:
    """Has the units that serve one anew, and those that serve them; with `parts` what each then costs alone. The steps."""
    steps = 1
    touched = np.zeros(len(board.width), dtype=np.bool_)
    touched[unit] = True
    for one in order[_place(order, unit) + 1 :]:
        concerned = False
        for link in range(len(board.link_server)):
            concerned |= board.link_server[link] == one and touched[board.link_client[link]]
        if not concerned:
            continue
        found = search(ground_of(board, one, open, WHOLE), columns_open(board, one, open), rounds, False)
        steps += found.steps
        set_columns(board, one, open, found.open)
        if independent(board, one):
            parts[one] = found.levels
        else:
            touched[one] = True
    for one in range(len(touched)):
        if touched[one]:
            parts[one] = alone(board, one, open)
    return steps


@part
def _led(board: Board, order: Numbers, unit: int, open: Flags, parts: Table, rounds: int) -> int:
    """Has the units that a server serves move to where it is, and all servers anew; as `_followed`."""
    steps, place = 1, _place(order, unit)
    touched = np.zeros(len(board.width), dtype=np.bool_)
    touched[unit] = True
    for turn in range(place + len(order)):
        one = order[place - 1 - turn] if turn < place else order[turn - place]
        concerned = False
        for link in range(len(board.link_server)):
            server, client = board.link_server[link], board.link_client[link]
            concerned |= one in (server, client) and (touched[server] or touched[client])
        if not concerned:
            continue
        found = search(ground_of(board, one, open, WHOLE), columns_open(board, one, open), rounds, False)
        steps += found.steps
        set_columns(board, one, open, found.open)
        touched[one] = True
    for one in range(len(touched)):
        if touched[one]:
            parts[one] = alone(board, one, open)
    return steps


@part
def _fewer(board: Board, unit: int, open: Flags, whole: float) -> tuple[Numbers, Numbers]:
    """A server's columns after moves that would leave some of what it serves unserved; see `_best`."""
    ground = ground_of(board, unit, open, WHOLE)
    standing = stand(ground, columns_open(board, unit, open))
    table = moves(ground, standing, True)
    price, rows, columns = 0.0, len(table.merit), table.merit.shape[1]
    for column in range(columns - 1):
        own = 0.0
        for tier in range(len(ground.weights)):
            own += ground.weights[tier] * ground.opening[tier, column]
        price += abs(own)
    price *= PRICE / max(columns - 1, 1)
    hope = np.full((rows, columns), np.inf)
    for row in range(rows):
        for column in range(columns):
            broken = table.broken[row, column]
            if 0.5 < broken < np.inf:
                figure = price * broken
                for tier in range(len(ground.weights)):
                    figure += ground.weights[tier] * table.cost[tier, row, column]
                hope[row, column] = figure
    return _best(standing, table, hope, whole)


@part
def _alternatives(board: Board, unit: int, open: Flags, whole: float) -> tuple[Numbers, Numbers]:
    """The unit's columns after its best moves, if its servers were what suits them; see `_best`."""
    ground = ground_of(board, unit, open, UNSERVED)
    standing = stand(ground, columns_open(board, unit, open))
    table = moves(ground, standing, True)
    costs, saved = np.zeros(len(ground.barred)), np.zeros(len(ground.barred))
    for link in range(len(board.link_client)):
        if board.link_client[link] == unit:
            _add_served(board, link, open, costs)
            _add_exclusive(board, link, open, saved)
    all_ranked(table)
    hope = table.merit.copy()
    for row in range(len(hope)):
        less = 0.0
        if row:
            dropped = standing.open[table.drops[row - 1]]
            less = costs[dropped] + saved[dropped]
        hope[row, 0] -= less
        for column in range(len(costs)):
            hope[row, column + 1] += costs[column] - less
    hope[0, 0] = np.inf
    return _best(standing, table, hope, whole)


@part
def _best(standing: Standing, table: Moves, hope: Table, whole: float) -> tuple[Numbers, Numbers]:
    """The open columns after the moves with the least hope, best first, but for those that are hopeless.

    They come one after the other, with where each begins.
    """
    rows, columns = np.full(TRIES, -1, dtype=np.int64), np.full(TRIES, -1, dtype=np.int64)
    figures, count = np.full(TRIES, np.inf), 0
    most = HOPE * whole
    for row in range(len(hope)):
        for column in range(hope.shape[1]):
            figure = hope[row, column]
            if figure > most or (count == TRIES and figure >= figures[TRIES - 1]):
                continue
            at = min(count, TRIES - 1)
            while at and figures[at - 1] > figure:
                rows[at], columns[at], figures[at] = rows[at - 1], columns[at - 1], figures[at - 1]
                at -= 1
            rows[at], columns[at], figures[at] = row, column, figure
            count = min(count + 1, TRIES)
    found = np.empty(count * (len(standing.open) + 1), dtype=np.int64)
    ends = np.zeros(count + 1, dtype=np.int64)
    for at in range(count):
        after = after_move(standing, table, rows[at], columns[at])
        ends[at + 1] = ends[at] + len(after)
        found[ends[at] : ends[at + 1]] = after
    return found, ends


@part
def _add_served(board: Board, link: int, open: Flags, costs: Row) -> None:
    """Adds what being served costs each column of the client: by an open server, or with one that is opened for it."""
    unit, client = board.link_server[link], board.link_client[link]
    weight, tiers = board.weights[board.link_tier[link]], len(board.weights)
    begin, players = board.player_at[unit], board.player_at[unit + 1] - board.player_at[unit]
    own = np.zeros(players)
    for tier in range(tiers):
        for player in range(players):
            own[player] += board.weights[tier] * board.opening[tiers * begin + tier * players + player]
    entries, cheapest_open = board.entry_at[unit], cheapest_servers(board, link, open)
    for column in range(board.width[client]):
        cost = cheapest_open[column]
        if cost < np.inf:
            costs[column] += weight * cost
            continue
        row = board.row_at[unit] + board.link_row[link] + column
        cheapest = _FAR
        for entry in range(entries + board.start[row + unit], entries + board.start[row + unit + 1]):
            cheapest = min(cheapest, own[board.column[entry]] + weight * board.cost[entry])
        costs[column] += cheapest


@part
def _add_exclusive(board: Board, link: int, open: Flags, saved: Row) -> None:
    """Adds, for an open column of the client that alone uses its server, what that server's opening costs."""
    unit, client = board.link_server[link], board.link_client[link]
    ground = _ground_of_link(board, link, open)
    standing = stand(ground, columns_open(board, unit, open))
    uses = np.zeros(len(standing.open), dtype=np.int64)
    for slot in standing.slot:
        if slot >= 0:
            uses[slot] += 1
    for at in range(len(ground.rows)):
        player = ground.rows[at] - board.link_row[link]
        slot = standing.slot[at]
        mine = board.player[board.row_at[unit] + ground.rows[at]] != OWN and 0 <= player < board.width[client]
        if mine and slot >= 0 and uses[slot] == 1:
            for tier in range(len(board.weights)):
                saved[player] += board.weights[tier] * ground.opening[tier, standing.open[slot]]


@part
def _ground_of_link(board: Board, link: int, open: Flags) -> Ground:
    """The server's ground with its own clients and those of one link."""
    unit, client = board.link_server[link], board.link_client[link]
    ground = ground_of(board, unit, open, UNSERVED)
    rows, count = np.empty(len(ground.rows), dtype=np.int64), 0
    begin, end = board.link_row[link], board.link_row[link] + board.player_at[client + 1] - board.player_at[client]
    for row in ground.rows:
        if begin <= row < end or board.player[board.row_at[unit] + row] == OWN:
            rows[count] = row
            count += 1
    clients = rows[:count].copy()
    return Ground(
        ground.opening,
        ground.barred,
        ground.amounts,
        ground.low,
        ground.high,
        ground.weight,
        ground.domain,
        ground.inside,
        ground.inside_at,
        ground.least,
        ground.most,
        ground.each,
        clients,
        numbered(clients, len(ground.client)),
        ground.start,
        ground.column,
        ground.cost,
        ground.floor,
        ground.tier,
        ground.first,
        ground.second,
        ground.begin,
        ground.row,
        ground.price,
        ground.fixed_levels,
        ground.weights,
    )


@part
def _key(unit: int, open: Flags, choice: Numbers) -> np.uint64:
    """A hash of what is open and what one unit is to have open in its place (FNV-1a, 64 bits)."""
    prime = np.uint64(1099511628211)
    found = np.uint64(14695981039346656037)
    for player in range(len(open)):
        if open[player]:
            found = (found ^ np.uint64(player)) * prime
    found = (found ^ np.uint64(len(open) + unit)) * prime
    for column in choice:
        found = (found ^ np.uint64(column)) * prime
    return found


@part
def _place(order: Numbers, unit: int) -> int:
    return int(np.nonzero(order == unit)[0][0])
