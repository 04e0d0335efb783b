"""Rows about serving in steps that were found once.

To find one (`streams`) takes a greatest stream for each client. So what was found is kept, also when a relaxation is made
anew for fewer candidates: it is written down in the model's own terms, what a client pays in the unit of cost, and told in
those of a program.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array, vstack

from placement.arrays import Floats, Ints, places_of
from placement.solve.entries import parts_of, rows_at, weighed
from placement.solve.ladders import Rows, stacked
from placement.solve.model import Model
from placement.solve.program import Program


@dataclass(frozen=True, slots=True)
class Terms:
    """What a program calls the nodes and clients of a model."""

    column: Ints
    """(nodes,): -1: it has none."""
    node: Ints
    """(opens,): of each candidate's column."""
    extra: Ints
    """(clients,): the column of what serving costs beyond the cheapest; -1: none."""
    cheapest: Floats
    span: Floats
    """(clients,)"""


class Pool:
    """Rows of one tier: `sum of amounts x open + what the client pays >= least`, as all that is open keeps them."""

    def __init__(self, model: Model, tier: int) -> None:
        self.tier = tier
        self._model = model
        self._parts: list[csr_array] = [csr_array((0, model.candidates), dtype=np.float64)]
        self._least = np.empty(0)
        self._client = np.empty(0, dtype=np.int64)
        """(rows,): whose payment is in it; -1: nobody's."""
        self._waiting: list[tuple[Rows, Terms, int]] = []
        """Not yet written down: mostly no other program follows."""

    def terms(self, rows: Program) -> Terms:
        """What a program over this model's candidates calls its nodes and clients."""
        column: list[Ints] = []
        node: list[Ints] = []
        extra: list[Ints] = []
        cheapest: list[Floats] = []
        span: list[Floats] = []
        first = 0
        for unit, kept, extras in zip(self._model.units, rows.among, rows.extras, strict=True):
            place = places_of(kept, unit.count, first=sum(len(one) for one in node))
            column.append(place)
            node.append(first + kept)
            first += unit.count
            if unit.clients is not None and unit.clients.count:
                low, high = ends_of(unit.clients.cost, place)
                extra.append(extras)
                cheapest.append(low)
                span.append(high - low)
        nothing = np.empty(0, dtype=np.int64)
        return Terms(
            np.concatenate([nothing, *column]),
            np.concatenate([nothing, *node]),
            np.concatenate([nothing, *extra]),
            np.concatenate([np.empty(0), *cheapest]),
            np.concatenate([np.empty(0), *span]),
        )

    def over(self, rows: Program) -> Known:
        """The rows in a program's terms."""
        terms = self.terms(rows)
        for found, before, opens in self._waiting:
            self._write(found, before, opens)
        self._waiting = []
        self._parts = [csr_array(vstack(self._parts, format="csr"))]
        [every] = self._parts
        column = terms.column[every.indices]
        there = np.flatnonzero(column >= 0)
        starts = np.searchsorted(there, every.indptr)
        paid = self._client >= 0
        whose = np.maximum(self._client, 0)
        scale, least = np.ones(len(self._least)), self._least.copy()
        extra = np.full(len(self._least), -1, dtype=np.int64)
        if paid.any():
            extra[paid] = terms.extra[whose[paid]]
            least[paid] -= terms.cheapest[whose[paid]]
            some = extra >= 0
            scale[some] = 1.0 / terms.span[whose[some]]
        amounts = every.data[there] * np.repeat(scale, np.diff(starts))
        matrix = csr_array((amounts, column[there], starts), shape=(len(least), rows.columns))
        told_of = np.flatnonzero(extra >= 0)
        pays = csr_array((np.ones(len(told_of)), (told_of, extra[told_of])), shape=matrix.shape)
        least *= scale
        which = np.flatnonzero(least > 0.0)
        told = csr_array((matrix + pays)[which])
        return Known([Rows(told, least[which], np.full(len(which), np.inf))], self, rows, terms)

    def learn(self, found: Rows, terms: Terms, opens: int) -> None:
        """Adds rows that a program's answer was found to break."""
        self._waiting.append((found, terms, opens))

    def _write(self, found: Rows, terms: Terms, opens: int) -> None:
        matrix = found.matrix
        owner = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
        inside = matrix.indices < opens
        client = np.full(matrix.shape[0], -1, dtype=np.int64)
        of = np.full(matrix.shape[1], -1, dtype=np.int64)
        told = np.flatnonzero(terms.extra >= 0)
        of[terms.extra[told]] = told
        client[owner[~inside]] = of[matrix.indices[~inside]]
        paid = client >= 0
        scale = np.where(paid, terms.span.take(np.maximum(client, 0)), 1.0) if len(terms.span) else np.ones(len(paid))
        least = found.low * scale
        least[paid] += terms.cheapest[client[paid]]
        nodes = csr_array(
            (matrix.data[inside] * scale[owner[inside]], (owner[inside], terms.node[matrix.indices[inside]])),
            shape=(matrix.shape[0], self._model.candidates),
        )
        self._parts.append(nodes)
        self._least = np.append(self._least, least)
        self._client = np.append(self._client, client)


@dataclass(slots=True)
class Known:
    """The rows of a pool in the terms of one program."""

    parts: list[Rows]
    pool: Pool
    program: Program
    terms: Terms

    @property
    def rows(self) -> Rows:
        """All of them."""
        every = stacked(self.parts)
        assert every is not None, "there is one part at least"
        self.parts = [every]
        return every

    def tight(self, values: Floats, *, by: float) -> Rows | None:
        """Those that these values just keep, or break."""
        rows = self.rows
        have = weighed(*parts_of(rows.matrix), values)
        which = np.flatnonzero(have - rows.low <= by * np.maximum(1.0, np.abs(rows.low)))
        return Rows(rows_at(rows.matrix, which), rows.low[which], rows.high[which]) if len(which) else None

    def learn(self, found: Rows) -> None:
        """Adds rows, in the program's terms."""
        self.pool.learn(found, self.terms, self.program.opens)
        self.parts.append(found)


def ends_of(cost: csr_array, place: Ints) -> tuple[Floats, Floats]:
    """(rows,): the least and the greatest entry of each row in a column that has a place; 0 without one."""
    there = np.flatnonzero(place[cost.indices] >= 0)
    starts = np.searchsorted(there, cost.indptr)
    some = np.flatnonzero(np.diff(starts))
    low, high = np.zeros(cost.shape[0]), np.zeros(cost.shape[0])
    if len(some):
        prices = cost.data[there].astype(np.float64)
        low[some] = np.minimum.reduceat(prices, starts[some])
        high[some] = np.maximum.reduceat(prices, starts[some])
    return low, high
