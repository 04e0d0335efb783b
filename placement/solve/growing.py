"""A relaxation that is told more and more: HiGHS solves it anew from where it was.

Most rows of a program never matter, so they are told when an answer breaks them, some at a time. Solved from nothing each
time, that would cost as much again each time; from the last basis the dual simplex takes a few steps for each new row.
Rows that have had something to spare for a while are dropped, so that it stays small; they may be told again.

Most candidates never matter either. Of thousands an answer opens some dozens in part, and HiGHS takes ten times as long to
find it among all of them. So it may be given some to begin with. Every row is kept for all; from the rows' dual values
follows what each column that it was not given would save, and those that would save something are given to it, until none
would. What is not given yet and would save something is taken off the value, which so is a bound at any time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.sparse import csc_array, csr_array

from placement.arrays import Floats, Ints, Mask, places_of
from placement.solve.entries import (
    Listed,
    kept_columns,
    matrix_of,
    parts_of,
    rows_at,
    stacked_rows,
    turned,
    weighed_by_row,
)
from placement.solve.highs_run import Run, ended, figures, give, solver_for
from placement.solve.ladders import Rows, stacked
from placement.solve.model import IDLE
from placement.stopping import Stop

MANY = 0.2
"""The part of all rows that must be such before any is dropped."""
SPARE = 1e-6
SAVES = 1e-7
"""A column that saves less, as a part of the greatest cost, is not given."""
MORE = 400
"""Columns that are given at once at most."""


class Growing:
    """Minimise `objective @ x` with `low <= matrix @ x <= high` and `0 <= x <= upper`, and with rows that are told later."""

    def __init__(
        self,
        objective: Floats,
        matrix: csr_array,
        *,
        low: Floats,
        high: Floats,
        upper: Floats,
        given: Mask | None = None,
        clients: Ints | None = None,
        idle: int = IDLE,
        stop: Stop | None = None,
    ) -> None:
        """There is at least one column. given: (columns,) those to begin with; None, or none of them: all.

        clients: (rows,) the client whose each is, -1: nobody's. idle: answers in which a row that was told has something to
        spare, after which it is dropped.
        """
        if given is not None and not given.any():
            given = None
        self.stop = stop
        self._most_idle = idle
        self.first = len(low)
        """Rows that are never dropped."""
        self.steps = 0
        """Of the simplex, so far."""
        self.saving: Ints = np.empty(0, dtype=np.int64)
        """Columns that were not given and would save something, those that save the most first."""
        self._objective, self._upper = objective, upper
        self._straight = given is None or bool(given.all())
        """Whether it was given all columns to begin with, in their order."""
        self._columns = np.arange(len(objective)) if given is None else np.flatnonzero(given)
        """(columns of the solver,)"""
        self._place = places_of(self._columns, len(objective))
        self._every = matrix
        """All rows, over all columns; kept where not all were given."""
        self._low = np.empty(0)
        self._first_low = np.where(np.isfinite(low), low, 0.0)
        self._first_clients = np.full(len(low), -1) if clients is None else clients
        self._clients = np.empty(0, dtype=np.int64)
        """(rows told,): whose each is; -1: nobody's."""
        self._priced = np.empty(0), np.empty(0, dtype=np.int64)
        self._idle = np.empty(0, dtype=np.int64)
        """(rows told,): answers on end in which it had something to spare."""
        self._solver: Any = solver_for(nodes=None, stop=stop)
        first = matrix if self._straight else self._part(matrix)
        give(self._solver, objective[self._columns], csc_array(first), low=low, high=high, upper=upper[self._columns])

    @property
    def all_given(self) -> bool:
        """Whether it was given all columns."""
        return len(self._columns) == len(self._objective)

    def tell(self, parts: Sequence[Rows]) -> None:
        """Adds rows with a least and without a most, which may be dropped."""
        more = stacked(list(parts))
        if more is None:
            return
        matrix = more.matrix
        if not self._straight:
            self._every = stacked_rows([self._every, matrix])
            matrix = self._part(matrix)
        self._solver.addRows(
            matrix.shape[0],
            more.low,
            more.high,
            matrix.nnz,
            matrix.indptr[:-1].astype(np.int32),
            matrix.indices.astype(np.int32),
            matrix.data.astype(np.float64),
        )
        self._low = np.append(self._low, more.low)
        whose = np.full(len(more.low), -1) if more.clients is None else more.clients
        self._clients = np.append(self._clients, whose)
        self._idle = np.append(self._idle, np.zeros(matrix.shape[0], dtype=np.int64))

    def fix(self, columns: Ints) -> None:
        """Has these columns, which were given, at 1 from now on."""
        for column in self._place[columns].tolist():
            self._solver.changeColBounds(column, 1.0, 1.0)

    def give_more(self, columns: Ints | None = None) -> None:
        """Gives it these columns; or of those that would save something the `MORE` that save the most."""
        columns = self.saving[:MORE] if columns is None else columns
        if not len(columns):
            return
        kept = kept_columns(Listed(*parts_of(self._every)), columns, columns=len(self._objective))
        part = turned(kept, columns=len(columns))
        self._solver.addCols(
            len(columns),
            self._objective[columns],
            np.zeros(len(columns)),
            self._upper[columns],
            len(part.column),
            part.start[:-1].astype(np.int32),
            part.column,
            part.value,
        )
        self._place[columns] = len(self._columns) + np.arange(len(columns))
        self._columns = np.append(self._columns, columns)
        self.saving = np.empty(0, dtype=np.int64)

    def solve(self) -> Run:
        """The answer to all that it was told, over all columns, and its value less what others could save. Raises Stopped.

        When nothing keeps what it was told with the columns that it was given, it is given all.
        """
        found = ended(self._solver, whole=False, stop=self.stop)
        self.steps += max(0, int(self._solver.getInfo().simplex_iteration_count))
        if found.status == "infeasible" and not self.all_given:
            self.give_more(np.flatnonzero(self._place < 0))
            return self.solve()
        if found.status == "optimal" and not self._straight:
            found = self._over_all(found)
        if found.duals is not None:
            self._priced = (
                found.duals * np.append(self._first_low, self._low),
                np.append(self._first_clients, self._clients),
            )
        if found.status == "optimal" and len(self._low):
            self._drop()
        return found

    def prices(self, clients: int) -> Floats:
        """(clients,): what the rows of each add to the value of the last answer; what they cost in any case is not in it."""
        worth, whose = self._priced
        some = whose >= 0
        return np.bincount(whose[some], worth[some], minlength=clients).astype(np.float64)

    def _over_all(self, found: Run) -> Run:
        assert found.values is not None, "it is optimal"
        assert found.duals is not None, "it is a linear program"
        assert found.reduced is not None, "it is a linear program"
        reduced = self._objective - weighed_by_row(*parts_of(self._every), found.duals, len(self._objective))
        reduced[self._columns] = found.reduced
        values = np.zeros(len(self._objective))
        values[self._columns] = found.values
        saved = np.where(self._place < 0, np.minimum(reduced * self._upper, 0.0), 0.0)
        some = np.flatnonzero(saved < -SAVES * float(np.abs(self._objective).max(initial=0.0)))
        self.saving = some[np.argsort(saved[some], kind="stable")]
        return Run(found.status, values, found.value + float(saved.sum()), duals=found.duals, reduced=reduced)

    def _part(self, matrix: csr_array) -> csr_array:
        kept = kept_columns(Listed(*parts_of(matrix)), self._columns, columns=len(self._objective))
        return matrix_of(kept, columns=len(self._columns))

    def _drop(self) -> None:
        """Drops rows that have not mattered for a while, once they are many."""
        spare = figures(self._solver.getSolution().row_value)[self.first :] - self._low > SPARE
        self._idle = np.where(spare, self._idle + 1, 0)
        idle = self._idle >= self._most_idle
        if int(idle.sum()) > MANY * (self.first + len(idle)):
            which = np.flatnonzero(idle)
            self._solver.deleteRows(len(which), (self.first + which).astype(np.int32))
            if not self._straight:
                stays = np.append(np.arange(self.first), self.first + np.flatnonzero(~idle))
                self._every = rows_at(self._every, stays)
            self._low, self._idle = self._low[~idle], self._idle[~idle]
            self._clients = self._clients[~idle]
