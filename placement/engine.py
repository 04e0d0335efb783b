"""The decision: filter every site once, choose among what is left, verify it on nodes, and say why.

A pure function of the problem: no clock, no randomness, no I/O, and limits that are counts. It may run in a thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from placement.arrays import Ints, Mask
from placement.conflicts import conflicts_of, undivided_reason, unmet_of
from placement.decision import Objective, PlacementStatus, Tier
from placement.modelling import Modelled, modelled
from placement.placements import Layout, laid_out, placements_of
from placement.problem import Problem
from placement.refusals import Refusals
from placement.rules import RULES, Rule
from placement.rules.latency import RULE as LATENCY
from placement.scores.moves import moves
from placement.screening import screen
from placement.solve.model import Choice, Limits
from placement.solve.solve import solve
from placement.unit_problems import unit_problems
from placement.verdict import Verdict

OF_PLACES = frozenset({"latency", "distance", "bandwidth"})
"""The rules that ask whether a site serves any of the policy's places."""
MAX_CUTS = 12
"""How often a choice is made anew because what was chosen does not fit on the nodes of a site together."""


def decide(problem: Problem, *, rules: Sequence[Rule] = RULES, limits: Limits | None = None) -> Verdict:
    """Where the components run, why there, and why not elsewhere.

    A decision that is not feasible has no placements; it says which places cannot be served, the nearest miss, and what
    else is in conflict. Deterministic: ties go to smaller ids.
    """
    units = unit_problems(problem)
    timed = any(one is LATENCY for one in rules)
    # Places are served by the first unit alone, so they keep no site from the others.
    others = [one for one in rules if one.name not in OF_PLACES]
    screenings = [screen(unit.problem, others if at else rules) for at, unit in enumerate(units)]
    candidates: list[Mask] = [one.passed for one in screenings]
    iterations, cuts, narrow = 0, 0, True
    while True:
        made = modelled(problem, units, screenings, candidates, timed=timed, narrow=narrow, limits=limits)
        choice = solve(made.model)
        iterations += choice.iterations
        if not choice.feasible and made.narrow:
            narrow = False
            continue
        if not choice.feasible:
            break
        layout = laid_out(made, choice)
        if not layout.crowded or cuts == MAX_CUTS:
            break
        cuts += 1
        # The nodes are the truth: the last unit that does not fit there goes elsewhere.
        for unit, row in layout.crowded:
            candidates[unit] = candidates[unit].copy()
            candidates[unit][row] = False
    if not choice.feasible or layout.crowded:
        return infeasible(made, choice, iterations=iterations, cut=bool(cuts) or made.narrow)
    if layout.undivided:
        return infeasible(made, choice, iterations=iterations, cut=True, undivided=layout.undivided)
    return feasible(made, choice, layout, iterations=iterations, cut=bool(cuts) or made.narrow)


def feasible(made: Modelled, choice: Choice, layout: Layout, *, iterations: int, cut: bool) -> Verdict:
    """The decision that a choice on nodes is; with `cut` it says nothing of what another choice might cost."""
    problem = made.problem
    return Verdict(
        revision=problem.revision,
        feasible=True,
        placements=placements_of(made, layout),
        refusals=[],
        told=Refusals(made, choice, layout),
        objective=_objective(made, choice, layout, cut=cut),
        status=PlacementStatus.FEASIBLE,
        looked_at=len(problem),
        passed=_passed(made),
        transit_sites=problem.transit_sites,
        iterations=iterations,
        # A cut takes more away than what did not fit, so a bound of what is left is none of the whole.
        proven=choice.proved and not cut,
        bound_kind="NONE" if cut else choice.bound_kind,
        gap=None if cut else choice.gap(),
    )


def infeasible(made: Modelled, choice: Choice, *, iterations: int, cut: bool, undivided: str = "") -> Verdict:
    """The decision that nothing was found; with `cut` it is no proof that there is nothing.

    undivided: why a total cannot be divided over the sites of the choice.
    """
    problem = made.problem
    unmet = unmet_of(made, choice)
    proved = choice.proved and not cut
    return Verdict(
        revision=problem.revision,
        feasible=False,
        placements=[],
        refusals=[],
        told=Refusals(made, None, None),
        objective=Objective(sites=0, score=0.0, price_per_hour=0.0, mean_latency_ms=None, worst_latency_ms=None),
        unmet=unmet,
        conflicts=[*conflicts_of(made, choice, unmet), *([undivided_reason(undivided)] if undivided else [])],
        status=PlacementStatus.INFEASIBLE if proved else PlacementStatus.NOT_FOUND_WITHIN_LIMITS,
        irreducible=list(choice.conflict) if proved else [],
        looked_at=len(problem),
        passed=_passed(made),
        transit_sites=problem.transit_sites,
        iterations=iterations,
        proven=proved,
    )


def _passed(made: Modelled) -> int:
    passed = made.screenings[0].passed
    for one in made.screenings[1:]:
        passed = passed | one.passed
    return int(np.count_nonzero(passed))


def _objective(made: Modelled, choice: Choice, layout: Layout, *, cut: bool) -> Objective:
    problem = made.problem
    price = _price(made, layout)
    moved = sum(int(moves(unit.problem, rows).sum()) for unit, rows in zip(made.units, layout.rows, strict=True))
    latency = problem.latency.to(layout.rows[0]).min(axis=1) if problem.targets else np.empty(0)
    bounds = [None] * made.model.tiers if cut or choice.bound is None else choice.bound.tolist()
    everywhere: list[Ints] = [rows for rows in layout.rows if len(rows)]
    return Objective(
        sites=len(np.unique(np.concatenate(everywhere))) if everywhere else 0,
        score=float(choice.cost[made.preferences :].sum()),
        price_per_hour=price,
        mean_latency_ms=float((latency * made.demand).sum()) if len(latency) else None,
        worst_latency_ms=float(latency.max()) if len(latency) else None,
        moves=moved,
        tiers=[
            Tier(terms=list(names), cost=float(cost), bound=bound)
            for names, cost, bound in zip(made.tiers, choice.cost.tolist(), bounds, strict=True)
        ],
    )


def _price(made: Modelled, layout: Layout) -> float:
    problem, total = made.problem, 0.0
    for at, unit in enumerate(made.units):
        cores = np.array([problem.components[one].need[0] for one in unit.components], dtype=np.float64) / 1000
        total += float((layout.replicas[at] * cores[:, None] * problem.columns.price[layout.rows[at]]).sum())
    return total


def without_core(limits: Limits) -> Limits:
    """The limits of a decision by the heuristics alone."""
    return replace(limits, core_candidates=0, exact_candidates=0)
