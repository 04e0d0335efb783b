"""Faults of EMCO's placement that were seen when it was run, as cases that come out right here.

EMCO is project-emco/emco-base at 22.09. A logical cloud is here what `sites` says: no word of a policy reaches beyond it.
"""

from __future__ import annotations

import pytest
from placement_graphs import Builder

from graph.kinds import Site
from graph.kinds.policy import PlacementPolicy, SiteGroup, SiteSelector
from placement.decision import Decision, PlacementStatus


def only(*sites: Site) -> SiteGroup:
    return SiteGroup(sites=SiteSelector(site_ids=[one.id for one in sites]))


def chosen(decision: Decision) -> list[str]:
    return [one.site_id for one in decision.placements]


def rules(decision: Decision, site: Site) -> set[str]:
    return {reason.rule for one in decision.refusals if one.site_id == site.id for reason in one.reasons}


@pytest.mark.parametrize("nested", [False, True])
def test_any_of_never_chooses_a_site_outside_those_that_the_app_may_use(build: Builder, nested: bool) -> None:
    """EMCO deploys to the first cluster of `anyOf` by name, whether or not the logical cloud has it."""
    outside, inside = build.site(), build.site()
    assert outside.id < inside.id
    either = SiteGroup(any_of=[only(outside), only(inside)])
    policy = PlacementPolicy(
        sites=SiteSelector(site_ids=[inside.id]), groups=[SiteGroup(all_of=[either])] if nested else [either]
    )
    decision = build.decide(build.component(), policy=policy)
    assert chosen(decision) == [inside.id]
    assert "listed" in rules(decision, outside)


def test_any_of_with_all_its_sites_outside_is_refused_and_says_why(build: Builder) -> None:
    outside, inside = build.site(), build.site()
    policy = PlacementPolicy(sites=SiteSelector(site_ids=[inside.id]), groups=[SiteGroup(any_of=[only(outside)])])
    decision = build.decide(build.component(), policy=policy)
    assert not decision.feasible
    assert chosen(decision) == []
    assert "listed" in rules(decision, outside)
    assert rules(decision, inside)


@pytest.mark.parametrize("order", ["mandatory first", "mandatory last"])
def test_a_site_that_is_mandatory_and_one_of_several_stays_mandatory(build: Builder, order: str) -> None:
    """EMCO gives a cluster the number of the later group, and keeps only the first of that group by name."""
    first, mandatory = build.site(), build.site()
    assert first.id < mandatory.id
    groups = [only(mandatory), SiteGroup(any_of=[only(first), only(mandatory)])]
    policy = PlacementPolicy(groups=groups if order == "mandatory first" else groups[::-1])
    problem = build.problem(build.component(), policy=policy)
    asked = problem.words.groups
    assert asked is not None
    demands = {
        frozenset(problem.sites[row].id for row in one.members.tolist()): one.at_least for one in asked.mandatory
    }
    assert demands == {frozenset({mandatory.id}): 1, frozenset({first.id, mandatory.id}): 1}


def test_a_label_that_changes_counts_in_the_next_decision_without_the_policy_being_touched(build: Builder) -> None:
    """EMCO looks at labels when it instantiates, and then only on an explicit update."""
    old = build.site(labels={"zone": "west"})
    new = build.site(labels={"zone": "east"})
    component = build.component()
    policy = PlacementPolicy(groups=[SiteGroup(sites=SiteSelector(labels="zone=west"))])
    assert chosen(build.decide(component, policy=policy)) == [old.id]
    build.change(old, labels={"zone": "east"})
    build.change(new, labels={"zone": "west"})
    decision = build.decide(component, policy=policy)
    assert chosen(decision) == [new.id]
    assert rules(decision, old)


@pytest.mark.parametrize("order", ["mandatory first", "mandatory last"])
@pytest.mark.parametrize("nested", [False, True])
def test_a_mandatory_site_that_is_also_one_of_several_is_chosen(build: Builder, order: str, nested: bool) -> None:
    """EMCO drops it without a word."""
    first, mandatory, other = build.site(), build.site(), build.site()
    either = SiteGroup(any_of=[only(first), only(mandatory), only(other)])
    groups = [only(mandatory), either] if order == "mandatory first" else [either, only(mandatory)]
    policy = PlacementPolicy(groups=[SiteGroup(all_of=groups)] if nested else groups)
    decision = build.decide(build.component(), policy=policy)
    assert chosen(decision) == [mandatory.id]
    assert decision.proven


def test_a_mandatory_site_that_a_rule_refuses_makes_it_infeasible_and_is_never_dropped(build: Builder) -> None:
    mandatory, other = build.site(schedulable=False), build.site()
    policy = PlacementPolicy(groups=[only(mandatory), SiteGroup(any_of=[only(mandatory), only(other)])])
    decision = build.decide(build.component(), policy=policy)
    assert chosen(decision) == []
    assert decision.status is PlacementStatus.INFEASIBLE
    assert [one.rule for one in decision.conflicts] == ["group"]
    assert decision.irreducible
    assert rules(decision, mandatory) == {"cordon"}


def test_a_group_by_label_follows_the_label_in_the_next_decision_of_what_runs(build: Builder) -> None:
    old, new = build.site(labels={"zone": "west"}), build.site()
    component, deployment = build.component(), build.deployment()
    build.release(
        component, old, {next(iter(build.view.ids("Node", "site_id", old.id))): 1}, deployment_id=deployment.id
    )
    policy = PlacementPolicy(groups=[SiteGroup(any_of=[SiteGroup(sites=SiteSelector(labels="zone=west"))])])
    build.change(new, labels={"zone": "west"})
    assert chosen(build.decide(component, policy=policy, excluding_deployment_id=deployment.id)) == [old.id]
    build.change(old, labels={})
    decision = build.decide(component, policy=policy, excluding_deployment_id=deployment.id)
    assert chosen(decision) == [new.id]
    assert decision.objective.moves == 1
