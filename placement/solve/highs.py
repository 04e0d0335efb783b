"""The two questions put to HiGHS: the relaxation with its dual values, and the whole program.

SciPy's own HiGHS is used, so there is no second copy of the library in the process. It works in one thread, with the seed it
comes with, and its only limit here is a number of nodes: the same program has the same answer. It takes 1e-6 for equal, so
objectives are scaled before they are given to it, such that 1e-6 there is far below what matters here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, linprog, milp
from scipy.sparse import csr_array

from placement.arrays import Floats
from placement.solve.ladders import Rows
from placement.solve.program import Program

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


def relaxed(program: Program, objective: Floats, *, upper: Floats | None = None, more: Rows | None = None) -> Relaxed:
    """The program with fractions allowed, and its dual values."""
    matrix, low, high = _rows(program, more)
    if not len(objective):
        nothing = np.empty(0)
        return Relaxed(True, 0.0, nothing, np.zeros(len(low)), nothing) if _kept(low, high) else Relaxed(False)
    scale = _scale(objective)
    below, above = np.flatnonzero(np.isfinite(high)), np.flatnonzero(np.isfinite(low))
    signs = np.append(np.ones(len(below)), -np.ones(len(above)))
    which = np.append(below, above)
    taken = matrix[which]
    taken.data = taken.data * np.repeat(signs, np.diff(taken.indptr))
    upper = program.upper if upper is None else upper
    answer = linprog(  # type: ignore[call-overload]  # SciPy's stubs leave sparse matrices out.
        objective * scale,
        A_ub=taken,
        b_ub=np.append(high[below], -low[above]),
        bounds=np.column_stack([np.zeros(len(upper)), upper]),
        method="highs",
    )
    if answer.status == 2:
        return Relaxed(False)
    if answer.status != 0:
        return Relaxed(None)
    duals = np.zeros(len(low))
    np.add.at(duals, which, answer.ineqlin.marginals * signs / scale)
    reduced = (answer.lower.marginals + answer.upper.marginals) / scale
    return Relaxed(True, float(answer.fun) / scale, np.asarray(answer.x), duals, reduced)


def solved(
    program: Program, objective: Floats, *, upper: Floats | None = None, more: Rows | None = None, nodes: int
) -> Solved:
    """The program as it is, within so many nodes of search."""
    matrix, low, high = _rows(program, more)
    if not len(objective):
        return Solved("optimal", np.empty(0), 0.0, 0) if _kept(low, high) else Solved("infeasible", None, np.inf, 0)
    scale = _scale(objective)
    answer = milp(
        objective * scale,
        integrality=program.integral.astype(np.int64),
        bounds=Bounds(0.0, program.upper if upper is None else upper),
        constraints=LinearConstraint(matrix, low, high),
        options={"node_limit": max(1, nodes), "mip_rel_gap": 0.0},
    )
    bound = -np.inf if answer.mip_dual_bound is None else float(answer.mip_dual_bound) / scale
    tried = int(answer.mip_node_count or 0)
    values = None if answer.x is None else np.asarray(answer.x)
    status = {0: "optimal", 1: "limit", 2: "infeasible"}.get(int(answer.status), "unknown")
    if status == "unknown" and values is not None:
        status = "limit"
    return Solved(status, values, bound, tried)


def _kept(low: Floats, high: Floats) -> bool:
    """Whether the rows of a program without columns hold: HiGHS is not asked that."""
    return bool((low <= 0.0).all() and (high >= 0.0).all())


def _rows(program: Program, more: Rows | None) -> tuple[csr_array, Floats, Floats]:
    if more is None or not len(more.low):
        return program.matrix, program.low, program.high
    matrix, added = program.matrix, more.matrix
    stacked = csr_array(
        (
            np.append(matrix.data, added.data),
            np.append(matrix.indices, added.indices),
            np.append(matrix.indptr, added.indptr[1:] + matrix.indptr[-1]),
        ),
        shape=(matrix.shape[0] + added.shape[0], matrix.shape[1]),
    )
    return stacked, np.append(program.low, more.low), np.append(program.high, more.high)


def _scale(objective: Floats) -> float:
    greatest = float(np.abs(objective).max(initial=0.0))
    return SCALE / greatest if greatest > 0.0 else 1.0
