"""How far a decision is from the best at most, asked for apart: never less than what the best costs is promised."""

from __future__ import annotations

import random
from typing import Any

import pytest
from placement_graphs import Builder, at

from graph.kinds import Component
from graph.kinds.policy import (
    ComponentPolicy,
    Division,
    DivisionMode,
    LatencyTarget,
    Place,
    PlacementPolicy,
    SiteGroup,
    SiteSelector,
    Term,
)
from placement.bounding import bounded
from placement.engine import decide
from placement.solve.model import Limits
from placement.stopping import Stop, Stopped
from placement.verdict import Verdict

SEARCHES = Limits(core_candidates=0, exact_candidates=0)
"""The searches alone, which prove nothing."""
TOGETHER = [[Term.SITES, Term.LATENCY, Term.PRICE]]


def network(seed: int, *, sites: int = 14) -> tuple[Builder, list[Component]]:
    """Sites of different prices on a line with shortcuts."""
    draw, build = random.Random(seed), Builder()
    made = [
        build.site(position=at(n * 0.7, draw.random()), price_per_core_hour=round(draw.random(), 3))
        for n in range(sites)
    ]
    for n in range(sites - 1):
        build.link(made[n], made[n + 1], 1.0 + draw.random())
    for _ in range(sites // 2):
        one, other = draw.sample(made, 2)
        build.link(one, other, 1.0 + 2 * draw.random())
    return build, [build.component(name="web"), build.component(name="db")]


def policy(seed: int, **more: Any) -> PlacementPolicy:
    draw = random.Random(-seed)
    places = [
        LatencyTarget(place=Place(position=at(draw.uniform(0, 9), draw.random())), within_ms=draw.uniform(3, 6))
        for _ in range(6)
    ]
    more.setdefault("objective", TOGETHER)
    return PlacementPolicy(latency=places, **more)


APART = [ComponentPolicy(component="db", apart=True, serves=["web"], within_ms=3.0)]


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_the_bound_is_no_more_than_the_best_costs_and_says_how_far_the_decision_is(seed: int, apart: bool) -> None:
    build, components = network(seed)
    problem = build.problem(*components, policy=policy(seed, components=APART if apart else []))
    best, found = decide(problem), decide(problem, limits=SEARCHES)
    assert found.feasible
    assert (found.bound_kind, found.gap, found.proven) == ("NONE", None, False)
    told = bounded(found)
    assert best.proven
    assert told.bound_kind == "LP"
    [tier], [least] = told.objective.tiers, best.objective.tiers
    assert tier.bound is not None
    assert tier.bound <= least.cost * (1 + 1e-6)
    assert told.gap == pytest.approx((tier.cost - tier.bound) / tier.bound, abs=1e-9)
    assert told.proven is (tier.cost <= tier.bound * (1 + 1e-6))
    assert (told.placements, list(told.told)) == (found.placements, list(found.told)), "all else is as it was decided"
    assert bounded(found) == told, "the same again"


@pytest.mark.parametrize("seed", range(4))
def test_a_later_tier_is_bounded_given_those_before_it(seed: int) -> None:
    build, components = network(seed)
    problem = build.problem(*components, policy=policy(seed, objective=[[Term.SITES], [Term.LATENCY, Term.PRICE]]))
    best, told = decide(problem), bounded(decide(problem, limits=SEARCHES))
    for one, least in zip(told.objective.tiers, best.objective.tiers, strict=True):
        assert one.bound is not None
        assert one.bound <= least.cost * (1 + 1e-6)
        if one.cost > least.cost * (1 + 1e-6):
            break  # what comes after is bounded for choices that are as bad before it


def test_a_share_of_a_bound_of_0_is_not_known_and_cost_and_bound_are_told() -> None:
    """Two triangles, each side of which wants one of its ends: half of each end is enough for a relaxation, and a dear hub
    for the second triangle is what three sites do without."""
    build = Builder()
    corners = [build.site(price_per_core_hour=0.0).id for _ in range(6)]
    hub = build.site(price_per_core_hour=3.0).id
    sides = [(0, 1), (1, 2), (2, 0), (3, 4), (4, 5), (5, 3)]
    groups = [
        SiteGroup(
            any_of=[SiteGroup(sites=SiteSelector(site_ids=[corners[one], corners[other], *([hub] if one > 2 else [])]))]
        )
        for one, other in sides
    ]
    asked = PlacementPolicy(groups=groups, max_sites=3, objective=[[Term.PRICE]])
    problem = build.problem(build.component(), policy=asked)
    best, told = decide(problem), bounded(decide(problem, limits=SEARCHES))
    assert (best.proven, best.gap) == (True, 0.0)
    [tier], [least] = told.objective.tiers, best.objective.tiers
    assert (told.bound_kind, told.gap, told.proven) == ("LP", None, False)
    assert tier.cost == least.cost == pytest.approx(0.5 * 3.0)
    assert tier.bound == pytest.approx(0.0, abs=1e-6)
    assert bounded(told) is told


def test_what_is_told_already_or_cannot_be_is_left_as_it_is() -> None:
    build, components = network(1)
    proved = decide(build.problem(*components, policy=policy(1)))
    hopeless = decide(build.problem(*components, policy=policy(1, min_sites=99)), limits=SEARCHES)
    total = Division(mode=DivisionMode.STATIC)
    divided = decide(build.problem(*components, policy=policy(1, division=total), replicas={"web": 9, "db": 9}))
    assert proved.proven
    assert not hopeless.feasible
    assert divided.feasible
    assert [bounded(one) is one for one in (proved, hopeless, divided)] == [True] * 3


def searched() -> Verdict:
    build, components = network(2)
    return decide(build.problem(*components, policy=policy(2)), limits=SEARCHES)


def test_a_problem_that_is_too_large_stays_without_a_bound() -> None:
    verdict = searched()
    assert bounded(verdict, most_pairs=3) is verdict


def test_a_bound_that_nobody_waits_for_is_given_up() -> None:
    verdict, stop = searched(), Stop()
    stop.ask()
    with pytest.raises(Stopped):
        bounded(verdict, stop=stop)


def test_a_nearer_bound_that_deciding_proved_is_kept() -> None:
    verdict = bounded(searched())
    assert verdict.proven or bounded(verdict).gap == verdict.gap
