"""A decision that was accepted stays acceptable: decided again it is the same, with more room nothing is refused, and what
runs is where the search begins. And peers' published cases of divisions, as decisions.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hash_seeds import printed_by_each
from hypothesis import given, settings
from placement_graphs import GIB, Builder, amount
from test_decision_words import SMALL, World, one_unit, two_units

from graph.kinds import Component, Node, Site
from graph.kinds.policy import Division, DivisionMode, PlacementPolicy, SiteSelector, SiteWeight
from graph.refusal import InvalidInput
from graph.view import each
from placement.decision import Decision

FEW = settings(SMALL, max_examples=40)


def apply(world: World, decision: Decision) -> None:
    """What runs is now what was decided."""
    build = world.build
    for one in list(build.view.ids("Release", "deployment_id", world.deployment.id)):
        release = build.view.get(one)
        assert release is not None
        build.remove(release)
    by_id = {one.id: one for one in world.components}
    sites = {one.id: one for one in world.sites}
    for placement in decision.placements:
        for one in placement.components:
            build.release(
                by_id[one.component_id],
                sites[placement.site_id],
                one.assignments,
                deployment_id=world.deployment.id,
                replicas=one.replicas,
            )


def decided(world: World, policy: PlacementPolicy) -> Decision | None:
    try:
        return world.build.decide(*world.components, policy=policy, excluding_deployment_id=world.deployment.id)
    except InvalidInput:
        return None


def placed(decision: Decision) -> dict[str, dict[str, int]]:
    return {
        placement.site_id: {one.component_id: one.replicas for one in placement.components}
        for placement in decision.placements
    }


@FEW
@given(one_unit())
def test_what_runs_as_decided_is_decided_again_and_not_refused_with_more_room(
    case: tuple[World, PlacementPolicy],
) -> None:
    _stays(*case)


@FEW
@given(two_units())
def test_units_apart_that_run_as_decided_are_decided_again(case: tuple[World, PlacementPolicy]) -> None:
    _stays(*case)


def _stays(world: World, policy: PlacementPolicy) -> None:
    first = decided(world, policy)
    if first is None or not first.feasible:
        return
    apply(world, first)
    again = decided(world, policy)
    assert again is not None
    assert again.feasible
    if not policy.objective and policy.weights.moves >= 1.0:
        assert again.objective.moves == 0
        assert placed(again) == placed(first)
    once_more = decided(world, policy)
    assert once_more is not None
    assert placed(once_more) == placed(again)
    for node in list(each(world.build.view, Node)):
        world.build.change(node, capacity=node.capacity.plus(amount(4000, 16 * GIB)))
    world.build.node(world.sites[0], cluster_id=next(iter(world.build.view.ids("Cluster"))))
    roomier = decided(world, policy)
    assert roomier is not None
    assert roomier.feasible


SCRIPT = """
import sys
sys.path[:0] = [{tests!r}, {root!r}]
import hashlib, msgspec
from placement_graphs import Builder, amount, at
from graph.kinds.policy import *
build = Builder()
sites = [
    build.site(nodes=1 + n % 3, position=at(n % 6, n % 5), labels={{f"l{{n % 4}}": "x", "zone": f"z{{n % 5}}"}})
    for n in range(30)
]
for n in range(50):
    build.link(sites[n % 30], sites[(n * 7 + 1) % 30], 1.0 + n % 3)
targets = [LatencyTarget(place=Place(position=at(x, y)), within_ms=6.0) for x in range(4) for y in range(0, 5, 2)]
web, api, db = (build.component(name=name, resources=amount(700)) for name in ("web", "api", "db"))
apart = [ComponentPolicy(component="api", apart=True, serves=["web"], within_ms=3.0),
         ComponentPolicy(component="db", apart=True, serves=["api"], within_ms=6.0, never_with=["web"], min_sites=2)]
