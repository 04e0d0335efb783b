"""Why nothing is feasible: rules that cannot be kept together, none of which could be spared.

All rules' rows are made elastic: breaking them is allowed and costs what they are broken by. When the least such cost of the
relaxation is not 0, the rows with a dual value alone prove it (Farkas), so their rules are a conflict. Each is then left out
in turn, and stays out when the rest is still a conflict (the deletion filter of Chinneck and Dravnieks 1991, "Locating
minimal infeasible constraint sets in linear programs"). A small model is then asked exactly, for whole sites.

Rows that were composed from clients and serving hold only where both do, and are left out with either.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.sparse import csr_array, hstack

from placement.arrays import Floats, Mask
from placement.solve.highs import relaxed, solved
from placement.solve.model import Model
from placement.solve.program import COMPOSED, MEANING, Program, pairs, program
from placement.stopping import Stop, look

MAX_PAIRS = 400_000
"""Pairs in reach of a model that is looked at."""
MAX_CANDIDATES = 400
"""Of a model that is asked for whole sites too."""
MAX_QUESTIONS = 60
"""Programs that are solved."""
EXACT_NODES = 200
"""Nodes of each exact question."""
BROKEN = 1e-6
"""What rules are broken by together, as parts of what they ask for, that is more than rounding."""

Question = Callable[[set[int]], "set[int] | None"]
"""Of elements: those of a conflict among them, or None when it is not proved that they are in one."""


def irreducible(model: Model) -> tuple[str, ...]:
    """Labels, or else rules, that cannot all be kept, while any all but one can (as far as a relaxation tells).

    Sorted as the model has them. Empty: no conflict is proved within the limits. Rules without a label that have the same
    name are one.
    """
    if pairs(model) > MAX_PAIRS:
        return ()
    rows = program(model, served=0)
    sources = _sources(model, rows)
    everything = set(range(len(rows.names)))

    def broken(kept: set[int]) -> set[int] | None:
        look(model.limits.stop)
        return _elastic(rows, _kept_rows(rows, kept, sources), sources, stop=model.limits.stop)

    found = _filtered(everything, broken)
    if model.candidates <= min(MAX_CANDIDATES, model.limits.exact_candidates):
        # Of what the relaxation needs together, less may do for whole sites.
        def impossible(kept: set[int]) -> set[int] | None:
            look(model.limits.stop)
            return _exactly(rows, kept, sources, stop=model.limits.stop)

        exactly = _filtered(found or everything, impossible, certain=True)
        found = found if exactly is None else exactly
    return tuple(rows.names[one] for one in sorted(found or ()))


def _filtered(elements: set[int], question: Question, *, certain: bool = False) -> set[int] | None:
    """The deletion filter; with `certain`, None when a question had no answer."""
    left = question(elements)
    if left is None or (certain and UNKNOWN in left):
        return None
    asked = 1
    for one in sorted(left):
        if one not in left:
            continue
        if asked >= MAX_QUESTIONS:
            return None
        asked += 1
        found = question(left - {one})
        if found is not None:
            if UNKNOWN in found:
                return None
            left = found
    return left


UNKNOWN = -1
"""In the answer to a question: it is not known."""


def _sources(model: Model, rows: Program) -> set[int]:
    """The elements that composed rows follow from."""
    names = {"clients"} | {one.label or "serves" for one in model.serving}
    return {rows.names.index(name) for name in names if name in rows.names}


def _kept_rows(rows: Program, kept: set[int], sources: set[int]) -> Mask:
    found: Mask = np.isin(rows.elements, [MEANING, *kept])
    if sources <= kept:
        found |= rows.elements == COMPOSED
    return found


def _elastic(rows: Program, which: Mask, sources: set[int], *, stop: Stop | None) -> set[int] | None:
    """The elements of rows that alone prove that not all rows can be kept."""
    some = rows.only(np.flatnonzero(which))
    elastic = np.flatnonzero(some.elements != MEANING)
    above = elastic[np.isfinite(some.low[elastic])]
    below = elastic[np.isfinite(some.high[elastic])]
    count = len(above) + len(below)
    signs = np.append(np.ones(len(above)), -np.ones(len(below)))
    shape = (len(some.low), count)
    slack = csr_array((signs, (np.append(above, below), np.arange(count))), shape=shape)
    loose = Program(
        costs=np.zeros((1, rows.columns + count)),
        constants=np.zeros(1),
        served=0,
        matrix=csr_array(hstack([some.matrix, slack], format="csr")),
        low=some.low,
        high=some.high,
        upper=np.append(rows.upper, np.full(count, np.inf)),
        integral=np.zeros(rows.columns + count, dtype=bool),
        among=rows.among,
        elements=some.elements,
        late=some.late,
        clients=some.clients,
        names=rows.names,
        ladders=rows.ladders,
        extras=rows.extras,
    )
    objective: Floats = np.append(np.zeros(rows.columns), np.ones(count))
    answer = relaxed(loose, objective, stop=stop)
    if not answer.feasible or answer.value <= BROKEN or answer.duals is None:
        return None
    proving = some.elements[np.abs(answer.duals) > 1e-9]
    found = {int(one) for one in proving if one >= 0}
    return found | sources if (proving == COMPOSED).any() else found


def _exactly(rows: Program, kept: set[int], sources: set[int], *, stop: Stop | None) -> set[int] | None:
    """The elements when it is proved that not all can be kept."""
    some = rows.only(np.flatnonzero(_kept_rows(rows, kept, sources)))
    status = solved(some, np.zeros(rows.columns), nodes=EXACT_NODES, stop=stop).status
    if status == "infeasible":
        return kept
    return None if status == "optimal" else {UNKNOWN}
