"""What entities say alike is held once, and they say the same."""

from __future__ import annotations

import msgspec

from graph.change import decode_entity, encode_entity
from graph.entity import KINDS, Entity, Source, SourceKind
from graph.kinds import Release, Site
from graph.kinds.scheduling import Scheduling
from graph.sharing import MOST_KEPT, share
from graph.values import Resources


def read_twice(entity: Entity) -> tuple[Entity, Entity]:
    """Two copies as they come from a store; shared."""
    both = [decode_entity(entity.SPEC.name, encode_entity(entity)) for _ in range(2)]
    for one in both:
        share(one)
        assert one == entity
        assert encode_entity(one) == encode_entity(entity)
    return both[0], both[1]


def release(**fields: object) -> Release:
    ids = {name: f"{name.removesuffix('_id')}_01" for name in ("tenant_id", "deployment_id", "component_id", "site_id")}
    given = {"id": "release_01", "backend_name": "web", "cluster_id": "cluster_01", "replicas": 1, **ids, **fields}
    return Release(**given)  # type: ignore[arg-type]  # a case's fields, by name


def test_ids_amounts_and_makers_are_held_once() -> None:
    asked = Resources(cpu_millicores=50, memory_bytes=1 << 20)
    first, second = read_twice(
        release(
            source=Source(SourceKind.USER, "anna"),
            resources=asked,
            scheduling=Scheduling(one_per_node=True),
            assignments={"node_01": 2},
        )
    )
    assert isinstance(first, Release)
    assert isinstance(second, Release)
    for name in (
        "tenant_id",
        "deployment_id",
        "component_id",
        "site_id",
        "cluster_id",
        "source",
        "resources",
        "scheduling",
    ):
        assert getattr(first, name) is getattr(second, name), name
    assert next(iter(first.assignments)) is next(iter(second.assignments))
    assert first.assignments is not second.assignments


def test_collections_with_nothing_in_them_are_one_and_stay_empty() -> None:
    first, second = read_twice(release())
    assert first.labels is second.labels
    assert msgspec.structs.replace(first, labels={"a": "b"}).labels == {"a": "b"}
    assert second.labels == {}


def test_collections_with_something_in_them_are_each_ones_own() -> None:
    site = Site(id="site_01", name="a", region_id="region_01", labels={"zone": "a"})
    first, second = read_twice(site)
    assert first.labels is not second.labels


def test_no_more_than_so_many_values_are_kept() -> None:
    alike = [release(source=Source(SourceKind.IMPORT, f"import-{number}")) for number in range(MOST_KEPT + 10)]
    for one in alike:
        share(one)
    first, second = read_twice(alike[-1])
    assert first.source is second.source


def test_every_kind_can_share() -> None:
    required = {"id": "x", "name": "y"}
    for kind in KINDS.values():
        fields = dict.fromkeys(kind.fields)
        share(kind.type(**{**fields, **{name: value for name, value in required.items() if name in fields}}))
