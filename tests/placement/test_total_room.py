"""Totals without room are proved by adding up, and told with the component, need and have."""

from __future__ import annotations

import pytest
from placement_graphs import Builder, amount

from graph.kinds.policy import Division, PlacementPolicy, SiteSelector, SiteWeight
from placement.decision import PlacementStatus


@pytest.mark.parametrize(
    ("division", "max_sites", "need", "have", "irreducible"),
    [
        (Division(), None, 1_000, 12, ["total"]),
        (Division(max_each=2), None, 7, 6, ["total"]),
        (Division(), 2, 10, 8, ["max_sites", "total"]),
    ],
    ids=["room", "at most so many each", "at most so many sites"],
)
@pytest.mark.parametrize("others", [0, 1])
def test_a_total_above_all_room_is_proved_to_have_none(
    division: Division, max_sites: int | None, need: int, have: int, irreducible: list[str], others: int
) -> None:
    builder = Builder()
    for _ in range(3):
        builder.site(nodes=1)
    component = builder.component(name="web", resources=amount(1_000))
    small = [builder.component(name=f"small{n}", resources=amount(1)) for n in range(others)]
    policy = PlacementPolicy(division=division, max_sites=max_sites)
    replicas = {"web": need, **{one.name: 1 for one in small}}
    decision = builder.decide(component, *small, policy=policy, replicas=replicas)
    assert decision.status is PlacementStatus.INFEASIBLE
    assert decision.irreducible == irreducible
    [conflict] = decision.conflicts
    assert (conflict.rule, conflict.need, conflict.have, conflict.unit) == ("total", str(need), str(have), "replicas")
    assert "'web'" in conflict.message
    assert str(have) not in conflict.untold.replace(str(need), "").replace("at most 2 each", "")


def test_a_total_that_just_fits_is_placed() -> None:
    builder = Builder()
    for _ in range(3):
        builder.site(nodes=1)
    component = builder.component(name="web", resources=amount(1_000))
    decision = builder.decide(component, policy=PlacementPolicy(division=Division()), replicas={"web": 12})
    assert decision.feasible


NOWHERE = [SiteWeight(sites=SiteSelector(), weight=0)]


def three_sites(builder: Builder) -> list[str]:
    return [builder.site(name=name, nodes=1).id for name in "abc"]


@pytest.mark.parametrize(
    ("pinned", "total", "have"), [("", 1, 0), ("", 3, 0), ("a", 2, 1)], ids=["one", "several", "a pinned site"]
)
@pytest.mark.parametrize("chosen", ["abc", "b"])
def test_a_total_that_sites_without_a_weight_would_take_is_proved_to_have_none(
    pinned: str, total: int, have: int, chosen: str
) -> None:
    """`labels` weigh nothing that passes: the policy might weigh other sites."""
    builder = Builder()
    ids = dict(zip("abc", three_sites(builder), strict=True))
    weights = [SiteWeight(sites=SiteSelector(labels="never=there"), weight=3), *NOWHERE]
    sites = SiteSelector(site_ids=[ids[one] for one in sorted({*chosen, *pinned})])
    policy = PlacementPolicy(
        division=Division(weights=weights), pinned_site_ids=[ids[one] for one in pinned], sites=sites
    )
    component = builder.component(name="web", resources=amount(1_000))
    decision = builder.decide(component, policy=policy, replicas={"web": total})
    assert decision.status is PlacementStatus.INFEASIBLE
    assert decision.irreducible == ["division.weights", "total"]
    [conflict] = decision.conflicts
    assert (conflict.rule, conflict.need, conflict.have) == ("total", str(total), str(have))
    assert "weight" in conflict.message
    assert "weight" in conflict.untold


def test_what_weights_leave_out_has_room_and_is_told_as_the_weights(build: Builder) -> None:
    one, *_ = three_sites(build)
    weights = [SiteWeight(sites=SiteSelector(site_ids=[one]), weight=1)]
    policy = PlacementPolicy(division=Division(weights=weights))
    decision = build.decide(build.component(name="web", resources=amount(1_000)), policy=policy, replicas={"web": 6})
    assert decision.irreducible == ["division.weights", "total"]
    [conflict] = decision.conflicts
    assert (
        conflict.message
        == "6 replicas of 'web' are wanted in all; by the weights that the policy gives the sites that pass take 4"
    )


def test_with_a_least_for_each_site_no_weight_is_needed(build: Builder) -> None:
    three_sites(build)
    component = build.component(name="web", resources=amount(1_000))
    policy = PlacementPolicy(division=Division(weights=NOWHERE, min_each=2))
    assert build.decide(component, policy=policy, replicas={"web": 6}).feasible
    decision = build.decide(component, policy=policy, replicas={"web": 7})
    assert decision.irreducible == ["division.weights", "total"]


def test_a_pinned_site_without_a_weight_takes_the_one_for_which_others_have_no_room(build: Builder) -> None:
    one, other, _ = three_sites(build)
    weights = [SiteWeight(sites=SiteSelector(site_ids=[one]), weight=1)]
    policy = PlacementPolicy(division=Division(weights=weights), pinned_site_ids=[other])
    component = build.component(name="web", resources=amount(1_000))
    decision = build.decide(component, policy=policy, replicas={"web": 5})
    assert {each.site_id: each.components[0].replicas for each in decision.placements} == {one: 4, other: 1}


def test_sites_that_pass_and_have_no_weight_are_counted_among_those_that_pass(build: Builder) -> None:
    one, *_ = three_sites(build)
    weights = [SiteWeight(sites=SiteSelector(site_ids=[one]), weight=1)]
    policy = PlacementPolicy(division=Division(weights=weights), min_sites=2)
    decision = build.decide(build.component(name="web", resources=amount(1_000)), policy=policy, replicas={"web": 3})
    assert [each.message for each in decision.conflicts] == [
        "at least 2 sites are wanted; 3 sites pass every rule, and 1 of them can be chosen with all else that is asked for"
    ]
