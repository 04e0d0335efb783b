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

from dataclasses import dataclass, field

import numpy as np
from scipy.sparse import csr_array

from placement.arrays import Floats, Ints, places_of
from placement.solve.cuts import OF_DEMAND, cuts
from placement.solve.entries import Listed, matrix_of
from placement.solve.flows import Ways
from placement.solve.ladders import Rows
from placement.solve.model import Model
from placement.solve.program import Program

MAX_CHAINS = 12
"""Of servings, one after the other; what is beyond is told by other rows alone."""
LIKELY = 0.02
"""Of the mean reduced cost: added to each, so that those at 0 weigh much and not all."""


@dataclass(frozen=True, slots=True)
class Chain:
    """Units that serve one another, from one with clients to one that nobody else serves."""

    ways: Ways
    column: Ints
    """(nodes,): of the program."""
    extra: Ints
    """(clients,): the column of what serving costs beyond the cheapest; -1: it does not differ, or is not told."""
    first: bool
    """Whether the clients are those of the first unit."""
    ascending: Ints = field(init=False)
    """The nodes in the order of their columns."""

    def __post_init__(self) -> None:
        """Puts them in order."""
        object.__setattr__(self, "ascending", np.argsort(self.column))

    def broken(self, values: Floats, reduced: Floats) -> Rows | None:
        """Rows that these values of the columns break, of each client at most one of either kind."""
        opened = np.clip(values[self.column], 0.0, 1.0)
        pays = np.where(self.extra >= 0, values[self.extra], np.inf)
        scale = np.abs(reduced[self.column])
        mean = float(scale.mean()) if len(scale) else 0.0
        likely = 1.0 / (scale + LIKELY * mean) if mean > 0.0 else np.ones(len(scale))
        found = cuts(self.ways, opened, likely, pays, self.column, self.ascending, self.extra)
        begin, column, amount, least, client = found
        if not len(least):
            return None
        matrix = matrix_of(Listed(begin, column, amount), columns=len(values))
        whose = np.where(client >= 0, client, OF_DEMAND - client) if self.first else None
        return Rows(matrix, least, np.full(len(least), np.inf), whose)


def chains_of(model: Model, rows: Program) -> list[Chain]:
    """The chains of a model over the candidates that have columns; none where nobody serves another."""
    if not model.serving:
        return []
    found: list[Chain] = []
    place = _places(model, rows)
    for number, unit in enumerate(model.units):
        if unit.clients is None or not unit.clients.count:
            continue
        served = [chain for chain in _from(model, number) if len(chain)][: MAX_CHAINS - len(found)]
        if not served:
            continue
        clients = _clients(unit.clients.cost, _numbered(place[number], 0))
        found += [_chain(model, number, chain, place, rows.extras[number], clients) for chain in served]
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
        place = places_of(kept, unit.count, first=start)
        start += len(kept)
        found.append(place)
    return found


def _numbered(place: Ints, first: int) -> Ints:
    """(candidates,): those with a column numbered from `first` on; -1: they have none."""
    found = np.full(len(place), -1, dtype=np.int64)
    kept = np.flatnonzero(place >= 0)
    found[kept] = first + np.arange(len(kept))
    return found


def _chain(
    model: Model,
    number: int,
    servings: tuple[int, ...],
    place: list[Ints],
    extra: Ints,
    clients: tuple[Ints, Ints, Floats],
) -> Chain:
    """clients: as of `_clients`."""
    units = [number, *(model.serving[one].server for one in servings)]
    kept = [np.flatnonzero(place[one] >= 0) for one in units]
    sizes = np.array([len(one) for one in kept])
    ends = np.cumsum(sizes)
    node = [_numbered(place[unit], first) for unit, first in zip(units, (ends - sizes).tolist(), strict=True)]
    lengths, following = [], []
    for at, serving in enumerate(servings):
        matrix = model.serving[serving].reach
        owner = node[at][np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))]
        other = node[at + 1][matrix.indices]
        there = (owner >= 0) & (other >= 0)
        following.append(other[there])
        lengths.append(np.bincount(owner[there] - (ends[at] - sizes[at]), minlength=int(sizes[at])))
    lengths.append(np.zeros(int(sizes[-1]), dtype=np.int64))
    begin, nodes, cost = clients
    ways = Ways(
        level=np.repeat(np.arange(len(units)), sizes),
        begin=np.concatenate(([0], np.cumsum(np.concatenate(lengths)))).astype(np.int64),
        next=np.concatenate(following).astype(np.int64),
        client_begin=begin,
        client_node=nodes,
        client_cost=cost,
    )
    column = np.concatenate([place[unit][mine] for unit, mine in zip(units, kept, strict=True)])
    return Chain(ways, column, extra, number == 0)


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
