"""The two questions put to HiGHS: the relaxation with its dual values, and the whole program.

SciPy's own HiGHS is used, so there is no second copy of the library in the process. It works in one thread, with the seed it
comes with, and its only limit here is a number of nodes: the same program has the same answer. It takes 1e-6 for equal, so
objectives are scaled before they are given to it, such that 1e-6 there is far below what matters here. Whoever no longer
wants the answer can stop it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csc_array, csr_array

from placement.arrays import Floats, Mask
from placement.solve.entries import stacked_rows
from placement.solve.highs_run import run
from placement.solve.ladders import Rows
from placement.solve.program import Program
from placement.stopping import Stop

SCALE = 1_000.0
"""The greatest coefficient of an objective given to HiGHS."""


@dataclass(frozen=True, slots=True)
class Relaxed:
    """What is known of a program whose columns may be fractions."""

    feasible: bool | None
    """None: HiGHS came to no answer."""
    value: float = -np.inf
    """Without constants."""
    values: Floats | None = None
    """(columns,)"""
    duals: Floats | None = None
    """(rows,): by how much the value grows with the row's bound."""
    reduced: Floats | None = None
    """(columns,)"""


@dataclass(frozen=True, slots=True)
class Solved:
    """What is known of a program whose columns must be whole."""

    status: str
    """`optimal`, `infeasible`, `limit` (with values, where some were found) or `unknown`."""
    values: Floats | None
    bound: float
    """No solution has less; without constants."""
    nodes: int


def relaxed(
    program: Program,
    objective: Floats,
    *,
    upper: Floats | None = None,
    more: Rows | None = None,
    stop: Stop | None = None,
) -> Relaxed:
    """The program with fractions allowed, and its dual values. Raises Stopped."""
    matrix, low, high = rows_with(program, more)
    if not len(objective):
        nothing = np.empty(0)
        return Relaxed(True, 0.0, nothing, np.zeros(len(low)), nothing) if _kept(low, high) else Relaxed(False)
    scale = scale_of(objective)
    below, above = np.flatnonzero(np.isfinite(high)), np.flatnonzero(np.isfinite(low))
    signs = np.append(np.ones(len(below)), -np.ones(len(above)))
    which = np.append(below, above)
    taken = matrix[which]
    taken.data = taken.data * np.repeat(signs, np.diff(taken.indptr))
    found = run(
        objective * scale,
        csc_array(taken),
        low=np.full(len(which), -np.inf),
        high=np.append(high[below], -low[above]),
        upper=program.upper if upper is None else upper,
        stop=stop,
    )
    if found.status == "infeasible":
        return Relaxed(False)
    if found.status != "optimal" or found.duals is None or found.reduced is None:
        return Relaxed(None)
    duals = np.zeros(len(low))
    np.add.at(duals, which, found.duals * signs / scale)
    return Relaxed(True, found.value / scale, found.values, duals, found.reduced / scale)


def solved(
    program: Program,
    objective: Floats,
    *,
    upper: Floats | None = None,
    more: Rows | None = None,
    nodes: int,
    looks: int | None = None,
    start: Mask | None = None,
    stop: Stop | None = None,
) -> Solved:
    """The program as it is, within so many nodes of search and looks of HiGHS. Raises Stopped.

    start: (opens,) what is open in a solution that is known, which HiGHS begins with.
    """
    matrix, low, high = rows_with(program, more)
    if not len(objective):
        return Solved("optimal", np.empty(0), 0.0, 0) if _kept(low, high) else Solved("infeasible", None, np.inf, 0)
    scale = scale_of(objective)
    found = run(
        objective * scale,
        csc_array(matrix),
        low=low,
        high=high,
        upper=program.upper if upper is None else upper,
        integral=program.integral,
        nodes=max(1, nodes),
        looks=looks,
        start=None if start is None else start.astype(np.float64),
        stop=stop,
    )
    return Solved(found.status, found.values, found.bound / scale, found.nodes)


def _kept(low: Floats, high: Floats) -> bool:
    """Whether the rows of a program without columns hold: HiGHS is not asked that."""
    return bool((low <= 0.0).all() and (high >= 0.0).all())


def rows_with(program: Program, more: Rows | None) -> tuple[csr_array, Floats, Floats]:
    """A program's rows with others: the matrix, and what each is at least and at most."""
    if more is None or not len(more.low):
        return program.matrix, program.low, program.high
    matrix = stacked_rows([program.matrix, more.matrix])
    return matrix, np.append(program.low, more.low), np.append(program.high, more.high)


def scale_of(objective: Floats) -> float:
    """What makes the greatest coefficient of an objective `SCALE`."""
    greatest = float(np.abs(objective).max(initial=0.0))
    return SCALE / greatest if greatest > 0.0 else 1.0
