"""Sets of documents with something wrong in them: each is told with its place, and nothing is left behind."""

from __future__ import annotations

import pytest

from graph.applying import Action, Applier
from graph.document_sets import SetName
from graph.documents import Document
from graph.edit import Edit
from graph.refusal import InvalidInput, LimitExceeded, NotFound
from graph.view import View
from graphkit.applied import MINE, NETWORK, Everything, World, actions, doc


@pytest.fixture
def world() -> World:
    return World()


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
        Applier(edit, of=SetName(kind=MINE.kind, name=MINE.name), rights=Everything()).apply(
            [doc("Region", name) for name in "abc"]
        )


@pytest.mark.parametrize(
    ("document", "remedy"),
    [
        (doc("Site", "x", region="world", teir="METRO"), "did you mean 'tier'?"),
        (doc("Site", "x", region="world", price_per_core_hour=1.0), "did you mean 'pricePerCoreHour'?"),
        (doc("Site", "x", region="world", position={"longtitude": 1}), "did you mean 'longitude'?"),
        (doc("Site", "x", region="world", colour="red"), "it has acceleratorPrices, capacity, position, "),
        (doc("App", "x"), "--tenant"),
    ],
)
def test_what_was_probably_meant_is_told(world: World, document: Document, remedy: str) -> None:
    world.done(NETWORK)
    assert remedy in world.refused(document, keep=False).remedy


SECRET = "hunter2" * 3


@pytest.mark.parametrize(
    "document",
    [
        doc("Site", "x", region="world", pricePerCoreHour=SECRET),
        doc("Site", "x", region="world", position=SECRET),
        doc("Site", "x", region="world", schedulable=SECRET),
        doc("Site", "x", region="world", labels={"password": f"{SECRET} !"}),
        doc("Cluster", "x", driver="simulated", sites=["a"], configuration=SECRET),
        doc("Cluster", "x", driver="simulated", sites=["a"], configuration=[SECRET]),
        doc("Cluster", "x", driver="simulated", sites=["a"], credentials=SECRET),
        doc("Cluster", "x", driver="simulated", sites=["a"], credentials={"password": SECRET}),
        doc("Node", "x", site="a", capacity={"cpuMillicores": SECRET}),
        doc("Node", "x", site="a", taints=[SECRET]),
    ],
    ids=lambda one: "-".join(one.spec),
)
def test_a_refusal_repeats_no_value_that_may_be_a_secret(world: World, document: Document) -> None:
    world.done(NETWORK)
    refusal = world.refused(document, keep=False)
    assert SECRET not in f"{refusal.message} {refusal.remedy} {refusal.path}"


def test_what_is_too_long_to_be_a_name_is_neither_looked_up_nor_repeated(world: World) -> None:
    for document in (doc("Site", "x", region="y" * 10_000), doc("Site", "x", region="world", **{"z" * 10_000: 1})):
        refusal = world.refused(document, keep=False)
        assert len(f"{refusal.message} {refusal.path}") < 3_000


def test_a_tenant_belongs_to_no_tenant(world: World) -> None:
    world.done(NETWORK)
    assert world.refused(doc("Tenant", "x", "acme"), keep=False).path == "set.yaml:Tenant-x: metadata.tenant"
