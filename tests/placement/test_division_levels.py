"""Totals divided over regions first, level by level, then over the sites in each."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from placement_graphs import GIB, Builder, amount, at

from graph.kinds import Region, RegionLevel, Site
from graph.kinds.policy import (
    Division,
    DivisionLevel,
    DivisionMode,
    LatencyTarget,
    Place,
    PlacementPolicy,
    RegionWeight,
    SiteSelector,
    SiteWeight,
)
from graph.refusal import InvalidInput, NotFound
from placement.decision import Decision

STATIC, FREE, DEMAND = DivisionMode.STATIC, DivisionMode.FREE_CAPACITY, DivisionMode.DEMAND


class Lands:
    """Two countries: `a` has the provinces `p` (two sites) and `q` (one), `b` has one site, in no province."""

    def __init__(self, build: Builder) -> None:
        self.build = build
        self.regions: dict[str, Region] = {}
        self.region("earth", RegionLevel.WORLD)
        for name in "ab":
            self.region(name, RegionLevel.COUNTRY, "earth")
        for name in "pq":
            self.region(name, RegionLevel.PROVINCE, "a")
        self.sites = {
            name: self.site(region, name, x) for x, (name, region) in enumerate(zip("1234", "ppqb", strict=True))
        }
        self.component = build.component(resources=amount(100, GIB // 64))

    def region(self, name: str, level: RegionLevel, parent: str | None = None) -> None:
        above = self.regions[parent].id if parent else None
        self.regions[name] = self.build.make(Region, name=name, level=level, parent_id=above)

    def site(self, region: str, name: str, x: int, *, cpu: int = 100_000) -> Site:
        node = {"capacity": amount(cpu, 64 * GIB)}
        return self.build.site(region_id=self.regions[region].id, name=name, position=at(x, 0), node=node)

    def level(self, level: str, **weights: int) -> DivisionLevel:
        given = [RegionWeight(region_ids=[self.regions[name].id], weight=one) for name, one in weights.items()]
        return DivisionLevel(level=level, weights=given)

    def decide(self, total: int, division: Division, **options: Any) -> Decision:
        policy = PlacementPolicy(division=division, **options.pop("words", {}))
        return self.build.decide(self.component, policy=policy, replicas={self.component.name: total}, **options)

    def shares(self, total: int, division: Division, **options: Any) -> dict[str, int]:
        decision = self.decide(total, division, **options)
        assert decision.feasible, decision.conflicts
        names = {site.id: name for name, site in self.sites.items()}
        return {names[one.site_id]: one.components[0].replicas for one in decision.placements}


@pytest.fixture
def lands(build: Builder) -> Lands:
    return Lands(build)


def test_a_country_has_its_share_however_many_sites_it_has(lands: Lands) -> None:
    assert lands.shares(12, Division()) == {"1": 3, "2": 3, "3": 3, "4": 3}
    assert lands.shares(12, Division(levels=[lands.level("COUNTRY")])) == {"1": 2, "2": 2, "3": 2, "4": 6}
    assert lands.shares(12, Division(levels=[lands.level("COUNTRY", a=3, b=1)])) == {"1": 3, "2": 3, "3": 3, "4": 3}


def test_levels_go_from_country_to_province_to_site(lands: Lands) -> None:
    levels = [lands.level("COUNTRY", a=2, b=1), lands.level("PROVINCE")]
    assert lands.shares(12, Division(levels=levels)) == {"1": 2, "2": 2, "3": 4, "4": 4}
    weights = [
        SiteWeight(sites=SiteSelector(site_ids=[lands.sites["1"].id]), weight=3),
        SiteWeight(sites=SiteSelector(), weight=1),
    ]
    assert lands.shares(12, Division(levels=levels, weights=weights)) == {"1": 3, "2": 1, "3": 4, "4": 4}


def test_regions_without_weights_of_their_own_weigh_what_their_sites_do_together(lands: Lands) -> None:
    levels = [lands.level("COUNTRY")]
    assert lands.shares(12, Division(mode=FREE, levels=levels)) == {"1": 3, "2": 3, "3": 3, "4": 3}
    places = [
        LatencyTarget(place=Place(position=at(x, 0)), within_ms=1.0, demand=demand)
        for x, demand in enumerate((1.0, 1.0, 1.0, 9.0))
    ]
    demanded = Division(mode=DEMAND, levels=levels)
    assert lands.shares(12, demanded, words={"latency": places}) == {"1": 1, "2": 1, "3": 1, "4": 9}
    half = Division(mode=DEMAND, levels=[lands.level("COUNTRY", a=1, b=1)])
    assert lands.shares(12, half, words={"latency": places}) == {"1": 2, "2": 2, "3": 2, "4": 6}


def test_a_weight_names_regions_or_what_they_lie_in_and_the_first_that_does_counts(lands: Lands) -> None:
    level = DivisionLevel(
        level="COUNTRY",
        weights=[
            RegionWeight(region_ids=[lands.regions["b"].id], weight=3),
            RegionWeight(region_ids=[lands.regions["earth"].id], weight=1),
        ],
    )
    assert lands.shares(12, Division(levels=[level])) == {"1": 1, "2": 1, "3": 1, "4": 9}


@pytest.mark.parametrize("mode", [STATIC, FREE])
def test_a_region_without_weight_has_no_part_and_its_sites_are_told_why(lands: Lands, mode: DivisionMode) -> None:
    decision = lands.decide(6, Division(mode=mode, levels=[lands.level("COUNTRY", a=1)]))
    assert sum(one.components[0].replicas for one in decision.placements) == 6
    assert lands.sites["4"].id not in {one.site_id for one in decision.placements}
    (told,) = [one for one in decision.refusals if one.site_id == lands.sites["4"].id]
    assert "the policy gives it no weight" in told.reasons[0].message


def test_what_a_region_has_no_room_for_goes_to_the_others(lands: Lands) -> None:
    lands.sites["4"] = lands.build.change(lands.sites["4"], schedulable=False)
    lands.sites["5"] = lands.site("b", "5", 9, cpu=200)
    assert lands.shares(12, Division(levels=[lands.level("COUNTRY")])) == {"1": 4, "2": 3, "3": 3, "5": 2}


def test_each_site_has_its_least_and_at_most_its_most_whatever_its_region_is_due(lands: Lands) -> None:
    levels = [lands.level("COUNTRY", a=1, b=9)]
    assert lands.shares(20, Division(levels=levels, min_each=1))["4"] == 17
    assert lands.shares(20, Division(levels=levels, max_each=8))["4"] == 8


def test_preferred_sites_are_filled_first_and_levels_decide_within(lands: Lands) -> None:
    first = [lands.sites[name].id for name in "14"]
    words = {"preferences": [SiteSelector(site_ids=first), SiteSelector()]}
    division = Division(levels=[lands.level("COUNTRY", a=1, b=3)], max_each=8)
    assert lands.shares(8, division, words=words) == {"1": 2, "4": 6}
    assert lands.shares(12, division, words=words) == {"1": 4, "4": 8}
    shares = lands.shares(18, division, words=words)
    assert (shares["1"], shares["4"], shares["2"] + shares["3"]) == (8, 8, 2)


@pytest.mark.parametrize("mode", [STATIC, FREE])
def test_no_site_has_fewer_of_a_larger_total_and_each_country_has_its_share(lands: Lands, mode: DivisionMode) -> None:
    division = Division(mode=mode, levels=[lands.level("COUNTRY", a=5, b=2), lands.level("PROVINCE")])
    before: Counter[str] = Counter()
    for total in range(1, 25):
        now = Counter(lands.shares(total, division))
        assert all(now[name] >= count for name, count in before.items())
        assert 2 * total // 7 <= now["4"] <= -(-2 * total // 7)
        before = now


def test_what_runs_is_not_moved_because_free_room_drifts(lands: Lands) -> None:
    division = Division(mode=FREE, levels=[lands.level("COUNTRY")])
    deployment = lands.build.deployment()
    runs = {"1": 5, "2": 1, "3": 1, "4": 1}
    for name, count in runs.items():
        node = next(iter(lands.build.view.ids("Node", "site_id", lands.sites[name].id)))
        lands.build.release(lands.component, lands.sites[name], {node: count}, deployment_id=deployment.id)
    assert lands.shares(8, division, excluding_deployment_id=deployment.id) == runs
    more = lands.shares(10, division, excluding_deployment_id=deployment.id)
    assert all(more[name] >= count for name, count in runs.items())


@pytest.mark.parametrize(
    ("levels", "path", "message"),
    [
        (["COUNTRY", "COUNTRY"], "levels[1].level", "not within COUNTRY"),
        (["PROVINCE", "COUNTRY"], "levels[1].level", "not within PROVINCE"),
        (["STREET"], "levels[0].level", "no level 'STREET'"),
    ],
)
def test_levels_are_known_and_go_from_coarse_to_fine(lands: Lands, levels: list[str], path: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message) as caught:
        lands.decide(4, Division(levels=[lands.level(one) for one in levels]))
    assert caught.value.path == f"input.policy.division.{path}"
    assert caught.value.remedy


def test_a_weight_of_what_lies_below_the_level_is_refused_and_one_of_no_region_too(lands: Lands) -> None:
    with pytest.raises(InvalidInput, match="'p' is a PROVINCE, below the level COUNTRY") as caught:
        lands.decide(4, Division(levels=[lands.level("COUNTRY", b=1, p=1)]))
    assert caught.value.path == "input.policy.division.levels[0].weights[1].regionIds[0]"
    nowhere = RegionWeight(region_ids=["region_none"], weight=1)
    with pytest.raises(NotFound):
        lands.decide(4, Division(levels=[DivisionLevel(level="COUNTRY", weights=[nowhere])]))
