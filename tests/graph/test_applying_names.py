"""What the names in documents stand for: handed on, looked up tenant by tenant, and hidden from who may not see."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from access.viewer import Grant, Viewer
from access.visible import VisibleView
from graph.applying import Action
from graph.documents import Document
from graph.entity import Entity
from graph.kinds import (
    App,
    Deployment,
    Node,
    Region,
    Role,
    Service,
    Site,
    Tenant,
)
from graph.kinds.policy import AppAffinity, SiteSelector
from graph.refusal import AlreadyExists, Forbidden, InvalidInput, NotFound
from graph.view import Reader, each
from graphkit.applied import NETWORK, OTHER, World, actions, doc


@pytest.fixture
def world() -> World:
    return World()


# Names that change


def test_what_has_an_external_id_is_found_again_under_another_name(world: World) -> None:
    external = {"system": "cmdb", "id": "17"}
    world.done([doc("Region", "old", external=external)])
    before = world.one(Region, "old")
    (outcome,) = world.done([doc("Region", "new", external=external)], prune=True)
    assert (outcome.action, outcome.id, outcome.changed) == (Action.UPDATED, before.id, ["name"])
    assert world.one(Region, "new").id == before.id


@settings(max_examples=40, deadline=None)
@given(st.permutations(range(4)))
def test_names_may_be_handed_on_within_a_set(order: Sequence[int]) -> None:
    world = World()
    named = [("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")]
    world.done(
        [
            doc("Region", "r"),
            *(doc("Site", name, region="r", external={"system": "x", "id": one}) for name, one in named),
        ]
    )
    before = {one.external.id: one.id for one in each(world.view, Site) if one.external is not None}
    after = [("b", "1"), ("c", "2"), ("e", "3"), ("d", "4")]
    documents = [doc("Site", name, region="r", external={"system": "x", "id": one}) for name, one in after]
    world.done([documents[at] for at in order])
    assert {one.external.id: one.name for one in each(world.view, Site) if one.external is not None} == {
        one: name for name, one in after
    }
    assert {one.external.id: one.id for one in each(world.view, Site) if one.external is not None} == before


def test_what_refers_to_a_name_that_was_handed_on_finds_its_new_holder(world: World) -> None:
    def regions(*names: str) -> list[Document]:
        return [doc("Region", name, external={"system": "x", "id": str(at)}) for at, name in enumerate(names)]

    world.done(regions("a", "b"))
    first, second = world.one(Region, "a").id, world.one(Region, "b").id
    world.done([doc("Site", "s", region="b"), *regions("b", "c")])
    assert world.one(Site, "s").region_id == first
    assert world.one(Region, "c").id == second


def test_an_external_id_that_something_else_has_is_refused(world: World) -> None:
    external = {"system": "cmdb", "id": "17"}
    world.done([doc("Region", "r", external=external)])
    assert isinstance(world.refused(doc("Site", "s", region="r", external=external)), AlreadyExists)


# Tenants and rights


def test_names_are_looked_up_in_the_documents_tenant_and_then_among_what_all_share(world: World) -> None:
    world.done(
        [
            doc("Tenant", "acme"),
            doc("Tenant", "other"),
            doc("Region", "shared"),
            doc("Region", "r", "acme", parent="shared"),
            doc("Region", "r", "other"),
            doc("Site", "s", "acme", region="r"),
            doc("Site", "t", "acme", region="shared"),
            doc("Site", "s", "other", region="r"),
        ]
    )
    acme = world.one(Tenant, "acme")
    sites = {(one.name, one.tenant_id == acme.id): one for one in each(world.view, Site)}
    region = world.view.find("Region", "r", acme.id)
    assert region is not None
    assert sites["s", True].region_id == region.id
    assert sites["s", False].region_id != region.id
    # What is private to another is not even there.
    for value in ("r", "other/r"):
        refusal = world.refused(doc("Site", "u", region=value), keep=False)
        assert isinstance(refusal, NotFound)


def test_regions_of_one_name_in_several_tenants_are_ordered_each_by_its_own_parent(world: World) -> None:
    documents = [
        doc("Region", "leaf", "one", parent="inner"),
        doc("Region", "inner", "one", parent="top"),
        doc("Region", "top"),
        doc("Region", "inner", "two"),
        doc("Region", "leaf", "two"),
        doc("Tenant", "one"),
        doc("Tenant", "two"),
    ]
    for _ in range(20):
        random.Random(_).shuffle(documents)
        World().done(documents)


def viewer(world: World, role: Role, tenant: str | None) -> Viewer:
    tenant_id = world.one(Tenant, tenant).id if tenant else None
    return Viewer(id="user_1", name="ann", grants=frozenset({Grant(role, tenant_id)}))


class RightsOf:
    """The rights of a viewer, by what it sees and by the area of a kind."""

    def __init__(self, who: Viewer) -> None:
        self.who = who

    def reader(self, edit: Reader) -> Reader:
        return VisibleView(edit, self.who)

    def check(self, entity: Entity, *, make: bool) -> None:
        if isinstance(entity, Site):
            raise Forbidden("you make no sites")


def test_names_of_another_tenant_are_as_if_they_were_not_there(world: World) -> None:
    world.done(NETWORK)
    world.done([doc("Tenant", "other"), doc("App", "hidden", "other")], source=OTHER)
    rights = RightsOf(viewer(world, Role.DEVELOPER, "acme"))
    for document in (doc("App", "x", "other"), doc("AppVersion", "1", app="other/hidden")):
        refusal = world.refused(document, rights=rights, source=OTHER)
        assert isinstance(refusal, NotFound)
    hidden = world.one(App, "hidden").id
    assert isinstance(world.refused(doc("AppVersion", "1", app=hidden), rights=rights), NotFound)
    world.done([doc("AppVersion", "2", "acme", app="shop")], rights=rights)


def test_who_may_not_make_something_is_refused_and_not_the_set_before(world: World) -> None:
    world.done(NETWORK)
    rights = RightsOf(viewer(world, Role.DEVELOPER, "acme"))
    outcomes = world.apply([doc("Site", "x", region="world"), doc("App", "y", "acme")], rights=rights)
    assert [one.action for one in outcomes] == [Action.REFUSED, Action.CREATED]
    assert isinstance(outcomes[0].error, Forbidden)
    # To read one's own set again takes no right to write.
    assert actions(world.done([one for one in NETWORK if one.kind == "Site"], rights=rights)) == {Action.UNCHANGED}
    assert isinstance(world.refused(doc("Site", "a", region="europe"), rights=rights), Forbidden)


def test_pruning_passes_over_what_the_viewer_does_not_see(world: World) -> None:
    world.done([doc("Tenant", "acme"), doc("Tenant", "other"), doc("App", "x", "other"), doc("App", "y", "acme")])
    rights = RightsOf(viewer(world, Role.DEVELOPER, "acme"))
    outcomes = world.apply([], prune=True, rights=rights, keep=False)
    assert "x" not in {one.name for one in outcomes}
    assert "y" in {one.name for one in outcomes}


def test_nodes_are_found_by_their_cluster_or_their_site(world: World) -> None:
    world.done(NETWORK)
    outcomes = world.done([doc("Node", "n1", site="a"), doc("Node", "n1", site="b")])
    assert actions(outcomes) == {Action.CREATED}
    assert world.view.count("Node") == 4
    assert isinstance(world.one(Service, "dns"), Service)
    assert {one.name for one in each(world.view, Node)} == {"n1", "n2"}


def test_a_policy_names_what_it_means_by_name_in_every_word(world: World) -> None:
    world.done(NETWORK)
    a, b = (world.one(Site, one).id for one in ("a", "b"))
    europe, shop = world.one(Region, "europe").id, world.one(App, "shop").id
    first = {"sites": {"siteIds": ["a", b], "regionIds": ["europe"]}}
    world.done([doc("Deployment", "first", "acme", appVersion="shop/1.4.2", policy=first)], source=OTHER)
    policy = {
        "groups": [{"anyOf": [{"sites": {"siteIds": ["a"]}}, {"allOf": [{"sites": {"excludedSiteIds": ["b"]}}]}]}],
        "pinnedSiteIds": ["b"],
        "near": [{"siteId": "a", "withinMs": 5}],
        "latency": [{"place": {"regionId": "münchen"}, "withinMs": 9}, {"place": {"siteId": a}, "withinMs": 9}],
        "residencyRegionIds": ["europe"],
        "antiAffinity": [{"deploymentIds": ["first"], "appIds": ["shop"]}],
    }
    outcomes = world.done([doc("Deployment", "second", "acme", appVersion="shop/1.4.2", policy=policy)], source=OTHER)
    assert actions(outcomes) == {Action.CREATED}
    made = world.one(Deployment, "second").policy
    assert world.one(Deployment, "first").policy.sites == SiteSelector(site_ids=[a, b], region_ids=[europe])
    either = made.groups[0].any_of
    assert either[0].sites == SiteSelector(site_ids=[a])
    assert either[1].all_of[0].sites == SiteSelector(excluded_site_ids=[b])
    assert (made.pinned_site_ids, made.near[0].site_id, made.residency_region_ids) == ([b], a, [europe])
    assert [one.place.site_id for one in made.latency] == [None, a]
    assert made.latency[0].place.region_id == world.one(Region, "münchen").id
    assert made.anti_affinity == [AppAffinity(deployment_ids=[world.one(Deployment, "first").id], app_ids=[shop])]


@pytest.mark.parametrize(
    ("policy", "path"),
    [
        ({"groups": [{"allOf": [{"sites": {"siteIds": ["a", "nowhere"]}}]}]}, "groups[0].allOf[0].sites.siteIds[1]"),
        ({"near": [{"siteId": "nowhere"}]}, "near[0].siteId"),
        ({"affinity": [{"appIds": [3]}]}, "affinity[0].appIds[0]"),
        ({"preferences": [{"colour": "red"}]}, "preferences[0].colour"),
        ({"division": {"mode": "EVENLY"}}, "division.mode"),
        ({"groups": [{"anyOf": "all"}]}, "groups[0].anyOf"),
    ],
)
def test_a_word_of_a_policy_that_cannot_be_read_is_refused_at_its_place(
    world: World, policy: dict[str, Any], path: str
) -> None:
    world.done(NETWORK)
    refusal = world.refused(doc("Deployment", "x", "acme", appVersion="shop/1.4.2", policy=policy), source=OTHER)
    assert isinstance(refusal, InvalidInput | NotFound)
    assert refusal.path == f"set.yaml:Deployment-x: spec.policy.{path}"
