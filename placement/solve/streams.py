"""What serving in steps costs, told to HiGHS a little at a time.

Whoever is served by a front end that is served by an API that is served by a database needs all three. A relaxation opens
each of ten front ends to a tenth, and a tenth of an API then does for all of them. But a client's demand is a stream of
size 1 that runs from it through front ends, APIs and databases in reach of each other, through each to the part that is
open and no more. So for every cut of those ways, a set of candidates without which no way is left,

    sum over the cut of y(j) >= 1

holds, and for the ways through front ends that cost the client less than c

    t >= (c - c1) (1 - sum over the cut of y(j))

with t for what it costs beyond the cheapest, c1. Both are Benders cuts of a location problem of several levels, and with
them the relaxation is mostly whole by itself. There are too many to be told at once: where an answer has no such stream, its
least cut is one that it breaks. Candidates that the answer leaves closed may be cut wherever it suits: there, where it is
least likely that they are opened.

A unit that is served by two others that do not serve each other is two chains, each with cuts of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from placement.arrays import Floats, Ints
from placement.compiled import Flags, Numbers, Row, kernel, part
from placement.solve.ladders import Rows
from placement.solve.model import Model
from placement.solve.program import Program

MAX_CHAINS = 12
"""Of servings, one after the other; what is beyond is told by other rows alone."""
OPEN = 1e-9
"""A candidate that is open to less is closed."""
BROKEN = 1e-5
"""A row that is broken by more is told: as a part of a stream, and of the client's span of costs."""
LIKELY = 0.02
"""Of the mean reduced cost: added to each, so that those at 0 weigh much and not all."""


class Ways(NamedTuple):
    """The ways from clients through a chain of units. Nodes are the units' candidates, one unit after the other."""

    level: Numbers
    """(nodes,): the place of its unit in the chain."""
    begin: Numbers
    """(nodes + 1,): where each node's next ones begin."""
    next: Numbers
    """Nodes of the next unit in reach."""
    client_begin: Numbers
    """(clients + 1,)"""
    client_node: Numbers
    """The nodes of the first unit in reach of each client, the cheapest first."""
    client_cost: Row
    """What they cost it beyond its cheapest, as a part of its span."""


@dataclass(frozen=True, slots=True)
class Chain:
    """Units that serve one another, from one with clients to one that nobody else serves."""

    ways: Ways
    column: Ints
    """(nodes,): of the program."""
    extra: Ints
    """(clients,): the column of what serving costs beyond the cheapest; -1: it does not differ, or is not told."""

    def broken(self, values: Floats, reduced: Floats) -> Rows | None:
        """Rows that these values of the columns break, of each client at most one of either kind."""
        opened = np.clip(values[self.column], 0.0, 1.0)
        pays = np.where(self.extra >= 0, values[self.extra], np.inf)
        scale = np.abs(reduced[self.column])
        mean = float(scale.mean()) if len(scale) else 0.0
        likely = 1.0 / (scale + LIKELY * mean) if mean > 0.0 else np.ones(len(scale))
        row, node, amount, least, client = cuts(self.ways, opened, likely, pays)
        if not len(least):
            return None
        paid = np.flatnonzero(client >= 0)
        matrix = csr_array(
            (
                np.append(amount, np.ones(len(paid))),
                (np.append(row, paid), np.append(self.column[node], self.extra[client[paid]])),
            ),
            shape=(len(least), len(values)),
        )
        return Rows(matrix, least, np.full(len(least), np.inf))


def chains_of(model: Model, rows: Program) -> list[Chain]:
    """The chains of a model over the candidates that have columns; none where nobody serves another."""
    if not model.serving:
        return []
    found: list[Chain] = []
    place = _places(model, rows)
    for number, unit in enumerate(model.units):
        if unit.clients is None or not unit.clients.count:
            continue
        for chain in _from(model, number):
            if len(chain) and len(found) < MAX_CHAINS:
                found.append(_chain(model, number, chain, place, rows.extras[number]))
    return found


