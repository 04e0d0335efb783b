"""Polygons of a policy are bounded all together, wherever they stand in it."""

from __future__ import annotations

import pytest

from graph.kinds.geography import Coverage
from graph.kinds.policy import ComponentPolicy, PlacementPolicy, SiteGroup, SiteSelector
from graph.refusal import LimitExceeded
from graph.values import Position
from placement.policy_checks import MAX_POINTS, check_size


def polygon(points: int) -> list[list[Position]]:
    return [[Position(float(n % 90), 1.0) for n in range(points)]]


POLICIES = {
    "policy.sites.polygon": lambda area: PlacementPolicy(sites=SiteSelector(polygon=area)),
    "policy.preferences[1].polygon": lambda area: PlacementPolicy(
        preferences=[SiteSelector(), SiteSelector(polygon=area)]
    ),
    "policy.groups[0].anyOf[1].sites.polygon": lambda area: PlacementPolicy(
        groups=[SiteGroup(any_of=[SiteGroup(sites=SiteSelector()), SiteGroup(sites=SiteSelector(polygon=area))])]
    ),
    "policy.coverage[0].polygon": lambda area: PlacementPolicy(coverage=[Coverage(polygon=area, within_ms=1.0)]),
    "policy.components[0].sites.polygon": lambda area: PlacementPolicy(
        components=[ComponentPolicy(component="web", sites=SiteSelector(polygon=area))]
    ),
}


@pytest.mark.parametrize("where", POLICIES)
def test_too_many_points_are_refused_by_their_field(where: str) -> None:
    with pytest.raises(LimitExceeded) as refused:
        check_size(POLICIES[where](polygon(MAX_POINTS + 1)), path="policy")
    assert refused.value.path == where
    check_size(POLICIES[where](polygon(MAX_POINTS)), path="policy")


def test_the_points_of_all_polygons_count_together() -> None:
    half = SiteSelector(polygon=polygon(MAX_POINTS // 2))
    check_size(PlacementPolicy(preferences=[half, half]), path="policy")
    with pytest.raises(LimitExceeded):
        check_size(PlacementPolicy(sites=half, preferences=[half, half]), path="policy")
