"""The examples of refusals in the documentation are what is told, of graphs as small as can be."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from placement_graphs import GIB, Builder, amount, at

from graph.kinds import NodeStatus, Region, Site, Tier
from graph.kinds.geography import Circle, Coverage, SiteReach
from graph.kinds.policy import (
    AppAffinity,
    ComponentPolicy,
    LatencyTarget,
    Place,
    PlacementPolicy,
    SiteGroup,
    SiteSelector,
    Spread,
    SpreadBy,
)
from graph.values import Health, HealthStatus, Taint, TaintEffect
from placement.decision import Reason
from placement.engine import decide
from placement.holding import held_to
from placement.problem import Problem
from placement.rules import RULES
from placement.wording import counted

PAGE = (Path(__file__).parents[2] / "docs" / "placement.md").read_text(encoding="utf-8")
SECTION = PAGE[PAGE.index("## Rules") : PAGE.index("## The model")]
DOWN = Health(status=HealthStatus.DOWN, reasons=["no answer for 40 s"])
GPU = Taint("gpu", "yes", TaintEffect.NO_SCHEDULE)
SQUARE = [at(0, 40), at(10, 40), at(10, 50), at(0, 50), at(0, 40)]
LABELLED = SiteSelector(labels="gpu")

Scene = Callable[[Builder], tuple[Problem, Site]]


def selected(build: Builder, selector: SiteSelector, **site: object) -> tuple[Problem, Site]:
    """A site that the policy's selector does not select."""
    refused = build.site(**site)  # type: ignore[arg-type]  # the fields of a site
    return build.problem(build.component(), policy=PlacementPolicy(sites=selector)), refused


def asked(build: Builder, policy: PlacementPolicy, **site: object) -> tuple[Problem, Site]:
    """A site, and a policy that it does not keep."""
    refused = build.site(**site)  # type: ignore[arg-type]  # the fields of a site
    return build.problem(build.component(name="db"), policy=policy), refused


def nodes(
    build: Builder, *, component: dict[str, object], policy: PlacementPolicy | None = None, **site: object
) -> tuple[Problem, Site]:
    """A site whose nodes do not do."""
    refused = build.site(**site)  # type: ignore[arg-type]  # the fields of a site
    return build.problem(build.component(name="web", **component), policy=policy), refused  # type: ignore[arg-type]  # those of a component


def countries(build: Builder, *, residency: bool) -> tuple[Problem, Site]:
    austria, germany, italy, switzerland = (
        build.make(Region, name=name).id for name in ("Austria", "Germany", "Italy", "Switzerland")
    )
    if residency:
        return asked(build, PlacementPolicy(residency_region_ids=[austria, germany]), region_id=switzerland)
    return selected(build, SiteSelector(region_ids=[austria]), region_id=italy)


def named(build: Builder, *, excluded: bool) -> tuple[Problem, Site]:
    one, other = build.site(), build.site()
    selector = SiteSelector(excluded_site_ids=[other.id]) if excluded else SiteSelector(site_ids=[one.id])
    return build.problem(build.component(), policy=PlacementPolicy(sites=selector)), other


def of_a_component(build: Builder) -> tuple[Problem, Site]:
    build.site(labels={"gpu": "a100"})
    own = ComponentPolicy(component="db", apart=True, sites=LABELLED)
    web = build.component(name="web")
    refused = build.site()
    return build.problem(web, build.component(name="db"), policy=PlacementPolicy(components=[own])), refused


def held(build: Builder) -> tuple[Problem, Site]:
    kept, refused = build.site(), build.site()
    return held_to(build.problem(build.component(name="web")), {"web": [kept.id]}), refused


def other_apps(build: Builder, *, apart: bool) -> tuple[Problem, Site]:
    there, beside = build.site(), build.site()
    db = build.change(build.deployment(), name="db")
    build.release(build.component(), there, {}, replicas=1, deployment_id=db.id)
    wanted = [AppAffinity(deployment_ids=[db.id])]
    policy = PlacementPolicy(anti_affinity=wanted) if apart else PlacementPolicy(affinity=wanted)
    return build.problem(build.component(), policy=policy), there if apart else beside


def linked(build: Builder, rule: str) -> tuple[Problem, Site]:
    """Users 111.195 km from one site, and a link from that to another."""
    one = build.site(position=at(0, 0))
    other = build.site(position=at(90, 0))
    latency_ms = {"near": 5.0, "latency": 8.0, "bandwidth": 4.0}[rule]
    build.link(one, other, latency_ms, bandwidth_mbps=150.0, reserved_mbps=100.0)
    if rule == "near":
        policy = PlacementPolicy(near=[SiteReach(site_id=one.id, within_ms=4.5)])
    else:
        wide = 100.0 if rule == "bandwidth" else None
        place = LatencyTarget(place=Place(position=at(0, 1)), within_ms=6.0, min_bandwidth_mbps=wide)
        policy = PlacementPolicy(latency=[place])
    return build.problem(build.component(), policy=policy), other


def covered(build: Builder) -> tuple[Problem, Site]:
    build.change(build.region, centre=at(0, 1))
    return asked(build, PlacementPolicy(coverage=[Coverage(within_km=100)]), position=at(0, 0))


