"""A decision that was made can be kept: each unit held to its sites keeps every word there, and is nowhere else."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import assume, event, given
from hypothesis import strategies as st
from placement_graphs import Builder
from test_composite_words import divided
from test_decision_words import SMALL, World, one_unit, two_units

from graph.kinds import Component
from graph.kinds.policy import ComponentPolicy, PlacementPolicy, SiteSelector
from graph.refusal import InvalidInput
from placement.decision import Decision
from placement.engine import decide
from placement.holding import held_to
from placement.problem import Problem


def places(decision: Decision, components: list[Component]) -> dict[str, set[str]]:
    names = {one.id: one.name for one in components}
    found = defaultdict(set)
    for at in decision.placements:
        for one in at.components:
            found[names[one.component_id]].add(at.site_id)
    return dict(found)


def problem_of(world: World, policy: PlacementPolicy, **more: object) -> Problem:
    try:
        return world.build.problem(
            *world.components, policy=policy, excluding_deployment_id=world.deployment.id, **more
        )
    except InvalidInput:
        assume(False)
        raise


@SMALL
@given(st.one_of(one_unit(), two_units()))
def test_what_was_decided_by_any_word_is_what_it_is_held_to(case: tuple[World, PlacementPolicy]) -> None:
    world, policy = case
    problem = problem_of(world, policy)
    decision = decide(problem)
    event(f"feasible {decision.feasible}")
    if decision.feasible:
        chosen = places(decision, world.components)
        held = decide(held_to(problem, chosen))
        assert held.feasible
        assert places(held, world.components) == chosen


@SMALL
@given(divided())
def test_a_total_can_be_divided_again_where_it_was(case: tuple[World, PlacementPolicy, dict[str, int]]) -> None:
    world, policy, replicas = case
    problem = problem_of(world, policy, replicas=replicas)
    decision = decide(problem)
    event(f"feasible {decision.feasible}")
    if decision.feasible:
        chosen = places(decision, world.components)
        held = decide(held_to(problem, chosen))
        assert held.feasible
        for name, sites in places(held, world.components).items():
            assert sites <= chosen.get(name, sites)


def test_each_unit_keeps_its_own_sites_and_the_others_are_told_so(build: Builder) -> None:
    left, right, third = (build.site(name=name) for name in ("left", "right", "third"))
    web, db = (build.component(name=name) for name in ("web", "db"))
    policy = PlacementPolicy(max_sites=1, components=[ComponentPolicy(component="db", apart=True)])
    problem = held_to(build.problem(web, db, policy=policy), {"web": [right.id], "db": [left.id, third.id]})
    decision = decide(problem)
    assert places(decision, [web, db]) == {"web": {right.id}, "db": {left.id, third.id}}
    refused = {(one.site_id, *one.components): [each.rule for each in one.reasons] for one in decision.told}
    assert refused == {(left.id, "web"): ["held"], (right.id, "db"): ["held"], (third.id, "web"): ["held"]}
    assert "stays at the sites where it is" in decision.told[0].reasons[0].message


@pytest.mark.parametrize(
    ("policy", "sites"),
    [
        (PlacementPolicy(), ["left", "site_gone"]),
        (PlacementPolicy(max_sites=1), ["left", "right"]),
        (PlacementPolicy(min_sites=2), ["left"]),
        (PlacementPolicy(sites=SiteSelector(labels="zone=a")), ["right"]),
        (PlacementPolicy(pinned_site_ids=["right"]), ["left"]),
    ],
)
def test_what_does_not_keep_the_policy_cannot_be_held(
    build: Builder, policy: PlacementPolicy, sites: list[str]
) -> None:
    made = {name: build.site(name=name, labels={"zone": zone}) for name, zone in (("left", "a"), ("right", "b"))}
    ids = {name: one.id for name, one in made.items()}
    component = build.component()
    if policy.pinned_site_ids:
        policy = PlacementPolicy(pinned_site_ids=[ids["right"]])
    problem = build.problem(component, policy=policy)
    assert decide(problem).feasible
    assert not decide(held_to(problem, {component.name: [ids.get(one, one) for one in sites]})).feasible


def test_what_runs_nowhere_goes_where_it_likes(build: Builder) -> None:
    site, component = build.site(), build.component()
    problem = build.problem(component)
    for nothing in ({}, {component.name: []}, {"other": [site.id]}):
        assert decide(held_to(problem, nothing)).feasible
