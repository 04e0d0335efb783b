"""The decision: filter every site once, choose among what is left, verify it on nodes, and say why.

A pure function of the problem: no clock, no randomness, no I/O, and limits that are counts. It may run in a thread.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from placement.arrays import Floats
from placement.choosing import Choosing
from placement.conflicts import IN_WORDS, against, conflicts_of
from placement.decision import Objective, PlacementStatus, Reason, SitePlacement, Tier
from placement.modelling import Modelled
from placement.placements import Layout, moves_of, placements_of, price_of
from placement.problem import Problem
from placement.refusals import Refusals
from placement.rules import RULES, Rule
from placement.rules.latency import RULE as LATENCY
from placement.screening import screen
from placement.solve.model import Choice, Limits
from placement.total_room import Excess, excesses
from placement.unit_problems import unit_problems
from placement.unmet import unmet_of
from placement.verdict import Verdict


def decide(problem: Problem, *, rules: Sequence[Rule] = RULES, limits: Limits | None = None) -> Verdict:
    """Where the components run, why there, and why not elsewhere.

    A decision that is not feasible has no placements; it says which places cannot be served, the nearest miss, and what
    else is in conflict. Deterministic: ties go to smaller ids. Raises Stopped when `limits.stop` is asked for.
    """
    # What is in reach is searched for here and not by whoever made the problem.
    problem.latency.found(None if limits is None else limits.stop)
    units = unit_problems(problem)
    timed = any(one is LATENCY for one in rules)
    screenings = screen([one.problem for one in units], rules)
    search = Choosing(problem, units, screenings, timed=timed, limits=limits)
    passed = [one.passed for one in screenings]
    excess = excesses(problem, units, passed=passed, rooms=search.rooms)
    search.run()
    made, choice, layout = search.made, search.choice, search.layout
    if layout is not None and search.found:
        return feasible(made, choice, layout, iterations=search.iterations, cut=search.cut)
    return infeasible(
        made,
        choice,
        iterations=search.iterations,
        cut=search.cut or layout is not None,
        more=against(problem, layout, dearest=search.dearest),
        excess=excess,
    )


def feasible(made: Modelled, choice: Choice, layout: Layout, *, iterations: int, cut: bool) -> Verdict:
    """The decision that a choice on nodes is; with `cut` it says nothing of what another choice might cost."""
    problem = made.problem
    loose = cut or problem.policy.division is not None
    placements = placements_of(made, layout)
    return Verdict(
        revision=problem.revision,
        feasible=True,
        placements=placements,
        refusals=[],
        told=Refusals(made, choice, layout),
        objective=_objective(made, choice, layout, placements, loose=loose),
        status=PlacementStatus.FEASIBLE,
        looked_at=len(problem),
        passed=_passed(made),
        transit_sites=problem.transit_sites,
        iterations=iterations,
        # A cut takes more away than what did not fit, so a bound of what is left is none of the whole; and what a division
        # costs is only known once it is made.
        proven=choice.proved and not loose,
        bound_kind="NONE" if loose else choice.bound_kind,
        gap=None if loose else choice.gap(),
    )


def infeasible(
    made: Modelled,
    choice: Choice,
    *,
    iterations: int,
    cut: bool,
    more: Sequence[Reason] = (),
    excess: Sequence[Excess] = (),
) -> Verdict:
    """The decision that nothing was found; with `cut` it is no proof that there is nothing.

    more: what else stands against it than what the choice does not keep; excess: totals that are proved to have no room.
    """
    problem = made.problem
    unmet = unmet_of(made, choice)
    proved = bool(excess) or (choice.proved and not cut)
    against_all = [*conflicts_of(made, choice, unmet), *more]
    if excess:
        against_all = [*(one.reason for one in excess), *(one for one in against_all if one.rule != "total")]
    irreducible = excess[0].irreducible if excess else tuple(choice.conflict)
    return Verdict(
        revision=problem.revision,
        feasible=False,
        placements=[],
        refusals=[],
        told=Refusals(made, None, None),
        objective=Objective(sites=0, score=0.0, price_per_hour=0.0, mean_latency_ms=None, worst_latency_ms=None),
        unmet=unmet,
        conflicts=against_all,
        status=PlacementStatus.INFEASIBLE if proved else PlacementStatus.NOT_FOUND_WITHIN_LIMITS,
        irreducible=[IN_WORDS.get(one, one) for one in irreducible] if proved else [],
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


def _objective(
    made: Modelled, choice: Choice, layout: Layout, placements: Sequence[SitePlacement], *, loose: bool
) -> Objective:
    problem, first = made.problem, layout.rows[0]
    latency = problem.latency.to(first)[1] if problem.targets and len(first) else np.empty(0)
    bounds = [None] * made.model.tiers if loose or choice.bound is None else choice.bound.tolist()
    costs = _costs_of_shares(made, layout, placements) if layout.own else choice.cost
    return Objective(
        sites=len(placements),
        score=float(costs[made.preferences :].sum()),
        price_per_hour=price_of(made, layout),
        mean_latency_ms=float((latency * made.demand).sum()) if len(latency) else None,
        worst_latency_ms=float(latency.max()) if len(latency) else None,
        moves=moves_of(made, layout),
        tiers=[
            Tier(terms=list(names), cost=float(cost), bound=bound)
            for names, cost, bound in zip(made.tiers, costs.tolist(), bounds, strict=True)
        ],
    )


def _costs_of_shares(made: Modelled, layout: Layout, placements: Sequence[SitePlacement]) -> Floats:
    """(tiers,): what it costs where sites have numbers of their own, by the sites that run something."""
    costs = np.zeros(made.model.tiers)
    ranks = made.problem.words.preference
    for tier in range(made.preferences):
        assert ranks is not None, "there are tiers of preference"
        costs[tier] = sum(np.count_nonzero(ranks[rows] == made.preferences - tier) for rows in layout.rows)
    for one in placements:
        for term in one.terms:
            costs[term.tier] += term.weighted
    return costs
