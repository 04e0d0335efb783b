"""Each score: what it measures, its unit, its scale, and that less is better."""

from __future__ import annotations

import pytest
from placement_graphs import GIB, Builder, amount, at

from graph.kinds.policy import LatencyTarget, Place, PlacementPolicy, ScoreWeights
from placement.decision import ScoreTerm


def terms(build: Builder, *components: object, policy: PlacementPolicy) -> dict[str, dict[str, ScoreTerm]]:
    decision = build.decide(*components, policy=policy)  # type: ignore[arg-type]  # handed on as it came
    assert decision.feasible
    return {one.site_id: {term.name: term for term in one.terms} for one in decision.placements}


EVERYWHERE = PlacementPolicy(everywhere=True)


def test_price_is_that_of_the_cores_asked_for(build: Builder) -> None:
    cheap, dear = build.site(price_per_core_hour=0.1), build.site(price_per_core_hour=0.3)
    found = terms(build, build.component(resources=amount(500), replicas=4), policy=EVERYWHERE)
    assert found[cheap.id]["price"].value == pytest.approx(0.2)
    assert found[dear.id]["price"].value == pytest.approx(0.6)
    assert found[dear.id]["price"].weighted == pytest.approx(0.6 * 0.5)
    assert found[cheap.id]["price"].unit == "price units/h"


def test_headroom_is_what_is_in_use_then_of_the_scarcest_resource(build: Builder) -> None:
    big = build.site(node={"capacity": amount(10_000, 10 * GIB)})
    small = build.site(node={"capacity": amount(2_000, 10 * GIB)})
    found = terms(build, build.component(resources=amount(1000, 3 * GIB)), policy=EVERYWHERE)
    assert found[big.id]["headroom"].value == pytest.approx(0.3)
    assert found[small.id]["headroom"].value == pytest.approx(0.5)
    assert "30%" in found[big.id]["headroom"].explanation


def test_latency_is_the_mean_over_all_places_shared_out_to_the_sites_that_serve_them(build: Builder) -> None:
    a, b = build.site(position=at(0, 0)), build.site(position=at(0, 1))
    build.link(a, b, 3.0)
    policy = PlacementPolicy(
        everywhere=True,
        latency=[
            LatencyTarget(place=Place(site_id=a.id), within_ms=4.0, demand=3.0),
            LatencyTarget(place=Place(site_id=b.id), within_ms=1.0),
        ],
    )
    found = terms(build, build.component(), policy=policy)
    assert found[a.id]["latency"].value == pytest.approx(0.15 * 0.75)
    assert found[b.id]["latency"].value == pytest.approx(0.15 * 0.25)
    assert found[a.id]["latency"].scaled == pytest.approx(0.15 * 0.75 / 10)


def test_latency_says_nothing_when_no_place_is_given(build: Builder) -> None:
    site = build.site()
    assert set(terms(build, build.component(), policy=PlacementPolicy())[site.id]) == {"sites", "headroom", "price"}


def test_a_score_is_the_sum_of_its_weighted_terms_and_weights_decide(build: Builder) -> None:
    cheap = build.site(price_per_core_hour=0.1, node={"capacity": amount(2_000, 16 * GIB)})
    roomy = build.site(price_per_core_hour=0.9, node={"capacity": amount(64_000, 64 * GIB)})
    component = build.component()
    for weights, expected in (
        (ScoreWeights(latency=0, headroom=0, price=2), cheap),
        (ScoreWeights(latency=0, headroom=3, price=1), roomy),
    ):
        decision = build.decide(component, policy=PlacementPolicy(weights=weights))
        chosen = decision.placements[0]
        assert chosen.site_id == expected.id
        assert chosen.score == pytest.approx(sum(one.weighted for one in chosen.terms))
        assert all(one.weighted == pytest.approx(one.scaled * one.weight) for one in chosen.terms)
        (refusal,) = decision.refusals
        assert [one.rule for one in refusal.reasons] == ["not_needed"]
        # Both are one site, so what decides are the terms of the tier after it.
        later = sum(one.weighted for one in chosen.terms if one.tier == 1)
        assert float(refusal.reasons[0].need) == pytest.approx(later, abs=1e-4)
        assert float(refusal.reasons[0].have) > later


def test_moves_count_the_components_that_did_not_run_at_a_site(build: Builder) -> None:
    old, new = build.site(price_per_core_hour=0.5), build.site(price_per_core_hour=0.1)
    component = build.component()
    node_id = next(iter(build.view.ids("Node", "site_id", old.id)))
    release = build.release(component, old, {node_id: 1})
    for weight, expected, moved in ((1.0, old, 0), (0.1, new, 1)):
        policy = PlacementPolicy(weights=ScoreWeights(moves=weight))
        decision = build.decide(component, policy=policy, excluding_deployment_id=release.deployment_id)
        (chosen,) = decision.placements
        assert (chosen.site_id, decision.objective.moves) == (expected.id, moved)
        (term,) = [one for one in chosen.terms if one.name == "moves"]
        assert (term.value, term.weighted) == (float(moved), moved * weight)
    assert build.decide(component).objective.moves == 0