def some_nodes(build: Builder, rule: str) -> tuple[Problem, Site]:
    """Three replicas, and two nodes with room for two each, one of which does not do."""
    good: dict[str, object] = {"labels": {"disk": "ssd", "nic": "sriov"}}
    bad: dict[str, object] = {
        "node_cordoned": {"schedulable": False},
        "node_not_ready": {"status": NodeStatus.NOT_READY},
    }.get(rule, {"labels": {"disk": "hdd"}})
    site = build.site(node={"capacity": amount(2000, 16 * GIB), **good})
    [cluster_id] = build.view.ids("Cluster", "site_ids", site.id)
    build.node(site, cluster_id=cluster_id, capacity=amount(2000, 16 * GIB), **{**good, **bad})
    own = {"node_selector": "disk=ssd"} if rule == "node_selector" else {}
    features = [ComponentPolicy(component="web", node_labels="nic=sriov")] if rule == "features" else []
    component = build.component(name="web", replicas=3, **own)
    return build.problem(component, policy=PlacementPolicy(components=features)), site


def busy(build: Builder) -> tuple[Problem, Site]:
    site = build.site()
    [node_id] = build.view.ids("Node", "site_id", site.id)
    component = build.component(name="web")
    build.release(component, site, {node_id: 1})
    own = PlacementPolicy(components=[ComponentPolicy(component="web", dedicated_nodes=True)])
    return build.problem(component, policy=own), site


def not_observed(build: Builder) -> tuple[Problem, Site]:
    site = build.site(nodes=0, capacity=amount(8000))
    policy = PlacementPolicy(components=[ComponentPolicy(component="api", pod_affinity=["cache"])])
    return build.problem(build.component(name="api"), build.component(name="cache"), policy=policy), site


def wants(**words: object) -> PlacementPolicy:
    return PlacementPolicy(components=[ComponentPolicy(component="web", **words)])  # type: ignore[arg-type]  # its words


SCENES: dict[str, list[Scene]] = {
    "listed": [partial(named, excluded=False)],
    "excluded": [partial(named, excluded=True)],
    "region": [partial(countries, residency=False)],
    "tier": [partial(selected, selector=SiteSelector(tiers=["METRO"]), tier=Tier.DISTRICT)],
    "labels": [partial(selected, selector=LABELLED)],
    "polygon": [partial(selected, selector=SiteSelector(polygon=[SQUARE]), position=at(20, 45))],
    "circle": [
        partial(selected, selector=SiteSelector(circle=Circle(centre=at(0, 1), radius_km=80)), position=at(0, 0))
    ],
    "component_sites": [of_a_component],
    "held": [held],
    "residency": [partial(countries, residency=True)],
    "groups": [partial(asked, policy=PlacementPolicy(groups=[SiteGroup(any_of=[SiteGroup(sites=LABELLED)])]))],
    "preferences": [partial(asked, policy=PlacementPolicy(preferences=[LABELLED, SiteSelector(labels="rack")]))],
    "spread": [partial(asked, policy=PlacementPolicy(spread=[Spread(by=SpreadBy.LABEL, label="rack")]))],
    "affinity": [partial(other_apps, apart=False)],
    "anti_affinity": [partial(other_apps, apart=True)],
    "near": [partial(linked, rule="near")],
    "cordon": [partial(asked, policy=PlacementPolicy(), schedulable=False)],
    "health": [partial(asked, policy=PlacementPolicy(), health=DOWN)],
    "no_cluster": [partial(asked, policy=PlacementPolicy(), cluster=False)],
    "latency": [partial(linked, rule="latency")],
    "distance": [covered],
    "bandwidth": [partial(linked, rule="bandwidth")],
    "node_cordoned": [partial(some_nodes, rule="node_cordoned")],
    "node_not_ready": [partial(some_nodes, rule="node_not_ready")],
    "taint": [partial(nodes, component={}, node={"taints": [GPU]})],
    "dedicated": [busy],
    "architecture": [partial(nodes, component={"architectures": ["arm64"]}, node={"arch": "amd64"})],
    "node_selector": [
        partial(nodes, component={"node_selector": "disk=ssd"}, nodes=3),
        partial(some_nodes, rule="node_selector"),
    ],
    "features": [
        partial(nodes, component={}, policy=wants(node_labels="nic=sriov")),
        partial(some_nodes, rule="features"),
    ],
    "pod_affinity": [not_observed],
    "capacity": [partial(nodes, component={"resources": amount(1500), "replicas": 3})],
}
"""By rule: what each part of its example is told of."""


def example_of(rule: str) -> str:
    """The example of a refusal in the table of rules."""
    found = re.search(rf"^\| `{rule}` \| .* \| (.*) \|$", SECTION, re.MULTILINE)
    assert found, rule
    return found[1].replace("`", "")


def amounts_of(reason: Reason) -> tuple[str, str]:
    """Need and have as the page writes them: with a unit, replicas counted in words."""
    if reason.unit == "replicas":
        return counted(int(reason.need), "replica"), str(reason.have)
    return f"{reason.need} {reason.unit}".strip(), str(reason.have)


@pytest.mark.parametrize("rule", [one.name for one in RULES])
def test_the_example_of_a_rule_is_what_it_tells(rule: str) -> None:
    parts = example_of(rule).split("; where some match, ")
    assert len(parts) == len(SCENES[rule])
    for part, scene in zip(parts, SCENES[rule], strict=True):
        problem, site = scene(Builder())
        told = decide(problem).whole()
        [reason] = [
            reason
            for refusal in told.refusals
            if refusal.site_id == site.id
            for reason in refusal.reasons
            if reason.rule == rule
        ][:1]
        need, have = amounts_of(reason)
        amounts = re.fullmatch(r"(?:need (.*?), )?have (.*?)(?:: (.*))?", part)
        if amounts is None:
            assert part in reason.message
            continue
        assert amounts[1] in (None, need)
        assert amounts[2].removesuffix(f" {reason.unit}") == have
        assert (amounts[3] or "").removesuffix(" …") in reason.message
