"""Why not: the pages agree with the whole, the costs that are named are those of the exchange, and rules are all that stood
in the way.
"""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from placement_graphs import Builder, amount, at
from test_decision_words import SMALL, World, one_unit, two_units

from graph.kinds.policy import (
    ComponentPolicy,
    Division,
    LatencyTarget,
    Place,
    PlacementPolicy,
    SiteSelector,
    SiteWeight,
)
from graph.refusal import InvalidInput
from placement.decision import SiteRefusal
from placement.engine import decide
from placement.rules import RULES
from placement.solve.evaluation import better, evaluate
from placement.verdict import Verdict, refusals_page, sites_by_rule

FEW = settings(SMALL, max_examples=40)


def made(world: World, policy: PlacementPolicy) -> Verdict | None:
    try:
        problem = world.build.problem(*world.components, policy=policy, excluding_deployment_id=world.deployment.id)
    except InvalidInput:
        return None
    return decide(problem)


def paged(decision: object, *, first: int, **wanted: str | None) -> list[SiteRefusal]:
    found: list[SiteRefusal] = []
    after, more = None, True
    while more:
        page, total, more = refusals_page(decision, first=first, after=after, **wanted)  # type: ignore[arg-type]  # either kind
        assert page or not more
        found += page
        after = page[-1].site_id if page else None
    assert total == len(found)
    return found


@FEW
@given(two_units())
def test_pages_and_counts_are_those_of_the_whole_list(case: tuple[World, PlacementPolicy]) -> None:
    world, policy = case
    verdict = made(world, policy)
    if verdict is None:
        return
    whole = verdict.whole()
    rules = {reason.rule for one in whole.refusals for reason in one.reasons}
    told = verdict.told
    assert list(told) == [told[at] for at in range(len(told))] == whole.refusals
    assert told[-3:] == whole.refusals[-3:]
    assert sites_by_rule(verdict) == sites_by_rule(whole)
    for first in (1, 2, 100):
        assert paged(verdict, first=first) == paged(whole, first=first) == whole.refusals
    for rule in rules:
        expected = [one for one in whole.refusals if rule in [reason.rule for reason in one.reasons]]
        assert paged(verdict, first=1, rule=rule) == paged(whole, first=2, rule=rule) == expected
    for site in {one.site_id for one in whole.refusals}:
        expected = [one for one in whole.refusals if one.site_id == site]
        assert paged(verdict, first=1, site_id=site) == paged(whole, first=1, site_id=site) == expected


NAMED = re.compile(r"in the place of '([^']*)'|as good as '([^']*)'")


@FEW
@given(one_unit())
def test_what_another_site_would_cost_is_what_the_exchange_costs(case: tuple[World, PlacementPolicy]) -> None:
    world, policy = case
    verdict = made(world, policy)
    if verdict is None or not verdict.feasible:
        return
    model, choice = verdict.told.made.model, verdict.told.choice
    assert choice is not None
    names = {one.name: one.id for one in world.sites}
    sites = [verdict.told.made.problem.sites[row].id for row in model.units[0].sites.tolist()]
    for refusal in verdict.told:
        (reason, *others) = refusal.reasons
        if reason.rule != "not_needed":
            continue
        assert not others
        named = NAMED.search(reason.message)
        opened = set(choice.open[0].tolist()) | {sites.index(refusal.site_id)}
        if named is not None:
            opened -= {sites.index(names[named.group(1) or named.group(2)])}
        instead = evaluate(model, (np.array(sorted(opened)),))
        tier = next(
            (at for at in range(model.tiers) if abs(instead.cost[at] - choice.cost[at]) > 1e-9), model.tiers - 1
        )
        assert float(reason.have) == pytest.approx(instead.cost[tier], abs=1e-4)
        assert float(reason.need) == pytest.approx(choice.cost[tier], abs=1e-4)
        if "that breaks" in reason.message:
            assert not instead.feasible
        elif "ties go to the smaller id" in reason.message:
            assert instead.feasible
            assert refusal.site_id > names[named.group(2)] if named else False
        elif instead.feasible:
            assert not better(instead.cost, choice.cost)


@FEW
@given(two_units())
def test_without_the_rules_named_for_it_a_site_passes(case: tuple[World, PlacementPolicy]) -> None:
    world, policy = case
    verdict = made(world, policy)
    if verdict is None:
        return
    problem = verdict.told.made.problem
    decided: dict[tuple[str, ...], set[tuple[str, str]]] = {}
    for refusal in verdict.told:
        named = tuple(one.rule for one in refusal.reasons)
        if set(named) & {"not_needed", "crowded"}:
            assert len(named) == 1
            continue
        if named not in decided:
            others = decide(problem, rules=[one for one in RULES if one.name not in named]).told
            decided[named] = {
                (one.site_id, ",".join(one.components))
                for one in others
                if {reason.rule for reason in one.reasons} - {"not_needed", "crowded"}
            }
        assert (refusal.site_id, ",".join(refusal.components)) not in decided[named]


def test_a_site_as_good_as_a_pinned_one_is_not_told_that_ties_decided(build: Builder) -> None:
    first, pinned = build.site(), build.site()
    decision = build.decide(build.component(), policy=PlacementPolicy(pinned_site_ids=[pinned.id]))
    (reason,) = next(one.reasons for one in decision.refusals if one.site_id == first.id)
    assert reason.need == reason.have
    assert "it would cost the same, but that breaks pinnedSiteIds" in reason.message


def test_a_site_without_weight_and_one_without_a_part_say_so(build: Builder) -> None:
    heavy, light, none = (build.site() for _ in range(3))
    weights = [
        SiteWeight(sites=SiteSelector(site_ids=[one.id]), weight=weight) for one, weight in ((heavy, 9), (light, 1))
    ]
    component = build.component()
    policy = PlacementPolicy(division=Division(weights=weights))
    verdict = decide(build.problem(component, policy=policy, replicas={component.name: 1}))
    said = {one.site_id: one.reasons[0] for one in verdict.told}
    assert {one.rule for one in said.values()} == {"not_needed"}
    assert (said[none.id].need, said[none.id].have) == ("a weight above 0", "0")
    assert (said[light.id].need, said[light.id].have, said[light.id].unit) == ("1", "0", "replicas")
    assert sites_by_rule(verdict) == sites_by_rule(verdict.whole()) == {"not_needed": 2}


def test_a_site_of_several_units_is_on_one_page(build: Builder) -> None:
    for _ in range(3):
        build.site(node={"capacity": amount(100)})
    policy = PlacementPolicy(components=[ComponentPolicy(component="db", apart=True)])
    verdict = decide(build.problem(build.component(name="web"), build.component(name="db"), policy=policy))
    for first, expected in ((1, 2), (2, 2), (3, 2), (4, 4), (5, 4), (6, 6), (0, 0)):
        for decision in (verdict, verdict.whole()):
            page, total, more = refusals_page(decision, first=first)
            assert (len(page), total, more) == (expected, 6, expected < 6)


def test_the_least_that_cannot_be_kept_together_is_named(build: Builder) -> None:
    site = build.site(position=at(0, 0))
    target = LatencyTarget(place=Place(name="far", position=at(40, 0)), within_ms=1.0)
    near = LatencyTarget(place=Place(name="near", position=at(0, 0)), within_ms=1.0)
    decision = build.decide(build.component(), policy=PlacementPolicy(latency=[near, target], min_sites=2))
    assert not decision.feasible
    assert [one.place for one in decision.unmet] == ["far"]
    assert decision.irreducible
    assert site.id in {one.site_id for one in decision.refusals}
