"""One run of HiGHS that can be stopped.

SciPy has HiGHS in it and two functions that call it, which cannot be interrupted, hand every matrix over number by number
with the interpreter held all the while, and cost as much again in preparing. So its binding is called directly: arrays as
they are, the interpreter let go while HiGHS works, and a callback in which HiGHS asks whether to go on. The binding is not
part of SciPy's public interface; the lock names one version, and the tests of this module ask the two public functions for
the same.

HiGHS works in the thread that calls it and in no other: by itself it takes half of a machine's cores, and what it finds may
then differ from that of a machine with fewer. Several decisions at once are several threads of ours.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.optimize._highspy._core as highs  # type: ignore[import-not-found]  # the stubs leave it out
from scipy.sparse import csc_array

from placement.arrays import Floats, Mask
from placement.stopping import Stop, Stopped

COLUMNWISE = 1
"""HiGHS' number for matrices by column."""
MINIMISE = 1
_INTERRUPTS = (highs.cb.HighsCallbackType.kCallbackSimplexInterrupt, highs.cb.HighsCallbackType.kCallbackMipInterrupt)
_LIMITS = (
    highs.HighsModelStatus.kTimeLimit,
    highs.HighsModelStatus.kIterationLimit,
    highs.HighsModelStatus.kSolutionLimit,
    highs.HighsModelStatus.kInterrupt,
)


_OURS = threading.local()
"""In each thread, whether its scheduler of HiGHS is one that was made here."""


@dataclass(frozen=True, slots=True)
class Run:
    """What HiGHS came to."""

    status: str
    """`optimal`, `infeasible`, `limit` or `unknown`."""
    values: Floats | None = None
    """(columns,) None when there is none, or none is known."""
    value: float = np.inf
    duals: Floats | None = None
    """(rows,) of a linear program: by how much the value grows with the row's bound."""
    reduced: Floats | None = None
    """(columns,) of a linear program; 0 for what is between its bounds."""
    bound: float = -np.inf
    """Of a program with whole columns: no solution has less."""
    nodes: int = 0


def run(
    objective: Floats,
    matrix: csc_array,
    *,
    low: Floats,
    high: Floats,
    upper: Floats,
    integral: Mask | None = None,
    nodes: int | None = None,
    gap: float = 0.0,
    looks: int | None = None,
    start: Floats | None = None,
    stop: Stop | None = None,
) -> Run:
    """Minimises `objective @ x` with `low <= matrix @ x <= high` and `0 <= x <= upper`; to a relative gap, within `nodes`.

    There is at least one column. `integral`: (columns,) which must be whole; none of them when not given. `looks`: how often
    HiGHS asks whether to go on, at most: once a round of cuts, a search of its own or a node; one node can take hundreds.
    `start`: the first columns of a solution that is known, of a program with whole columns; HiGHS finds the others.
    Raises Stopped when that is asked for meanwhile.
    """
    whole = integral is not None and bool(integral.any())
    solver = solver_for(nodes=nodes, gap=gap, looks=looks if whole else None, stop=stop)
    if not give(solver, objective, matrix, low=low, high=high, upper=upper, integral=integral):
        return Run("unknown")
    if whole and start is not None:
        solver.setSolution(len(start), np.arange(len(start), dtype=np.int32), start)
    return ended(solver, whole=whole, stop=stop)


def give(
    solver: Any,
    objective: Floats,
    matrix: csc_array,
    *,
    low: Floats,
    high: Floats,
    upper: Floats,
    integral: Mask | None = None,
) -> bool:
    """Gives a solver a program; whether it took it."""
    passed = solver.passModel(
        matrix.shape[1],
        matrix.shape[0],
        matrix.nnz,
        COLUMNWISE,
        MINIMISE,
        0.0,
        objective,
        np.zeros(len(objective)),
        upper,
        low,
        high,
        matrix.indptr.astype(np.int32),
        matrix.indices.astype(np.int32),
        matrix.data,
        (integral if integral is not None else np.zeros(len(objective))).astype(np.int32),
    )
    return bool(passed != highs.HighsStatus.kError)


def ended(solver: Any, *, whole: bool, stop: Stop | None) -> Run:
    """Runs what a solver has been given, from where it was, and says what it came to. Raises Stopped."""
    came_to = solver.run()
    if stop is not None and stop.asked:
        raise Stopped
    status = solver.getModelStatus()
    if came_to == highs.HighsStatus.kError:
        return Run("unknown")
    info = solver.getInfo()
    known = status == highs.HighsModelStatus.kOptimal or (
        whole and status in _LIMITS and info.objective_function_value < highs.kHighsInf
    )
    if not known:
        return Run(_name(status))
    solution = solver.getSolution()
    values = figures(solution.col_value)
    if whole:
        return Run(
            _name(status),
            values,
            float(info.objective_function_value),
            bound=float(info.mip_dual_bound),
            nodes=int(info.mip_node_count),
        )
    return Run(
        _name(status),
        values,
        float(info.objective_function_value),
        duals=figures(solution.row_dual),
        reduced=figures(solution.col_dual),
    )


def figures(listed: Sequence[float]) -> Floats:
    """What HiGHS gives out number by number, as an array."""
    return np.fromiter(listed, np.float64, len(listed))


def solver_for(*, nodes: int | None, stop: Stop | None, gap: float = 0.0, looks: int | None = None) -> Any:
    """A silent solver of HiGHS for this thread, in which a wish to stop is asked for, and which ends after so many looks."""
    solver = highs._Highs()
    if not hasattr(_OURS, "made"):
        # Each thread has one scheduler, made by its first run; with another number of threads HiGHS refuses to run in it.
        highs._Highs.resetGlobalScheduler(True)
        _OURS.made = True
    solver.setOptionValue("threads", 1)
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("log_to_console", False)
    if nodes is not None:
        solver.setOptionValue("mip_max_nodes", nodes)
    solver.setOptionValue("mip_rel_gap", gap)
    if stop is not None or looks is not None:
        left = itertools.count(looks or 0, -1)

        def asked(kind: int, message: str, told: object, answer: Any, data: object) -> None:
            spent = looks is not None and next(left) <= 0
            answer.user_interrupt = spent or (stop is not None and stop.asked)

        solver.setCallback(asked, None)
        for one in _INTERRUPTS:
            solver.startCallback(one)
    return solver


def _name(status: Any) -> str:
    if status in (highs.HighsModelStatus.kOptimal, highs.HighsModelStatus.kModelEmpty):
        return "optimal"
    if status == highs.HighsModelStatus.kInfeasible:
        return "infeasible"
    return "limit" if status in _LIMITS else "unknown"
