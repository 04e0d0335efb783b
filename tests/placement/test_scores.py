"""Each score: what it measures, its unit, and how it is scaled over the sites that passed."""

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
    assert (found[cheap.id]["price"].scaled, found[dear.id]["price"].scaled) == (1.0, 0.0)
    assert found[cheap.id]["price"].unit == "price units/h"


def test_headroom_is_what_stays_free_of_the_scarcest_resource(build: Builder) -> None:
    big = build.site(node={"capacity": amount(10_000, 10 * GIB)})
    small = build.site(node={"capacity": amount(2_000, 10 * GIB)})
    found = terms(build, build.component(resources=amount(1000, 3 * GIB)), policy=EVERYWHERE)
    assert found[big.id]["headroom"].value == pytest.approx(0.7)
    assert found[small.id]["headroom"].value == pytest.approx(0.5)
    assert "70%" in found[big.id]["headroom"].explanation


def test_latency_is_the_mean_to_the_places_that_are_served_in_time(build: Builder) -> None:
    a, b = build.site(position=at(0, 0)), build.site(position=at(0, 1))
    build.link(a, b, 3.0)
    policy = PlacementPolicy(
        everywhere=True,
        latency=[
            LatencyTarget(place=Place(site_id=a.id), within_ms=4.0),
            LatencyTarget(place=Place(site_id=b.id), within_ms=1.0),
        ],
    )
    found = terms(build, build.component(), policy=policy)
    assert found[a.id]["latency"].value == pytest.approx(0.15)
    assert found[b.id]["latency"].value == pytest.approx((3.15 + 0.15) / 2)
    assert (found[a.id]["latency"].scaled, found[b.id]["latency"].scaled) == (1.0, 0.0)


def test_latency_counts_places_by_their_demand(build: Builder) -> None:
    a, b = build.site(position=at(0, 0)), build.site(position=at(0, 1))
    build.link(a, b, 3.0)

    def mean(*demand: float) -> float:
        targets = [
            LatencyTarget(place=Place(site_id=site.id), within_ms=4.0, demand=one)
            for site, one in zip((a, b), demand, strict=True)
        ]
        policy = PlacementPolicy(everywhere=True, latency=targets)
        return terms(build, component, policy=policy)[a.id]["latency"].value

    component = build.component()
    assert mean(3.0, 1.0) == pytest.approx((3 * 0.15 + 3.15) / 4)
    assert mean(0.0, 1.0) == pytest.approx(3.15)
    assert mean(0.0, 0.0) == pytest.approx((0.15 + 3.15) / 2)


def test_latency_says_nothing_when_no_place_is_given(build: Builder) -> None:
    site = build.site()
    assert set(terms(build, build.component(), policy=PlacementPolicy())[site.id]) == {"headroom", "price"}


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
        assert float(refusal.reasons[0].need) == pytest.approx(chosen.score, abs=1e-4)
        assert float(refusal.reasons[0].have) < chosen.score