spread = [Spread(by=SpreadBy.LABEL, label="zone", min_domains=2)]
said = []
for policy, replicas in (
    (PlacementPolicy(latency=targets, components=apart, spread=spread), {{}}),
    (PlacementPolicy(latency=targets, division=Division(mode=DivisionMode.DEMAND)), {{"web": 40, "api": 7, "db": 3}}),
    (PlacementPolicy(groups=[SiteGroup(any_of=[SiteGroup(sites=SiteSelector(labels=one)) for one in ("l1", "l2")])]), {{}}),
    (PlacementPolicy(min_sites=31), {{}}),
):
    said.append(msgspec.json.encode(build.decide(web, api, db, policy=policy, replicas=replicas)))
print(hashlib.sha256(b"".join(said)).hexdigest())
"""


def test_units_apart_and_totals_have_one_decision_in_every_process() -> None:
    here = Path(__file__).parent
    script = SCRIPT.format(tests=str(here), root=str(here.parents[1]))
    answers = printed_by_each(script)
    assert len(answers) == 1


# Karmada's published cases, decided.


def members(build: Builder, *, nodes: int = 10, **labels: int) -> list[Site]:
    return [build.site(name=name, nodes=nodes) for name in labels]


def divided(
    build: Builder, component: Component, total: int, division: Division, **options: str
) -> tuple[dict[str, int], Decision]:
    decision = build.decide(
        component, policy=PlacementPolicy(division=division), replicas={component.name: total}, **options
    )
    assert decision.feasible
    names = {one.id: one.name for one in each(build.view, Site)}
    return {names[one.site_id]: one.components[0].replicas for one in decision.placements}, decision


def weighted(build: Builder, **weights: int) -> Division:
    ids = {one.name: one.id for one in each(build.view, Site)}
    return Division(
        weights=[
            SiteWeight(sites=SiteSelector(site_ids=[ids[name]]), weight=weight) for name, weight in weights.items()
        ]
    )


def test_issue_6735_no_member_shrinks_while_the_total_grows(build: Builder) -> None:
    weights = {"southcentralus": 170, "westus": 110, "eastus2": 60}
    members(build, **weights)
    component, division = build.component(resources=amount(500)), weighted(build, **weights)
    before = dict.fromkeys(weights, 0)
    for total in range(1, 41):
        found, _ = divided(build, component, total, division)
        assert sum(found.values()) == total
        assert all(found.get(name, 0) >= count for name, count in before.items())
        before = found
    assert before == {"southcentralus": 20, "westus": 13, "eastus2": 7}


@pytest.mark.parametrize(("least", "expected"), [(0, {"a": 4}), (1, {"a": 3, "b": 1})])
def test_issue_6424_a_member_of_small_weight_has_one_when_one_each_is_asked_for(
    build: Builder, least: int, expected: dict[str, int]
) -> None:
    members(build, a=9, b=1)
    division = weighted(build, a=9, b=1)
    division = Division(weights=division.weights, min_each=least)
    assert divided(build, build.component(), 4, division)[0] == expected


def test_issue_4220_what_runs_stays_when_the_total_grows(build: Builder) -> None:
    members(build, a=1, b=1, c=1, d=1)
    component, division = build.component(), Division()
    before: dict[str, int] = {}
    for total in range(1, 13):
        found, _ = divided(build, component, total, division)
        assert all(found.get(name, 0) >= count for name, count in before.items())
        assert max(found.values()) - min(found.get(name, 0) for name in "abcd") <= 1
        before = found


def test_by_free_capacity_quick_steps_of_one_do_not_herd(build: Builder) -> None:
    """Karmada's dynamic division put 38, 2 and 0 of 40 on three like members, for what it knows of them is old."""
    sites = {one.name: one for one in members(build, a=1, b=1, c=1)}
    component, deployment = build.component(resources=amount(500)), build.deployment()
    found: dict[str, int] = {}
    for total in range(1, 41):
        found, decision = divided(
            build,
            component,
            total,
            Division(mode=DivisionMode.FREE_CAPACITY),
            excluding_deployment_id=deployment.id,
        )
        for one in list(build.view.ids("Release", "deployment_id", deployment.id)):
            build.remove(build.view.get(one))  # type: ignore[arg-type]  # it was just listed
        for placement in decision.placements:
            site = next(one for one in sites.values() if one.id == placement.site_id)
            build.release(component, site, placement.components[0].assignments, deployment_id=deployment.id)
    assert sorted(found.values()) == [13, 13, 14]