def _from(model: Model, number: int) -> list[tuple[int, ...]]:
    """Places in `model.serving`, one after the other, from a unit on, as far as they go; no unit twice."""
    ended: list[tuple[int, ...]] = []
    going: list[tuple[tuple[int, ...], tuple[int, ...]]] = [((), (number,))]
    while going and len(ended) < MAX_CHAINS:
        servings, units = going.pop(0)
        after = [
            (at, one.server)
            for at, one in enumerate(model.serving)
            if one.client == units[-1] and one.server not in units
        ]
        if not after:
            ended.append(servings)
        going += [((*servings, at), (*units, server)) for at, server in after]
    return ended


def _places(model: Model, rows: Program) -> list[Ints]:
    """By unit: (candidates,) the column; -1: it has none."""
    found, start = [], 0
    for unit, kept in zip(model.units, rows.among, strict=True):
        place = np.full(unit.count, -1, dtype=np.int64)
        place[kept] = start + np.arange(len(kept))
        start += len(kept)
        found.append(place)
    return found


def _chain(model: Model, number: int, servings: tuple[int, ...], place: list[Ints], extra: Ints) -> Chain:
    units = [number, *(model.serving[one].server for one in servings)]
    kept = [np.flatnonzero(place[one] >= 0) for one in units]
    sizes = np.array([len(one) for one in kept])
    ends = np.cumsum(sizes)
    node = []
    for unit, mine, end in zip(units, kept, ends.tolist(), strict=True):
        numbers = np.full(model.units[unit].count, -1, dtype=np.int64)
        numbers[mine] = end - len(mine) + np.arange(len(mine))
        node.append(numbers)
    lengths, following = [], []
    for at, serving in enumerate(servings):
        matrix = model.serving[serving].reach
        owner = node[at][np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))]
        other = node[at + 1][matrix.indices]
        there = (owner >= 0) & (other >= 0)
        following.append(other[there])
        lengths.append(np.bincount(owner[there] - (ends[at] - sizes[at]), minlength=int(sizes[at])))
    lengths.append(np.zeros(int(sizes[-1]), dtype=np.int64))
    clients = model.units[number].clients
    assert clients is not None, "chains begin at units with clients"
    begin, nodes, cost = _clients(clients.cost, node[0])
    ways = Ways(
        level=np.repeat(np.arange(len(units)), sizes),
        begin=np.concatenate(([0], np.cumsum(np.concatenate(lengths)))).astype(np.int64),
        next=np.concatenate(following).astype(np.int64),
        client_begin=begin,
        client_node=nodes,
        client_cost=cost,
    )
    column = np.concatenate([place[unit][mine] for unit, mine in zip(units, kept, strict=True)])
    return Chain(ways, column, extra)


def _clients(cost: csr_array, node: Ints) -> tuple[Ints, Ints, Floats]:
    """Where each client's nodes begin, the nodes, and what they cost as a part of the client's span; the cheapest first."""
    client = np.repeat(np.arange(cost.shape[0]), np.diff(cost.indptr))
    nodes = node[cost.indices]
    there = nodes >= 0
    client, nodes, prices = client[there], nodes[there], cost.data[there].astype(np.float64)
    order = np.lexsort((nodes, prices, client))
    client, nodes, prices = client[order], nodes[order], prices[order]
    begin = np.concatenate(([0], np.cumsum(np.bincount(client, minlength=cost.shape[0])))).astype(np.int64)
    some = np.flatnonzero(np.diff(begin))
    low, high = np.zeros(cost.shape[0]), np.zeros(cost.shape[0])
    low[some], high[some] = prices[begin[some]], prices[begin[some + 1] - 1]
    span = high - low
    span[span <= 0.0] = 1.0
    return begin, nodes, (prices - low[client]) / span[client]


class Stream(NamedTuple):
    """The open nodes, and what runs through them."""

    node: Numbers
    """(open,)"""
    number: Numbers
    """(nodes,): its number among the open ones; -1: it is closed."""
    begin: Numbers
    next: Numbers
    """By open node: open nodes after it."""
    back_begin: Numbers
    back: Numbers
    back_arc: Numbers
    """By open node: open nodes before it, and the place of the arc between them."""
    through: Row
    """(open,): what runs through each."""
    along: Row
    """(arcs,)"""
    entered: Flags
    left: Flags
    """(open,): whether more could come to the node; whether more could leave it."""
    queue: Numbers
    came: Numbers
    """Of a search: its states, and from which each was reached; 2n: at the node, 2n + 1: behind it."""


