"""Places that no choice serves: the limit that is not kept is named, with its own figures."""

from __future__ import annotations

import msgspec
from placement_graphs import Builder, at

from graph.kinds import Region
from graph.kinds.geography import Coverage
from graph.kinds.policy import LatencyTarget, Place, PlacementPolicy
from placement.decision import Decision


def two_sites() -> Builder:
    builder = Builder()
    west, east = builder.site(name="west", position=at(10, 50.1)), builder.site(name="east", position=at(12, 50))
    builder.link(west, east, 2.0)
    return builder


def covering(builder: Builder, **limit: float) -> Decision:
    return builder.decide(builder.component(), policy=PlacementPolicy(coverage=[Coverage(**limit)]))


def test_a_region_too_far_by_distance_is_told_of_in_kilometres() -> None:
    builder = two_sites()
    builder.make(Region, name="Faraway", centre=at(20, 50), demand=5.0)
    decision = covering(builder, within_km=50)
    [unmet] = decision.unmet
    assert (unmet.rule, unmet.within_ms, unmet.within_km) == ("distance", None, 50)
    assert unmet.distance_km is not None
    assert 560 < unmet.distance_km < 580
    assert (
        unmet.message
        == f"Faraway needs a site within 50 km; the nearest that passes is {unmet.distance_km:.1f} km away"
    )
    refused = {one.rule for site in decision.refusals for one in site.reasons}
    assert refused == {"distance"}


def test_a_choice_too_far_by_distance_is_told_of_as_near_enough() -> None:
    builder = two_sites()
    builder.make(Region, name="Faraway", centre=at(20, 50), demand=5.0)
    builder.make(Region, name="Nearby", centre=at(10, 50), demand=5.0)
    decision = covering(builder, within_km=50)
    [conflict] = decision.conflicts
    assert (conflict.rule, conflict.need, conflict.have) == ("distance", "2", "1")
    assert conflict.message == "no choice of sites that pass is near enough to Faraway"


def test_what_a_place_within_a_distance_is_told_survives_being_filed() -> None:
    builder = two_sites()
    builder.make(Region, name="Nearby", centre=at(10, 50), demand=5.0)
    decision = covering(builder, within_km=50)
    [served] = [one for site in decision.placements for one in site.serves]
    assert (served.within_ms, served.within_km) == (None, 50)
    assert msgspec.json.decode(msgspec.json.encode(decision), type=Decision) == decision


def test_bandwidth_that_no_way_has_is_named_with_what_there_is() -> None:
    builder = Builder()
    users, site, others = (
        builder.site(name=name, position=at(n, 1)) for n, name in enumerate(("users", "site", "others"))
    )
    builder.change(users, schedulable=False)
    builder.change(others, schedulable=False)
    builder.link(users, site, 1.0, bandwidth_mbps=100.0, reserved_mbps=50.0)
    builder.link(others, site, 1.0, bandwidth_mbps=1_000.0)
    policy = PlacementPolicy(
        latency=[
            LatencyTarget(place=Place(site_id=one.id), within_ms=5.0, min_bandwidth_mbps=80.0)
            for one in (users, others)
        ]
    )
    decision = builder.decide(builder.component(), policy=policy)
    [unmet] = decision.unmet
    assert unmet.rule == "bandwidth"
    assert unmet.message == "users needs 80 Mbit/s free on the way; the most to a site in time that passes is 50 Mbit/s"
    assert [one.message for one in decision.conflicts] == ["no choice of sites that pass has the bandwidth for users"]
