"""Sites with other numbers than the choice was made with: the record tells of what they cost, and of nothing else."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from placement_graphs import GIB, Builder, amount

from graph.kinds import Component
from graph.kinds.policy import ComponentPolicy, PlacementPolicy, ScoreWeights, SiteSelector, Term
from placement.decision import Decision, SitePlacement
from placement.engine import decide
from placement.own_numbers import with_own_numbers
from placement.verdict import Verdict

TIERS = [[Term.PRICE, Term.HEADROOM], [Term.SITES]]
WEIGHTS = ScoreWeights(price=2.0, headroom=0.5)
APART = [ComponentPolicy(component="db", apart=True, sites=SiteSelector(labels="db=yes"))]


def graph(build: Builder) -> list[Component]:
    """Three sites of different prices, and two components of which one may have a site of its own."""
    for price, memory, labels in ((1.0, 0.5, {}), (2.0, 0.0, {"db": "yes"}), (4.0, 0.25, {})):
        build.site(nodes=2, price_per_core_hour=price, price_per_gib_hour=memory, labels=labels)
    return [
        build.component(name="web", resources=amount(500, GIB)),
        build.component(name="db", resources=amount(1000, 2 * GIB)),
    ]


def verdict_of(build: Builder, parts: list[Component], policy: PlacementPolicy, **replicas: int) -> Verdict:
    return decide(build.problem(*parts, policy=policy, replicas=replicas))


def told(decision: Decision) -> dict[str, Any]:
    return {
        "sites": [
            (one.site_id, one.score, one.terms, [(each.component_id, each.replicas) for each in one.components])
            for one in decision.placements
        ],
        "price": decision.objective.price_per_hour,
        "score": decision.objective.score,
        "costs": [(one.terms, one.cost) for one in decision.objective.tiers],
        "moves": decision.objective.moves,
    }


@pytest.mark.parametrize("components", [[], APART], ids=["together", "apart"])
@pytest.mark.parametrize("replicas", [{"web": 3}, {"web": 2, "db": 2}, {"web": 0, "db": 3}])
def test_what_has_the_same_numbers_everywhere_costs_what_it_would_have_cost_with_them(
    build: Builder, components: list[ComponentPolicy], replicas: dict[str, int]
) -> None:
    parts = graph(build)
    policy = PlacementPolicy(min_sites=2, max_sites=2, components=components, weights=WEIGHTS, objective=TIERS)
    before = verdict_of(build, parts, policy)
    sites = sorted({one.site_id for one in before.placements})
    # Held to the very sites, for with other numbers others might be better.
    held = msgspec.structs.replace(
        policy,
        sites=SiteSelector(site_ids=sites),
        pinned_site_ids=[
            one.site_id for one in before.placements if parts[0].id in {each.component_id for each in one.components}
        ],
    )
    wanted = verdict_of(build, parts, held, **replicas)
    after = with_own_numbers(before, wanted.placements, ceiling=True)
    exact, given = told(wanted), told(after)
    assert given["sites"] == [
        (site, pytest.approx(score), [pytest.approx(one) if isinstance(one, float) else one for one in terms], parts_)
        for site, score, terms, parts_ in exact["sites"]
    ]
    assert given["price"] == pytest.approx(exact["price"])
    assert given["costs"] == [(terms, pytest.approx(cost)) for terms, cost in exact["costs"]]
    assert given["score"] == pytest.approx(exact["score"])


def one_more(build: Builder, parts: list[Component], before: Verdict, **replicas: int) -> list[SitePlacement]:
    """The first chosen site with other numbers, as it is decided by itself."""
    policy = PlacementPolicy(sites=SiteSelector(site_ids=[before.placements[0].site_id]))
    return verdict_of(build, parts, policy, **replicas).placements


def test_one_site_has_another_price_and_the_others_theirs(build: Builder) -> None:
    parts = graph(build)
    policy = PlacementPolicy(min_sites=2, max_sites=2, weights=WEIGHTS, objective=TIERS)
    before = verdict_of(build, parts, policy)
    after = with_own_numbers(before, one_more(build, parts, before, web=4), ceiling=True)
    first, second = after.placements
    # Three more of half a core and a GiB, at 1 a core hour and 0.5 a GiB hour.
    more = 3 * (0.5 * 1.0 + 1 * 0.5)
    assert second == before.placements[1]
    assert after.objective.price_per_hour == pytest.approx(before.objective.price_per_hour + more)
    was, price = (
        next(one for one in at.terms if one.name == "price") for at in (before.placements[0], after.placements[0])
    )
    assert (was.value, price.value) == pytest.approx((3.0, 3.0 + more))
    assert (was.weighted, price.weighted) == pytest.approx((WEIGHTS.price * 3.0, WEIGHTS.price * (3.0 + more)))
    assert first.score == pytest.approx(sum(one.weighted for one in first.terms))
    assert after.objective.score == pytest.approx(sum(one.score for one in after.placements))
    assert [one.cost for one in after.objective.tiers] == pytest.approx(
        [sum(one.weighted for at in after.placements for one in at.terms if one.tier == tier) for tier in range(2)]
    )
    assert sum(first.components[0].assignments.values()) == 4


def test_how_far_it_is_from_the_best_is_not_said(build: Builder) -> None:
    parts = graph(build)
    before = verdict_of(build, parts, PlacementPolicy(max_sites=1, weights=WEIGHTS, objective=TIERS))
    assert before.proven
    after = with_own_numbers(before, one_more(build, parts, before, db=2), ceiling=True)
    assert (after.feasible, after.proven, after.bound_kind, after.gap) == (True, False, "NONE", None)
    assert {one.bound for one in after.objective.tiers} == {None}
    assert list(after.told) == list(before.told)


@pytest.mark.parametrize(("most", "ceiling", "feasible"), [(5.1, True, True), (4.9, True, False), (4.9, False, True)])
def test_the_highest_price_holds_for_what_is_asked_for(
    build: Builder, most: float, ceiling: bool, feasible: bool
) -> None:
    parts = graph(build)
    policy = PlacementPolicy(max_sites=1, max_price_per_hour=most, weights=WEIGHTS, objective=TIERS)
    before = verdict_of(build, parts, policy)
    assert before.objective.price_per_hour == pytest.approx(3.0)
    # One more of a core and two GiB: 2 in all.
    after = with_own_numbers(before, one_more(build, parts, before, db=2), ceiling=ceiling)
    assert after.feasible is feasible
    if not feasible:
        assert after.placements == []
        assert [(one.rule, one.need, one.have) for one in after.conflicts] == [("max_price_per_hour", "4.9", "5")]
    else:
        assert after.objective.price_per_hour == pytest.approx(5.0)
