"""Documents applied to an edit: in any order, nothing the second time, and only what their own source made."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.applying import Action
from graph.document_order import in_order
from graph.entity import ExternalId
from graph.kinds import (
    AppVersion,
    Cluster,
    Component,
    Link,
    Region,
    Site,
    Tenant,
    Tier,
)
from graph.refusal import InUse, InvalidInput
from graph.values import Position
from graph.view import each
from graphkit.applied import MINE, NETWORK, World, actions, doc, picture


@pytest.fixture
def world() -> World:
    return World()


@settings(max_examples=60, deadline=None)
@given(st.randoms(use_true_random=False))
def test_a_set_makes_the_same_graph_in_any_order_and_nothing_the_second_time(random_: random.Random) -> None:
    first, other = World(), World()
    first.done(NETWORK)
    shuffled = list(NETWORK)
    random_.shuffle(shuffled)
    outcomes = other.done(shuffled)
    assert actions(outcomes) == {Action.CREATED}
    assert [(one.kind, one.name) for one in outcomes] == [(one.kind, one.name) for one in shuffled]
    assert picture(first.view) == picture(other.view)
    random_.shuffle(shuffled)
    assert actions(other.done(shuffled, prune=True)) == {Action.UNCHANGED}
    assert other.changes == []


def test_what_is_made_has_its_source_and_its_references(world: World) -> None:
    world.done(NETWORK)
    site, cluster = world.one(Site, "a"), world.one(Cluster, "c")
    assert site.source == MINE
    assert site.region_id == world.one(Region, "münchen").id
    assert site.tier is Tier.METRO
    assert site.position == Position(11.5, 48.1)
    assert cluster.site_ids == [site.id, world.one(Site, "b").id]
    assert cluster.configuration == {"observeEveryMs": 20}
    component = world.one(Component, "api")
    assert component.tenant_id == world.one(Tenant, "acme").id
    (link,) = each(world.view, Link)
    assert link.external == ExternalId("DOCUMENTS:main", "a-b")


def test_a_reference_may_be_an_id_or_a_name_or_a_path(world: World) -> None:
    world.done(NETWORK)
    europe = world.one(Region, "europe")
    version = world.one(AppVersion, "1.4.2")
    world.done(
        [
            doc("Site", "by-id", region=europe.id),
            doc("Site", "by-field", regionId=europe.id),
            doc(
                "Component",
                "by-path",
                appVersion="acme/shop/1.4.2",
                artifact={"type": "CONTAINER_IMAGE", "reference": "x"},
                resources={"cpuMillicores": 1, "memoryBytes": 1},
            ),
        ]
    )
    assert world.one(Site, "by-id").region_id == world.one(Site, "by-field").region_id == europe.id
    component = world.one(Component, "by-path")
    assert (component.app_version_id, component.tenant_id) == (version.id, version.tenant_id)


def test_a_set_that_changes_something_changes_only_that(world: World) -> None:
    world.done(NETWORK)
    before = {one: world.view.get(one) for kind in ("Site", "Region", "Node") for one in world.view.ids(kind)}
    changed = [
        doc(
            "Site",
            "a",
            region="münchen",
            tier="DISTRICT",
            position={"longitude": 11.5, "latitude": 48.1},
            displayName="A",
        ),
        *[one for one in NETWORK if (one.kind, one.name) != ("Site", "a")],
    ]
    outcomes = world.done(changed)
    assert [(one.name, one.changed) for one in outcomes if one.action is not Action.UNCHANGED] == [
        ("a", ["displayName", "tier"])
    ]
    site = world.one(Site, "a")
    assert all(world.view.get(key) == value for key, value in before.items() if key != site.id)
    assert site.created_at == getattr(before[site.id], "created_at")  # noqa: B009 - an Entity or None by its type


def test_what_changed_is_told_as_documents_spell_it(world: World) -> None:
    world.done(NETWORK)
    (outcome,) = world.done([doc("Site", "b", region="münchen")])
    assert outcome.changed == ["region"]


def test_what_a_document_leaves_out_stays_and_what_it_says_is_null_is_cleared(world: World) -> None:
    world.done(NETWORK)
    site = world.one(Site, "a")
    world.change(lambda edit: edit.replace(site, schedulable=False, price_per_core_hour=2.0, labels={"by": "hand"}))
    assert actions(world.done(NETWORK)) == {Action.UNCHANGED}
    site = world.one(Site, "a")
    assert (site.schedulable, site.price_per_core_hour, site.labels) == (False, 2.0, {"by": "hand"})
    (outcome,) = world.done([doc("Site", "a", region="münchen", pricePerCoreHour=None, position=None)])
    assert outcome.changed == ["position", "pricePerCoreHour"]
    assert (world.one(Site, "a").position, world.one(Site, "a").price_per_core_hour) == (None, 0.0)
    world.done([doc("Region", "europe", parent=None)])
    assert world.one(Region, "europe").parent_id is None
    assert world.refused(doc("Site", "a", region=None)).path == "set.yaml:Site-a: spec.region"


def test_metadata_is_cleared_by_null_and_left_by_absence_as_well(world: World) -> None:
    external = {"system": "cmdb", "id": "17"}
    world.done([doc("Region", "r", displayName="R", labels={"a": "b"}, external=external)])
    assert actions(world.done([doc("Region", "r")])) == {Action.UNCHANGED}
    (outcome,) = world.done([doc("Region", "r", displayName=None, labels=None, external=None)])
    assert outcome.changed == ["displayName", "external", "labels"]
    region = world.one(Region, "r")
    assert (region.display_name, region.labels, region.external) == (None, {}, None)


# Who made it


def test_what_another_source_made_is_never_touched(world: World) -> None:
    world.change(lambda edit: edit.create(Region, name="world"))
    refusal = world.refused(doc("Region", "world", level="COUNTRY"))
    assert isinstance(refusal, InvalidInput)
    assert "topology" in refusal.message
    # Also when nothing would change: the set claims what is not its own.
    assert isinstance(world.refused(doc("Region", "world")), InvalidInput)
    # It may be referred to all the same.
    world.done([doc("Site", "s", region="world")])


def test_pruning_deletes_what_its_source_made_and_no_longer_names_children_first(world: World) -> None:
    world.change(lambda edit: edit.create(Region, name="others"))
    world.done(NETWORK)
    kept = [one for one in NETWORK if one.kind in ("Tenant", "App")]
    outcomes = world.done(kept, prune=True)
    gone = [one for one in outcomes if one.action is Action.DELETED]
    assert len(gone) == len(NETWORK) - len(kept)
    assert {one.name for one in each(world.view, Region)} == {"others"}
    for name in ("Site", "Link", "Cluster", "Node", "AppVersion", "Component", "Service"):
        assert world.view.count(name) == 0
    assert world.view.count("App") == 1


def test_without_pruning_nothing_is_deleted(world: World) -> None:
    world.done(NETWORK)
    assert world.done([]) == []
    assert world.view.count("Site") == 2


def test_what_others_depend_on_is_not_pruned_and_that_refuses_the_set(world: World) -> None:
    world.done([doc("Region", "r"), doc("Region", "s")])
    region = world.one(Region, "r")
    world.change(lambda edit: edit.create(Site, name="by-hand", region_id=region.id))
    outcomes = world.apply([], prune=True)
    told = {one.name: (one.action, type(one.error)) for one in outcomes}
    assert told == {"r": (Action.REFUSED, InUse), "s": (Action.DELETED, type(None))}


def test_the_order_of_a_large_set_is_found_in_time() -> None:
    chain = [doc("Region", f"r{n}", parent=f"r{n - 1}") for n in range(30_000)]
    random.Random(1).shuffle(chain)
    began = time.process_time()
    ordered = [int(chain[at].name[1:]) for at in in_order(chain)]
    assert time.process_time() - began < 20
    assert ordered == list(range(30_000))
    ring = [doc("Region", f"r{n}", parent=f"r{(n - 1) % 30_000}") for n in range(30_000)]
    assert sorted(in_order(ring)) == list(range(30_000))
    assert time.process_time() - began < 20
