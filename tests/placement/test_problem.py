"""Policies that cannot be read are refused with the field and the remedy; what is not seen is not found."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from placement_graphs import Builder, amount, at

from graph.kinds import SiteRole, Tenant
from graph.kinds.policy import LatencyTarget, Place, PlacementPolicy, SiteSelector
from graph.paths import LinkGraph
from graph.refusal import InvalidInput, NotFound, Refusal
from placement.engine import decide
from placement.problem import problem_from

Policy = Callable[[Builder], PlacementPolicy]


def near(place: Place, within_ms: float = 5.0) -> PlacementPolicy:
    return PlacementPolicy(latency=[LatencyTarget(place=place, within_ms=within_ms)])


def select(**fields: object) -> PlacementPolicy:
    return PlacementPolicy(sites=SiteSelector(**fields))  # type: ignore[arg-type]  # a case's fields, by name


@pytest.mark.parametrize(
    ("policy", "error", "path", "message"),
    [
        (lambda b: near(Place()), InvalidInput, "input.policy.latency[0].place", "exactly one"),
        (
            lambda b: near(Place(position=at(0, 0), region_id=b.region.id)),
            InvalidInput,
            "input.policy.latency[0].place",
            "exactly one",
        ),
        (lambda b: near(Place(site_id="site_x")), NotFound, "input.policy.latency[0].place.siteId", "no Site"),
        (lambda b: near(Place(region_id="region_x")), NotFound, "input.policy.latency[0].place.regionId", "no Region"),
        (
            lambda b: near(Place(region_id=b.region.id)),
            InvalidInput,
            "input.policy.latency[0].place.regionId",
            "centre",
        ),
        (lambda b: near(Place(position=at(0, 0)), 0.0), InvalidInput, "input.policy.latency[0].withinMs", "above 0"),
        (lambda b: near(Place(position=at(0, 0)), float("nan")), InvalidInput, "input.policy.latency[0].withinMs", ""),
        (lambda b: PlacementPolicy(min_sites=3, max_sites=2), InvalidInput, "input.policy.maxSites", "cannot both"),
        (lambda b: PlacementPolicy(min_sites=0), InvalidInput, "input.policy.minSites", "at least one"),
        (lambda b: select(tiers=["METRO", "ORBIT"]), InvalidInput, "input.policy.sites.tiers[1]", "no tier 'ORBIT'"),
        (lambda b: select(labels="zone in west"), InvalidInput, "input.policy.sites.labels", "column 9"),
        (lambda b: select(site_ids=["site_x"]), NotFound, "input.policy.sites.siteIds[0]", "no Site"),
        (lambda b: select(excluded_site_ids=["site_x"]), NotFound, "input.policy.sites.excludedSiteIds[0]", "no Site"),
        (lambda b: select(region_ids=["region_x"]), NotFound, "input.policy.sites.regionIds[0]", "no Region"),
        (
            lambda b: select(site_ids=[b.site(role=SiteRole.TRANSIT, nodes=0).id]),
            InvalidInput,
            "input.policy.sites.siteIds[0]",
            "only routed through",
        ),
        (
            lambda b: select(site_ids=[b.site(tenant_id=b.make(Tenant, name="other").id).id]),
            NotFound,
            "input.policy.sites.siteIds[0]",
            "no Site",
        ),
    ],
)
def test_a_policy_that_cannot_be_read_is_refused(
    build: Builder, policy: Policy, error: type[Refusal], path: str, message: str
) -> None:
    with pytest.raises(error) as caught:
        build.problem(build.component(), policy=policy(build))
    assert caught.value.path == path
    assert message in caught.value.message
    assert caught.value.remedy


def test_components_and_replicas_that_cannot_be_are_refused(build: Builder) -> None:
    component = build.component()
    vague = msgspec.structs.replace(component, resources=amount(100, 0))
    with pytest.raises(InvalidInput, match="no component to place"):
        build.problem()
    with pytest.raises(InvalidInput, match="does not state the CPU and memory"):
        build.problem(vague)
    with pytest.raises(InvalidInput, match="no component 'x'") as caught:
        build.problem(component, replicas={"x": 1})
    assert caught.value.path == "input.replicas.x"
    for count in (-1, 1001):
        with pytest.raises(InvalidInput, match="0 to 1,000"):
            build.problem(component, replicas={component.name: count})
    with pytest.raises(InvalidInput, match="column"):
        build.problem(msgspec.structs.replace(component, node_selector="a=b c"))


def test_no_replicas_go_nowhere_in_particular(build: Builder) -> None:
    build.site(nodes=1)
    component = build.component()
    decision = build.decide(component, replicas={component.name: 0})
    (placed,) = decision.placements[0].components
    assert (placed.replicas, placed.assignments) == (0, {})
    assert placed.cluster_id is not None


def test_a_graph_without_sites_is_said_to_have_none(build: Builder) -> None:
    decision = build.decide(build.component(), policy=near(Place(position=at(0, 0))))
    assert not decision.feasible
    assert [one.rule for one in decision.conflicts] == ["no_site"]
    assert [(one.place, one.site_id, one.latency_ms) for one in decision.unmet] == [("0.0000, 0.0000", None, None)]


def test_others_use_counts_though_the_reader_does_not_see_it(build: Builder) -> None:
    site = build.site()
    component = build.component(resources=amount(3000))
    build.release(component, site, {next(iter(build.view.ids("Node"))): 1})

    class WithoutReleases:
        def __init__(self) -> None:
            self.revision, self.epoch = build.view.revision, build.view.epoch
            self.get, self.find, self.find_external = build.view.get, build.view.find, build.view.find_external
            self.ids_by_name = build.view.ids_by_name

        def ids(self, kind: str, field: str | None = None, value: str | None = None) -> object:
            return [] if kind == "Release" else build.view.ids(kind, field, value)

        def count(self, kind: str, field: str | None = None, value: str | None = None) -> int:
            return 0 if kind == "Release" else build.view.count(kind, field, value)

    def problem(**options: object) -> bool:
        return decide(
            problem_from(
                WithoutReleases(),  # type: ignore[arg-type]  # a view that has all but releases
                components=[component],
                policy=PlacementPolicy(),
                replicas={},
                **options,  # type: ignore[arg-type]  # a case's fields, by name
            )
        ).feasible

    assert problem()
    assert not problem(uses=build.view)


def test_the_network_that_is_kept_is_used(build: Builder) -> None:
    a, b = build.site(position=at(0, 0)), build.site(position=at(50, 0), node={"capacity": amount(64000)})
    build.link(a, b, 2.0)
    links = LinkGraph(build.view)
    build.view.follow(links)
    policy = near(Place(site_id=b.id), within_ms=3.0)
    big = build.component(resources=amount(8000, 1))
    assert build.decide(big, policy=policy, latency=links) == build.decide(big, policy=policy)
