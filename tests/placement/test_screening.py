"""What decides is what is told: every site's reasons are there once it is decided, and none of a site that passed."""

from __future__ import annotations

import numpy as np
import pytest
from placement_graphs import GIB, Builder, amount

from graph.kinds import Component, Site
from graph.kinds.policy import ComponentPolicy, PlacementPolicy, SiteSelector
from placement import arranging
from placement.engine import decide
from placement.problem import Problem
from placement.rules import RULES
from placement.screening import Screening, screen

SEARCHED = 60
"""Steps that are enough for one of the sites of `spread_out`, and not for two."""


def rules_by_row(screening: Screening) -> list[list[str]]:
    return [[one.rule for one in screening.reasons(row)] for row in range(len(screening.problem))]


def all_sorts(build: Builder) -> tuple[Problem, list[list[str]]]:
    """Sites that words about the app, nodes and room refuse, alone and together; and the rules that each stands under."""
    full, wide = {"capacity": amount(200)}, {"capacity": amount(4000)}
    cordoned = {"capacity": amount(4000), "schedulable": False}
    sites = [build.site(node=node) for node in (wide, full, cordoned, wide, full, cordoned)]
    policy = PlacementPolicy(sites=SiteSelector(excluded_site_ids=[one.id for one in sites[3:]]))
    problem = build.problem(build.component(resources=amount(1000)), policy=policy)
    return problem, [
        [],
        ["capacity"],
        ["node_cordoned"],
        ["excluded"],
        ["excluded", "capacity"],
        ["excluded", "node_cordoned"],
    ]


def test_a_site_that_a_word_about_the_app_refuses_is_told_what_it_lacks_besides(build: Builder) -> None:
    problem, expected = all_sorts(build)
    [screening] = screen([problem], RULES)
    assert rules_by_row(screening) == expected
    assert screening.passed.tolist() == [not one for one in expected]


def test_why_a_site_is_refused_is_found_out_in_the_decision_and_not_by_who_reads_it(
    build: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem, expected = all_sorts(build)
    verdict = decide(problem)
    for name in ("pack", "_touch"):
        monkeypatch.delattr(f"placement.screening.{name}")
    said = {one.site_id: [reason.rule for reason in one.reasons] for one in verdict.told}
    assert [said.get(one.id, []) for one in problem.sites] == expected
    assert verdict.told.by_rule() == {"capacity": 2, "node_cordoned": 2, "excluded": 3}


def spread_out(build: Builder, count: int) -> tuple[list[Site], list[Component], dict[str, ComponentPolicy]]:
    """Sites of which the nodes take all only as a search finds it: one of each on every node."""
    sites = []
    for _ in range(count):
        site = build.site(nodes=0)
        under = build.cluster(site).id
        for _ in range(8):
            build.node(site, cluster_id=under, capacity=amount(900, 9 * GIB))
        sites.append(site)
    components = [
        build.component(name="db", resources=amount(100), replicas=8),
        build.component(name="web", resources=amount(500), replicas=8),
    ]
    return sites, components, {"web": ComponentPolicy(component="web", pod_affinity=["db"])}


def test_a_site_that_passed_is_not_told_to_have_no_room_when_the_steps_of_the_search_run_out(
    build: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    sites, components, said = spread_out(build, 3)
    policy = PlacementPolicy(sites=SiteSelector(excluded_site_ids=[sites[0].id]), components=list(said.values()))
    problem = build.problem(*components, policy=policy)
    monkeypatch.setattr(arranging, "ALL_STEPS", SEARCHED)
    [screening] = screen([problem], RULES)
    assert rules_by_row(screening) == [["excluded"], [], ["capacity"]]
    assert screening.passed.tolist() == [False, True, False]
    for name in screening.refused:
        assert not np.any(screening.refused[name] & screening.passed), name