@kernel
def cuts(ways: Ways, opened: Row, likely: Row, pays: Row) -> tuple[Numbers, Numbers, Row, Row, Numbers]:
    """Rows that are broken: of each entry its row, node and amount; of each row the least, and whose cost is in it or -1.

    opened: (nodes,) to what part each is open.
    likely: (nodes,) the greater, the likelier it is that a closed node is opened.
    pays: (clients,) what each pays beyond its cheapest, as a part of its span.
    """
    clients, nodes = len(ways.client_begin) - 1, len(opened)
    stream = _stream(ways, opened)
    price = _prices(ways, opened, likely)
    order = np.argsort(-likely, kind="mergesort")
    whose = np.full(2 * clients, -1, dtype=np.int64)
    least = np.zeros(2 * clients)
    row = np.empty(1024, dtype=np.int64)
    node = np.empty(1024, dtype=np.int64)
    amount = np.empty(1024)
    coefficient, reached = np.zeros(nodes), np.zeros(nodes, dtype=np.bool_)
    inside = np.zeros(nodes, dtype=np.bool_)
    rows, entries = 0, 0
    for client in range(clients):
        first, end = ways.client_begin[client], ways.client_begin[client + 1]
        flow, due = _run(ways, stream, opened, client)
        for kind in range(2):
            if kind == 0:
                if flow >= 1.0 - BROKEN:
                    continue
                for at in range(first, end):
                    inside[ways.client_node[at]] = True
                _cut(ways, stream, opened, likely, price, order, inside, reached, coefficient, 1.0)
                total = 1.0
            else:
                if due <= pays[client] + BROKEN:
                    continue
                total = _priced(ways, stream, opened, likely, price, order, inside, reached, coefficient, client)
            for at in range(first, end):
                inside[ways.client_node[at]] = False
            have = pays[client] if kind else 0.0
            for one in range(nodes):
                have += coefficient[one] * opened[one]
            if have < total - BROKEN:
                if entries + nodes > len(row):
                    size = 2 * (entries + nodes)
                    row, node, amount = _longer(row, size), _longer(node, size), _longer_row(amount, size)
                for one in range(nodes):
                    if coefficient[one] > 0.0:
                        row[entries], node[entries], amount[entries] = rows, one, coefficient[one]
                        entries += 1
                least[rows] = total
                whose[rows] = client if kind else -1
                rows += 1
            coefficient[:] = 0.0
    return (
        row[:entries].copy(),
        node[:entries].copy(),
        amount[:entries].copy(),
        least[:rows].copy(),
        whose[:rows].copy(),
    )


@part
def _last(ways: Ways) -> int:
    """The place of the last unit."""
    last: int = ways.level[len(ways.level) - 1]
    return last


@part
def _longer(numbers: Numbers, size: int) -> Numbers:
    found = np.empty(size, dtype=np.int64)
    found[: len(numbers)] = numbers
    return found


@part
def _longer_row(figures: Row, size: int) -> Row:
    found = np.empty(size)
    found[: len(figures)] = figures
    return found


