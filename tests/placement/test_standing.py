"""Whether what runs may stay where it is, on small graphs."""

from __future__ import annotations

from typing import Any

import pytest

from graph.kinds import Component, Deployment, LinkState, Release, Site
from graph.kinds.geography import LatencyTarget, Place
from graph.kinds.policy import Division, PlacementPolicy, SiteSelector
from graph.values import Taint, TaintEffect
from graph.view import each
from placement.standing import Refused, Standing, standing
from tests.placement.placement_graphs import Builder, amount


def running(build: Builder, component: Component, *sites: Site) -> Deployment:
    deployment = build.deployment()
    for site in sites:
        node = next(iter(build.view.ids("Node", "site_id", site.id)))
        build.release(component, site, {node: component.replicas}, deployment_id=deployment.id)
    return deployment


def stands(build: Builder, deployment: Deployment, component: Component, policy: PlacementPolicy) -> Standing:
    return standing(build.problem(component, policy=policy, excluding_deployment_id=deployment.id))


def test_what_is_as_it_was_placed_stands(build: Builder) -> None:
    site, _ = build.site(), build.site()
    web = build.component()
    deployment = running(build, web, site)
    assert stands(build, deployment, web, PlacementPolicy(min_sites=1, max_sites=1)).holds


def test_what_only_runs_until_it_is_replaced_is_no_site_too_many(build: Builder) -> None:
    old, new = build.site(), build.site()
    web = build.component()
    deployment = running(build, web, old, new)
    policy = PlacementPolicy(min_sites=1, max_sites=1)
    assert stands(build, deployment, web, policy).lacking, "two that stay are one too many"
    [leaving] = [one for one in each(build.view, Release) if one.site_id == old.id]
    build.change(leaving, retires_after=2)
    assert stands(build, deployment, web, policy).holds


def test_what_runs_nowhere_stands(build: Builder) -> None:
    build.site()
    web = build.component()
    assert stands(build, build.deployment(), web, PlacementPolicy()).holds


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"labels": {"zone": "east"}}, "labels"),
        ({"schedulable": False}, "cordon"),
    ],
)
def test_a_site_that_a_rule_refuses_by_now_is_named_with_it(build: Builder, change: dict[str, Any], rule: str) -> None:
    one, two = build.site(labels={"zone": "west"}), build.site(labels={"zone": "west"})
    web = build.component()
    deployment = running(build, web, one, two)
    policy = PlacementPolicy(min_sites=2, sites=SiteSelector(labels="zone=west"))
    assert stands(build, deployment, web, policy).holds
    build.change(one, **change)
    found = stands(build, deployment, web, policy)
    assert found.refused == (Refused(one.id, (rule,)),)
    assert found.lacking, "two are wanted"


def test_what_no_longer_fits_where_it_runs_is_refused_by_its_room(build: Builder) -> None:
    site = build.site()
    web = build.component(resources=amount(500))
    deployment = running(build, web, site)
    [node_id] = build.view.ids("Node", "site_id", site.id)
    build.change(build.view.get(node_id), capacity=amount(400))
    [refused] = stands(build, deployment, web, PlacementPolicy()).refused
    assert refused.rules == ("capacity",)


def test_its_own_use_is_no_fault_of_it(build: Builder) -> None:
    site = build.site(node={"capacity": amount(600)})
    web = build.component(resources=amount(500))
    assert stands(build, running(build, web, site), web, PlacementPolicy()).holds


def test_a_place_that_is_out_of_reach_is_lacking_and_no_fault_of_the_site(build: Builder) -> None:
    here, there = build.site(), build.site()
    link = build.link(here, there, 3.0)
    web = build.component()
    deployment = running(build, web, there)
    policy = PlacementPolicy(max_sites=1, latency=[LatencyTarget(place=Place(site_id=here.id), within_ms=5.0)])
    assert stands(build, deployment, web, policy).holds
    build.change(link, state=LinkState.DOWN)
    assert stands(build, deployment, web, policy) == Standing(lacking=True)


def test_a_site_that_matches_what_runs_everywhere_has_joined(build: Builder) -> None:
    one, two, three = (build.site(labels={"zone": zone}) for zone in ("west", "east", "west"))
    web = build.component()
    deployment = running(build, web, one)
    policy = PlacementPolicy(everywhere=True, sites=SiteSelector(labels="zone=west"))
    assert stands(build, deployment, web, policy).joined == (three.id,)
    build.change(two, labels={"zone": "west"})
    assert stands(build, deployment, web, policy).joined == (two.id, three.id)
    bounded = PlacementPolicy(everywhere=True, max_sites=1, sites=policy.sites)
    assert stands(build, deployment, web, bounded).holds


def test_of_a_total_that_is_divided_each_site_is_looked_at_by_itself(build: Builder) -> None:
    one, _ = build.site(labels={"zone": "west"}), build.site(labels={"zone": "west"})
    web = build.component()
    deployment = running(build, web, one)
    policy = PlacementPolicy(division=Division(), sites=SiteSelector(labels="zone=west"))
    assert stands(build, deployment, web, policy).holds
    build.change(one, labels={})
    assert [one.rules for one in stands(build, deployment, web, policy).refused] == [("labels",)]


def test_a_tainted_node_that_alone_has_room_refuses_its_site(build: Builder) -> None:
    site = build.site()
    web = build.component()
    deployment = running(build, web, site)
    [node_id] = build.view.ids("Node", "site_id", site.id)
    taints = [Taint(key="out", value="", effect=TaintEffect.NO_SCHEDULE)]
    build.change(build.view.get(node_id), taints=taints)
    [refused] = stands(build, deployment, web, PlacementPolicy()).refused
    assert refused.rules == ("taint",)
