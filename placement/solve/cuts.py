"""Cuts of the ways from a client through units that serve one another, where an answer lets too little run.

Of each client the least cut of what is open; closed candidates, which may be cut wherever it suits, are cut where they are
least likely to be opened. And the row that says what the client pays, which is made of such cuts, one for each price.
"""

from __future__ import annotations

import numpy as np

from placement.compiled import Flags, Numbers, Row, Small, kernel, part
from placement.solve.flows import OPEN, Stream, Ways, last_place, let_more, let_run, mark, stream_of

BROKEN = 1e-5
"""A row that is broken by more is told: as a part of a stream, and of the client's span of costs."""

OF_DEMAND = -1
"""Less the client: whose row it is that says that it must be served."""


@kernel
def cuts(
    ways: Ways, opened: Row, likely: Row, pays: Row, column: Numbers, ascending: Numbers, extra: Numbers
) -> tuple[Numbers, Small, Row, Row, Numbers]:
    """Rows that are broken: where each begins, the columns and amounts of all; the least of each, and the client of which
    it is.

    The client is as it is where its cost is in the row, else `OF_DEMAND` less it.

    opened: (nodes,) to what part each is open.
    likely: (nodes,) the greater, the likelier it is that a closed node is opened.
    pays: (clients,) what each pays beyond its cheapest, as a part of its span.
    column: (nodes,) of the program. ascending: the nodes in the order of their columns. extra: (clients,) the column of what
    each pays, behind those of all nodes.
    """
    clients, nodes = len(ways.client_begin) - 1, len(opened)
    stream = stream_of(ways, opened)
    price = _prices(ways, opened, likely)
    order = _by_level(ways, np.argsort(-likely, kind="mergesort"))
    whose = np.full(2 * clients, -1, dtype=np.int64)
    least = np.zeros(2 * clients)
    begin = np.zeros(2 * clients + 1, dtype=np.int64)
    which = np.empty(1024, dtype=np.int32)
    amount = np.empty(1024)
    coefficient, reached = np.zeros(nodes), np.zeros(nodes, dtype=np.bool_)
    inside = np.zeros(nodes, dtype=np.bool_)
    rows, entries = 0, 0
    for client in range(clients):
        first, end = ways.client_begin[client], ways.client_begin[client + 1]
        flow, due = let_run(ways, stream, opened, client)
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
                if entries + nodes >= len(which):
                    size = 2 * (entries + nodes + 1)
                    which, amount = _longer(which, size), _longer_row(amount, size)
                for one in ascending:
                    if coefficient[one] > 0.0:
                        which[entries], amount[entries] = column[one], coefficient[one]
                        entries += 1
                if kind:
                    which[entries], amount[entries] = extra[client], 1.0
                    entries += 1
                least[rows] = total
                whose[rows] = client if kind else OF_DEMAND - client
                rows += 1
                begin[rows] = entries
            coefficient[:] = 0.0
    return (
        begin[: rows + 1].copy(),
        which[:entries].copy(),
        amount[:entries].copy(),
        least[:rows].copy(),
        whose[:rows].copy(),
    )


@part
def _longer(numbers: Small, size: int) -> Small:
    found = np.empty(size, dtype=np.int32)
    found[: len(numbers)] = numbers
    return found


@part
def _longer_row(figures: Row, size: int) -> Row:
    found = np.empty(size)
    found[: len(figures)] = figures
    return found


@part
def _by_level(ways: Ways, order: Numbers) -> Numbers:
    """The nodes of the first unit, then those of the next, each in the order given."""
    begin = np.zeros(last_place(ways) + 2, dtype=np.int64)
    for node in range(len(order)):
        begin[ways.level[node] + 1] += 1
    for level in range(last_place(ways) + 1):
        begin[level + 1] += begin[level]
    found = np.empty(len(order), dtype=np.int64)
    for node in order:
        found[begin[ways.level[node]]] = node
        begin[ways.level[node]] += 1
    return found


@part
def _prices(ways: Ways, opened: Row, likely: Row) -> Row:
    """(nodes,): what it takes to cut all ways through a closed node: there, or at all that follow."""
    price = likely.copy()
    for node in range(len(opened) - 1, -1, -1):
        if ways.level[node] == last_place(ways):
            continue
        total = 0.0
        for entry in range(ways.begin[node], ways.begin[node + 1]):
            total += price[ways.next[entry]]
        price[node] = min(price[node], total)
    return price


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
    mark(ways, stream, opened, inside)
    reached[:] = False
    for at in range(len(stream.node)):
        if stream.left[at]:
            for entry in range(ways.begin[stream.node[at]], ways.begin[stream.node[at] + 1]):
                reached[ways.next[entry]] = True
    for node in range(len(opened)):
        if ways.level[node] == 0 and inside[node]:
            reached[node] = True
    for place in range(len(order)):
        node = order[place]
        if not reached[node]:
            continue
        at = stream.number[node]
        last = ways.level[node] == last_place(ways)
        if not last and at >= 0 and stream.left[at]:
            continue
        if last or at >= 0 or not _passes(ways, stream, likely, price, reached, node):
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
            flow += let_more(ways, stream, opened, number, 1.0 - flow)
        at += 1
    return before