@part
def _stream(ways: Ways, opened: Row) -> Stream:
    """The open nodes; nothing runs."""
    node = np.nonzero(opened > OPEN)[0]
    number = np.full(len(opened), -1, dtype=np.int64)
    for at in range(len(node)):
        number[node[at]] = at
    begin = np.zeros(len(node) + 1, dtype=np.int64)
    back_begin = np.zeros(len(node) + 1, dtype=np.int64)
    for at in range(len(node)):
        begin[at + 1] = begin[at]
        for entry in range(ways.begin[node[at]], ways.begin[node[at] + 1]):
            other = number[ways.next[entry]]
            if other >= 0:
                begin[at + 1] += 1
                back_begin[other + 1] += 1
    for at in range(len(node)):
        back_begin[at + 1] += back_begin[at]
    arcs = begin[len(node)]
    following = np.empty(arcs, dtype=np.int64)
    back, back_arc = np.empty(arcs, dtype=np.int64), np.empty(arcs, dtype=np.int64)
    free = back_begin[:-1].copy()
    arc = 0
    for at in range(len(node)):
        for entry in range(ways.begin[node[at]], ways.begin[node[at] + 1]):
            other = number[ways.next[entry]]
            if other >= 0:
                following[arc] = other
                back[free[other]], back_arc[free[other]] = at, arc
                free[other] += 1
                arc += 1
    return Stream(
        node,
        number,
        begin,
        following,
        back_begin,
        back,
        back_arc,
        np.zeros(len(node)),
        np.zeros(arcs),
        np.zeros(len(node), dtype=np.bool_),
        np.zeros(len(node), dtype=np.bool_),
        np.zeros(2 * len(node), dtype=np.int64),
        np.zeros(2 * len(node), dtype=np.int64),
    )


@part
def _prices(ways: Ways, opened: Row, likely: Row) -> Row:
    """(nodes,): what it takes to cut all ways through a closed node: there, or at all that follow."""
    price = likely.copy()
    for node in range(len(opened) - 1, -1, -1):
        if ways.level[node] == _last(ways):
            continue
        total = 0.0
        for entry in range(ways.begin[node], ways.begin[node + 1]):
            total += price[ways.next[entry]]
        price[node] = min(price[node], total)
    return price


@part
def _run(ways: Ways, stream: Stream, opened: Row, client: int) -> tuple[float, float]:
    """As much of a client's stream as has a way, through the cheapest nodes first.

    With it what the client has to pay at least, as a part of its span: what has no way pays for the dearest open one.
    """
    stream.through[:] = 0.0
    stream.along[:] = 0.0
    flow, due, before = 0.0, 0.0, 0.0
    first, end = ways.client_begin[client], ways.client_begin[client + 1]
    at = first
    while at < end and flow < 1.0 - OPEN:
        cost = ways.client_cost[at]
        number = stream.number[ways.client_node[at]]
        if number >= 0:
            due += (cost - before) * (1.0 - flow)
            before = cost
            flow += _more(ways, stream, opened, number, 1.0 - flow)
        at += 1
    return flow, due


@part
def _more(ways: Ways, stream: Stream, opened: Row, source: int, wanted: float) -> float:
    """What more runs from a node, at most as much as is wanted: by shortest ways, again and again."""
    total = 0.0
    while total < wanted - OPEN:
        end = _search(ways, stream, opened, source)
        if end < 0:
            break
        room = wanted - total
        state = end
        while state != 2 * source:
            from_state = stream.came[state]
            one, other = from_state // 2, state // 2
            if one == other:
                if state % 2:
                    room = min(room, opened[stream.node[one]] - stream.through[one])
                else:
                    room = min(room, stream.through[one])
            elif not from_state % 2:
                room = min(room, stream.along[_arc(stream, other, one)])
            state = from_state
        state = end
        while state != 2 * source:
            from_state = stream.came[state]
            one, other = from_state // 2, state // 2
            if one == other:
                stream.through[one] += room if state % 2 else -room
            elif from_state % 2:
                stream.along[_arc(stream, one, other)] += room
            else:
                stream.along[_arc(stream, other, one)] -= room
            state = from_state
        total += room
    return total


@part
def _arc(stream: Stream, one: int, other: int) -> int:
    """The place of the arc from one open node to another."""
    for arc in range(stream.begin[one], stream.begin[one + 1]):
        if stream.next[arc] == other:
            return arc
    return -1


