"""Spread: the domain of each site, by site, region of a level, or label."""

from __future__ import annotations

import numpy as np
from placement_graphs import Builder

from graph.kinds import Region, RegionLevel
from graph.kinds.policy import PlacementPolicy, Spread, SpreadBy
from placement.domains import SpreadDomains


def spread(build: Builder, one: Spread) -> SpreadDomains:
    (found,) = build.problem(build.component(), policy=PlacementPolicy(spread=[one])).words.spread
    return found


def named(found: SpreadDomains) -> list[str | None]:
    return [None if one < 0 else found.names[one] for one in found.domain.tolist()]


def test_each_site_is_a_domain_of_its_own(build: Builder) -> None:
    sites = [build.site(nodes=0) for _ in range(3)]
    assert named(spread(build, Spread(by=SpreadBy.SITE))) == [one.id for one in sites]


def test_regions_count_at_the_level_that_is_asked_for(build: Builder) -> None:
    country = build.make(Region, name="country", level=RegionLevel.COUNTRY)
    city = build.make(Region, name="city", level=RegionLevel.CITY, parent_id=country.id)
    for region in (city, country, build.region):
        build.site(nodes=0, region_id=region.id)
    assert named(spread(build, Spread(by=SpreadBy.REGION))) == [city.id, country.id, build.region.id]
    by_country = spread(build, Spread(by=SpreadBy.REGION, level="COUNTRY"))
    assert named(by_country) == [country.id, country.id, None]
    assert by_country.kind == "region of level COUNTRY"
    assert named(spread(build, Spread(by=SpreadBy.REGION, level="CITY"))) == [city.id, None, None]


def test_labels_make_domains_of_their_values(build: Builder) -> None:
    for labels in ({"rack": "r1"}, {}, {"rack": "r2"}, {"rack": "r1"}, {"rack": ""}):
        build.site(nodes=0, labels=labels)
    found = spread(build, Spread(by=SpreadBy.LABEL, label="rack"))
    assert named(found) == ["r1", None, "r2", "r1", ""]


def test_the_solver_gets_domains_of_candidates_numbered_from_zero(build: Builder) -> None:
    for rack in ("r1", "r2", "r3", "r2"):
        build.site(nodes=0, labels={"rack": rack})
    wanted = Spread(by=SpreadBy.LABEL, label="rack", min_domains=2, max_domains=3, max_sites_each=1)
    found = spread(build, wanted).among(np.array([1, 2, 3]))
    assert found.domain.tolist() == [0, 1, 0]
    assert (found.min_domains, found.max_domains, found.max_each, found.label) == (2, 3, 1, "spread[0]")
