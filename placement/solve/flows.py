"""What runs from a client through units that serve one another: as much as the open part of each candidate lets through.

A greatest stream by augmenting paths (Ford and Fulkerson), through the client's cheapest candidates first, with room at the
nodes instead of the arcs. Nodes that are closed have no part in it, so only open ones are searched.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from placement.compiled import Flags, Numbers, Row, part

OPEN = 1e-9
"""A candidate that is open to less is closed."""


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


@part
def last_place(ways: Ways) -> int:
    """The place of the last unit."""
    last: int = ways.level[len(ways.level) - 1]
    return last


@part
def stream_of(ways: Ways, opened: Row) -> Stream:
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
def let_run(ways: Ways, stream: Stream, opened: Row, client: int) -> tuple[float, float]:
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
            flow += let_more(ways, stream, opened, number, 1.0 - flow)
        at += 1
    return flow, due


@part
def let_more(ways: Ways, stream: Stream, opened: Row, source: int, wanted: float) -> float:
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
            if ways.level[stream.node[at]] == last_place(ways):
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
def mark(ways: Ways, stream: Stream, opened: Row, inside: Flags) -> None:
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
