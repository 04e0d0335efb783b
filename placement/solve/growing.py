"""A relaxation that is told more and more: HiGHS solves it anew from where it was.

Most rows of a program never matter, so they are told when an answer breaks them, some at a time. Solved from nothing each
time, that would cost as much again each time; from the last basis the dual simplex takes a few steps for each new row.
Rows that have had something to spare for a while are dropped, so that it stays small; they may be told again.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csc_array, csr_array

from placement.arrays import Floats, Ints
from placement.solve.highs_run import Run, ended, give, solver_for
from placement.solve.ladders import Rows
from placement.stopping import Stop

IDLE = 4
"""Answers in which a row has something to spare, after which it is dropped."""
MANY = 0.2
"""The part of all rows that must be such before any is dropped."""
SPARE = 1e-6


class Growing:
    """Minimise `objective @ x` with `low <= matrix @ x <= high` and `0 <= x <= upper`, and with rows that are told later."""

    def __init__(
        self, objective: Floats, matrix: csr_array, *, low: Floats, high: Floats, upper: Floats, stop: Stop | None
    ) -> None:
        """There is at least one column."""
        self.stop = stop
        self.first = len(low)
        """Rows that are never dropped."""
        self.steps = 0
        """Of the simplex, so far."""
        self._low = np.empty(0)
        self._idle = np.empty(0, dtype=np.int64)
        """(rows told,): answers on end in which it had something to spare."""
        self._solver: Any = solver_for(nodes=None, stop=stop)
        give(self._solver, objective, csc_array(matrix), low=low, high=high, upper=upper)

    def tell(self, more: Rows) -> None:
        """Adds rows with a least and without a most, which may be dropped."""
        matrix = more.matrix
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
        self._idle = np.append(self._idle, np.zeros(matrix.shape[0], dtype=np.int64))

    def fix(self, columns: Ints) -> None:
        """Has these columns at 1 from now on."""
        for column in columns.tolist():
            self._solver.changeColBounds(column, 1.0, 1.0)

    def solve(self) -> Run:
        """The answer to all that it was told. Raises Stopped."""
        found = ended(self._solver, whole=False, stop=self.stop)
        self.steps += max(0, int(self._solver.getInfo().simplex_iteration_count))
        if found.status == "optimal" and len(self._low):
            self._drop()
        return found

    def _drop(self) -> None:
        """Drops rows that have not mattered for a while, once they are many."""
        spare = np.array(self._solver.getSolution().row_value)[self.first :] - self._low > SPARE
        self._idle = np.where(spare, self._idle + 1, 0)
        idle = self._idle >= IDLE
        if int(idle.sum()) > MANY * (self.first + len(idle)):
            which = np.flatnonzero(idle)
            self._solver.deleteRows(len(which), (self.first + which).astype(np.int32))
            self._low, self._idle = self._low[~idle], self._idle[~idle]