@part
def _search(ways: Ways, stream: Stream, opened: Row, source: int) -> int:
    """The state behind a node of the last unit to which more can run from the source; -1: nothing can."""
    stream.came[:] = -1
    begin, end, found = 0, 1, -1
    stream.queue[0] = 2 * source
    stream.came[2 * source] = 2 * source
    while begin < end:
        state = stream.queue[begin]
        begin += 1
        at = state // 2
        if state % 2:
            if ways.level[stream.node[at]] == _last(ways):
                found = state
                break
            for arc in range(stream.begin[at], stream.begin[at + 1]):
                after = 2 * stream.next[arc]
                if stream.came[after] < 0:
                    stream.came[after] = state
                    stream.queue[end] = after
                    end += 1
            after, may = 2 * at, stream.through[at] > OPEN
        else:
            for entry in range(stream.back_begin[at], stream.back_begin[at + 1]):
                after = 2 * stream.back[entry] + 1
                if stream.along[stream.back_arc[entry]] > OPEN and stream.came[after] < 0:
                    stream.came[after] = state
                    stream.queue[end] = after
                    end += 1
            after, may = 2 * at + 1, stream.through[at] < opened[stream.node[at]] - OPEN
        if may and stream.came[after] < 0:
            stream.came[after] = state
            stream.queue[end] = after
            end += 1
    return found


@part
def _mark(ways: Ways, stream: Stream, opened: Row, inside: Flags) -> None:
    """Marks the open nodes that more could come to and leave, from the first nodes that are inside."""
    stream.entered[:] = False
    stream.left[:] = False
    for at in range(len(stream.node)):
        node = stream.node[at]
        if ways.level[node] > 0:
            break
        if inside[node] and not stream.entered[at]:
            _search(ways, stream, opened, at)
            for one in range(len(stream.node)):
                stream.entered[one] |= stream.came[2 * one] >= 0
                stream.left[one] |= stream.came[2 * one + 1] >= 0


@part
def _cut(
    ways: Ways,
    stream: Stream,
    opened: Row,
    likely: Row,
    price: Row,
    order: Numbers,
    inside: Flags,
    reached: Flags,
    coefficient: Row,
    amount: float,
) -> None:
    """Adds an amount to the coefficients of a least cut of the ways from the first nodes that are inside."""
    _mark(ways, stream, opened, inside)
    reached[:] = False
    for at in range(len(stream.node)):
        if stream.left[at]:
            for entry in range(ways.begin[stream.node[at]], ways.begin[stream.node[at] + 1]):
                reached[ways.next[entry]] = True
    for node in range(len(opened)):
        if ways.level[node] == 0 and inside[node]:
            reached[node] = True
    for level in range(_last(ways) + 1):
        for place in range(len(order)):
            node = order[place]
            if ways.level[node] != level or not reached[node]:
                continue
            at = stream.number[node]
            if level < _last(ways) and at >= 0 and stream.left[at]:
                continue
            if level == _last(ways) or at >= 0 or not _passes(ways, stream, likely, price, reached, node):
                coefficient[node] += amount
                continue
            for entry in range(ways.begin[node], ways.begin[node + 1]):
                reached[ways.next[entry]] = True


@part
def _passes(ways: Ways, stream: Stream, likely: Row, price: Row, reached: Flags, node: int) -> bool:
    """Whether the ways through a closed node are better cut behind it."""
    total = 0.0
    for entry in range(ways.begin[node], ways.begin[node + 1]):
        after = ways.next[entry]
        if reached[after]:
            continue
        if stream.number[after] >= 0:
            return False
        total += price[after]
        if total >= likely[node]:
            return False
    return True


@part
def _priced(
    ways: Ways,
    stream: Stream,
    opened: Row,
    likely: Row,
    price: Row,
    order: Numbers,
    inside: Flags,
    reached: Flags,
    coefficient: Row,
    client: int,
) -> float:
    """Coefficients of the row that says what a client has to pay, and what they come to at least."""
    stream.through[:] = 0.0
    stream.along[:] = 0.0
    flow, before = 0.0, 0.0
    at, end = ways.client_begin[client], ways.client_begin[client + 1]
    while at < end and flow < 1.0 - OPEN:
        node = ways.client_node[at]
        number = stream.number[node]
        if number >= 0 and ways.client_cost[at] > before:
            _cut(
                ways, stream, opened, likely, price, order, inside, reached, coefficient, ways.client_cost[at] - before
            )
            before = ways.client_cost[at]
        inside[node] = True
        if number >= 0:
            flow += _more(ways, stream, opened, number, 1.0 - flow)
        at += 1
    return before
