"""Documents applied to an edit: in any order, by any way of naming, and nothing the second time."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from access.viewer import Grant, Viewer
from access.visible import VisibleView
from graph.applying import Action, Applier, Outcome
from graph.document_order import in_order
from graph.documents import Document, document_from
from graph.edit import Edit
from graph.entity import Entity, ExternalId, Named, Source, SourceKind
from graph.kinds import (
    App,
    AppVersion,
    Cluster,
    Component,
    Link,
    Node,
    Region,
    Role,
    Service,
    Site,
    Tenant,
    Tier,
)
from graph.refusal import AlreadyExists, Forbidden, InUse, InvalidInput, LimitExceeded, NotFound
from graph.values import Position
from graph.view import Reader, View, each
from graphkit.programs import commit_of

MINE = Source(SourceKind.DOCUMENTS, "main")
OTHER = Source(SourceKind.IMPORT, "topology")


class Everything:
    """The rights of who may do all."""

    def reader(self, edit: Reader) -> Reader:
        return edit

    def check(self, entity: Entity, *, make: bool) -> None:
        return


def doc(kind: str, name: str, /, tenant: str | None = None, **spec: Any) -> Document:
    metadata = {"name": name, **({"tenant": tenant} if tenant else {})}
    for key in ("displayName", "labels", "external"):
        if key in spec:
            metadata[key] = spec.pop(key)
    return document_from({"kind": kind, "metadata": metadata, "spec": spec}, where=f"set.yaml:{kind}-{name}")


NETWORK = [
    doc("Region", "world", level="WORLD"),
    doc("Region", "europe", parent="world", level="CONTINENT"),
    doc("Region", "münchen", parent="europe", centre={"longitude": 11.5, "latitude": 48.1}, labels={"zone": "west"}),
    doc("Site", "a", region="münchen", tier="METRO", position={"longitude": 11.5, "latitude": 48.1}),
    doc("Site", "b", region="europe", displayName="Standort B"),
    doc("Link", "a-b", fromSite="a", toSite="b", latencyMs=1.5),
    doc("Cluster", "c", driver="simulated", sites=["a", "b"], configuration={"observeEveryMs": 20}),
    doc("Node", "n1", site="a", cluster="c", capacity={"cpuMillicores": 4000, "memoryBytes": 2**33}),
    doc("Node", "n2", site="b", taints=[{"key": "gpu", "value": "", "effect": "NO_SCHEDULE"}]),
    doc("Tenant", "acme"),
    doc("App", "shop", "acme", description="A shop."),
    doc("AppVersion", "1.4.2", "acme", app="shop"),
    doc(
        "Component",
        "api",
        "acme",
        appVersion="shop/1.4.2",
        artifact={"type": "CONTAINER_IMAGE", "reference": "example.org/api:1"},
        resources={"cpuMillicores": 100, "memoryBytes": 1000},
    ),
    doc("Service", "http", "acme", component="shop/1.4.2/api", ports=[{"name": "http", "port": 80}]),
    doc("Service", "dns", site="a", scope="CROSS_SITE"),
]


class World:
    """A view, and sets that are applied to it one after another."""

    def __init__(self) -> None:
        self.view = View()

    def change(self, function: Callable[[Edit], Any], *, source: Source = OTHER) -> Any:
        edit = Edit(self.view, at=self.view.at + 1, source=source)
        made = function(edit)
        self.view.apply(commit_of(edit))
        return made

    def apply(
        self,
        documents: Sequence[Document],
        *,
        source: Source = MINE,
        prune: bool = False,
        rights: Any = None,
        keep: bool = True,
    ) -> list[Outcome]:
        edit = Edit(self.view, at=self.view.at + 1, source=source, max_changes=10**6)
        applier = Applier(edit, source=source, rights=rights or Everything())
        outcomes = applier.apply(documents)
        if prune:
            outcomes.extend(applier.prune({one.id for one in outcomes if one.id is not None}))
        self.changes = edit.changes
        if keep and edit.changes and not any(one.action is Action.REFUSED for one in outcomes):
            self.view.apply(commit_of(edit))
        return outcomes

    def done(self, documents: Sequence[Document], **how: Any) -> list[Outcome]:
        """Applies what must not be refused."""
        outcomes = self.apply(documents, **how)
        assert [one.error for one in outcomes if one.error is not None] == []
        return outcomes

    def refused(self, *documents: Document, **how: Any) -> Any:
        """The refusal of the last of the documents."""
        outcome = self.apply(documents, **how)[-1]
        assert outcome.action is Action.REFUSED
        return outcome.error

    def one(self, kind: type[Entity], name: str) -> Any:
        (found,) = [one for one in each(self.view, kind) if isinstance(one, Named) and one.name == name]
        return found


@pytest.fixture
def world() -> World:
    return World()


def actions(outcomes: Sequence[Outcome]) -> set[Action]:
    return {one.action for one in outcomes}


def picture(view: View) -> set[tuple[object, ...]]:
    """The graph without ids, times and ordinals."""

    def named(entity_id: Any) -> Any:
        found = view.get(entity_id) if isinstance(entity_id, str) else None
        return found.name if isinstance(found, Named) else entity_id

    shown = set()
    for name in ("Tenant", "Region", "Site", "Link", "Cluster", "Node", "App", "AppVersion", "Component", "Service"):
        for one in map(view.get, view.ids(name)):
            assert one is not None
            fields = []
            for key in one.SPEC.fields:
                if key in ("id", "revision", "created_at", "updated_at", "ordinal"):
                    continue
                value = getattr(one, key)
                fields.append((key, repr([named(each) for each in value] if isinstance(value, list) else named(value))))
            shown.add((name, *fields))
    return shown


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


# What is wrong


@pytest.mark.parametrize(
    ("document", "kind", "path"),
    [
        (doc("Site", "x", region="nowhere"), NotFound, "spec.region"),
        (doc("Site", "x", region="a/b/c"), NotFound, "spec.region"),
        (doc("Site", "x", region="region_01ARZ3NDEKTSV4RRFFQ69G5FAV"), NotFound, "spec.region"),
        (doc("Site", "x", region=7), InvalidInput, "spec.region"),
        (doc("Site", "x", region=""), InvalidInput, "spec.region"),
        (doc("Site", "x"), InvalidInput, "spec.region"),
        (doc("Site", "x", region="world", colour="red"), InvalidInput, "spec.colour"),
        (doc("Site", "x", region="world", ordinal=3), InvalidInput, "spec.ordinal"),
        (doc("Site", "x", region="world", health={"status": "READY"}), InvalidInput, "spec.health"),
        (doc("Site", "x", region="world", source={}), InvalidInput, "spec.source"),
        (doc("Site", "x", region="world", name="y"), InvalidInput, "spec.name"),
        (doc("Site", "x", region="world", tenantId="acme"), InvalidInput, "spec.tenantId"),
        (doc("Site", "x", region="world", price_per_core_hour=1.0), InvalidInput, "spec.price_per_core_hour"),
        (doc("Site", "x", region="world", pricePerCoreHour=-1.0), InvalidInput, "spec.pricePerCoreHour"),
        (doc("Site", "x", region="world", pricePerCoreHour="much"), InvalidInput, "spec.pricePerCoreHour"),
        (doc("Site", "x", region="world", tier="SPACE"), InvalidInput, "spec.tier"),
        (
            doc("Site", "x", region="world", position={"longitude": 999, "latitude": 0}),
            InvalidInput,
            "spec.position.longitude",
        ),
        (doc("Site", "x", region="world", position={"lon": 0}), InvalidInput, "spec.position.lon"),
        (doc("Site", "x", region="world", position=[1, 2]), InvalidInput, "spec.position"),
        (doc("Site", "x", region="world", labels={"a b": "c"}), InvalidInput, "spec.labels[0].key"),
        (doc("Site", "x/y", region="world"), InvalidInput, "spec.name"),
        (doc("Cluster", "x", driver="simulated", sites="a"), InvalidInput, "spec.sites"),
        (doc("Cluster", "x", driver="simulated", sites=["a", "nowhere"]), NotFound, "spec.sites[1]"),
        (doc("Cluster", "x", driver="simulated", sites=["a", "a"]), InvalidInput, "spec.siteIds"),
        (
            doc(
                "Node",
                "x",
                site="a",
                capacity={"accelerators": [{"model": "a", "count": 1}, {"model": "b", "count": -1}]},
            ),
            InvalidInput,
            "spec.capacity.accelerators[1].count",
        ),
        (doc("Link", "x", fromSite="a", toSite="a", latencyMs=1.0), InvalidInput, "spec.toSiteId"),
        (doc("Region", "x", "nobody"), NotFound, "metadata.tenant"),
        (doc("AppVersion", "x", app="shop"), NotFound, "spec.app"),
        (doc("Region", "x", parent="x"), NotFound, "spec.parent"),
        (doc("Tenant", "x", colour="red"), InvalidInput, "spec.colour"),
    ],
    ids=lambda one: one.name + "-" + "-".join(one.spec) if isinstance(one, Document) else "",
)
def test_a_bad_document_is_refused_with_its_place_and_leaves_nothing(
    world: World, document: Document, kind: type[Exception], path: str
) -> None:
    world.done(NETWORK)
    refusal = world.refused(document, keep=False)
    assert type(refusal) is kind
    assert refusal.path == f"{document.where}: {path}"
    assert refusal.message
    assert world.changes == []


def test_every_bad_document_is_told_and_not_only_the_first(world: World) -> None:
    outcomes = world.apply([doc("Site", "x", region="a"), doc("Region", "ok"), doc("Site", "y", region="b")])
    assert [one.action for one in outcomes] == [Action.REFUSED, Action.CREATED, Action.REFUSED]
    assert world.view.revision == 0


def test_regions_that_are_each_below_the_other_are_refused(world: World) -> None:
    outcomes = world.apply(
        [doc("Region", "a", parent="b"), doc("Region", "b", parent="a"), doc("Region", "c", parent="c")]
    )
    assert actions(outcomes) == {Action.REFUSED}
    world.done([doc("Region", "a"), doc("Region", "b", parent="a")])
    outcomes = world.apply([doc("Region", "a", parent="b"), doc("Region", "b", parent="a")])
    assert Action.REFUSED in actions(outcomes)


def test_the_same_thing_twice_in_a_set_is_refused(world: World) -> None:
    refusal = world.refused(doc("Region", "a", level="WORLD"), doc("Region", "a", level="CITY"))
    assert isinstance(refusal, InvalidInput)
    assert "set.yaml:Region-a" in refusal.message
    assert refusal.path == "set.yaml:Region-a: metadata.name"
    world.done([doc("Region", "a")])
    assert isinstance(world.refused(doc("Region", "a"), doc("Region", "a")), InvalidInput)


def test_more_than_may_be_changed_at_once_is_no_matter_of_one_document() -> None:
    edit = Edit(View(), at=1, max_changes=2)
    with pytest.raises(LimitExceeded):
        Applier(edit, source=MINE, rights=Everything()).apply([doc("Region", name) for name in "abc"])


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


# Size


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


def test_nodes_are_found_by_their_cluster_or_their_site(world: World) -> None:
    world.done(NETWORK)
    outcomes = world.done([doc("Node", "n1", site="a"), doc("Node", "n1", site="b")])
    assert actions(outcomes) == {Action.CREATED}
    assert world.view.count("Node") == 4
    assert isinstance(world.one(Service, "dns"), Service)
    assert {one.name for one in each(world.view, Node)} == {"n1", "n2"}
