"""Totals divided over what the solver opens: what bounds and weights leave room for is what is chosen, or it is refused."""

from __future__ import annotations

import pytest
from placement_graphs import Builder, at

from graph.kinds.policy import (
    Division,
    LatencyTarget,
    Place,
    PlacementPolicy,
    SiteSelector,
    SiteWeight,
)
from placement.decision import Decision, PlacementStatus


def replicas(decision: Decision) -> list[int]:
    """Of the first component, in the order of sites."""
    return [one.components[0].replicas for one in decision.placements]


DIVISIONS: dict[str, tuple[Division, int | None, int, list[int]]] = {
    # division, maxSites, total, replicas
    "one each, as many as sites": (Division(max_each=1), None, 3, [1, 1, 1]),
    "a least that not all sites can have": (Division(min_each=2), None, 3, [3]),
    "a least that some can have": (Division(min_each=2), None, 5, [2, 3]),
    "a least and a most": (Division(min_each=2, max_each=3), None, 6, [2, 2, 2]),
    "as few sites as may be": (Division(), 1, 3, [3]),
    "a total that no power of ten divides": (Division(max_each=7), None, 21, [7, 7, 7]),
}


@pytest.mark.parametrize(("division", "max_sites", "total", "expected"), DIVISIONS.values(), ids=DIVISIONS)
def test_a_total_is_divided_over_sites_that_take_it(
    build: Builder, division: Division, max_sites: int | None, total: int, expected: list[int]
) -> None:
    for _ in range(3):
        build.site(nodes=4)
    decision = build.decide(
        build.component(replicas=total), policy=PlacementPolicy(division=division, max_sites=max_sites)
    )
    assert decision.feasible
    assert sorted(replicas(decision)) == expected


def test_a_site_without_weight_is_not_chosen_for_a_total(build: Builder) -> None:
    sites = [build.site() for _ in range(3)]
    weights = [SiteWeight(sites=SiteSelector(site_ids=[sites[2].id]), weight=1)]
    decision = build.decide(
        build.component(replicas=3), policy=PlacementPolicy(division=Division(weights=weights), max_sites=1)
    )
    assert [one.site_id for one in decision.placements] == [sites[2].id]


@pytest.mark.parametrize(
    "division",
    [
        Division(weights=[SiteWeight(sites=SiteSelector(labels="none=such"), weight=1)]),
        Division(min_each=2, max_each=2),
    ],
)
def test_a_total_that_no_site_takes_is_not_feasible(build: Builder, division: Division) -> None:
    for _ in range(3):
        build.site()
    decision = build.decide(build.component(replicas=3), policy=PlacementPolicy(division=division))
    assert not decision.feasible
    assert decision.placements == []
    assert decision.status is not PlacementStatus.FEASIBLE
    assert [one.rule for one in decision.conflicts] == ["total"]


def test_places_and_what_stands_against_them_are_told_together(build: Builder) -> None:
    sites = [build.site(position=at(0, 0)), build.site(position=at(40, 0))]
    latency = [LatencyTarget(place=Place(site_id=one.id), within_ms=1.0) for one in sites]
    decision = build.decide(build.component(), policy=PlacementPolicy(latency=latency, max_sites=1))
    assert decision.status is PlacementStatus.INFEASIBLE
    assert sorted(decision.irreducible) == ["max_sites", "places"]
