"""A relaxation that is told more and more: HiGHS solves it anew from where it was.

Most rows of a program never matter, so they are told when an answer breaks them, some at a time. Solved from nothing each
time, that would cost as much again each time; from the last basis the dual simplex takes a few steps for each new row.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csc_array, csr_array

from placement.arrays import Floats
from placement.solve.highs_run import COLUMNWISE, MINIMISE, Run, ended, solver_for
from placement.solve.ladders import Rows
from placement.stopping import Stop


class Growing:
    """Minimise `objective @ x` with `low <= matrix @ x <= high` and `0 <= x <= upper`, and with rows that are told later."""

    def __init__(
        self, objective: Floats, matrix: csr_array, *, low: Floats, high: Floats, upper: Floats, stop: Stop | None
    ) -> None:
        """There is at least one column."""
        self.stop = stop
        self.rows = len(low)
        self.steps = 0
        """Of the simplex, so far."""
        self._solver: Any = solver_for(nodes=None, stop=stop)
        columns = csc_array(matrix)
        self._solver.passModel(
            columns.shape[1],
            columns.shape[0],
            columns.nnz,
            COLUMNWISE,
            MINIMISE,
            0.0,
            objective,
            np.zeros(len(objective)),
            upper,
            low,
            high,
            columns.indptr.astype(np.int32),
            columns.indices.astype(np.int32),
            columns.data,
            np.zeros(len(objective), dtype=np.int32),
        )

    def tell(self, more: Rows) -> None:
        """Adds rows."""
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
        self.rows += matrix.shape[0]

    def solve(self) -> Run:
        """The answer to all that it was told. Raises Stopped."""
        found = ended(self._solver, whole=False, stop=self.stop)
        self.steps += max(0, int(self._solver.getInfo().simplex_iteration_count))
        return found
