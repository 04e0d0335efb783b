"""Worlds: the same for the same seed, and graphs that the product itself would have let be made."""

from __future__ import annotations

import msgspec
import pytest

from bench.worlds import SMALL, Size, World, commits_of, viewed
from graph.entity import KINDS
from graph.store import Head


@pytest.fixture(scope="module")
def world() -> World:
    return World(SMALL)


def test_a_world_is_the_same_for_the_same_seed(world: World) -> None:
    assert list(World(SMALL).entities()) == list(world.entities())
    assert list(World(SMALL, seed=2).entities()) != list(world.entities())


def test_a_world_has_the_asked_size_and_rising_ids(world: World) -> None:
    assert [len(one) for one in (world.sites, world.nodes, world.links)] == [100, 300, 200]
    for made in (world.regions, world.sites, world.nodes, world.links):
        ids = [one.id for one in made]
        assert ids == sorted(set(ids))


@pytest.mark.parametrize("size", [SMALL, Size(sites=2_000, nodes=10, links=4_000)])
def test_all_that_is_in_a_world_is_valid_and_refers_to_what_is_there(size: Size) -> None:
    entities = {one.id: one for one in World(size).entities()}
    names: set[tuple[str, str, str]] = set()
    for entity in entities.values():
        assert msgspec.json.decode(msgspec.json.encode(entity), type=type(entity)) == entity
        for field in entity.SPEC.refs:
            assert field.ref is not None
            assert all(entities[one].SPEC.name in field.ref.kinds for one in field.targets(entity))
        if entity.SPEC.named:
            names.add((entity.SPEC.name, entity.SPEC.scope_of(entity), entity.name))  # type: ignore[attr-defined]  # of the kinds that the test is about
        if entity.SPEC.name == "Link":
            assert entity.from_site_id != entity.to_site_id  # type: ignore[attr-defined]  # of the kinds that the test is about
    assert len(names) == sum(one.SPEC.named for one in entities.values()), "names are unique in their scopes"


def test_a_view_of_a_world_has_every_entity_of_it(world: World) -> None:
    view = viewed(world)
    assert len(view) == sum(1 for _ in world.entities())
    assert [view.get(one.id) for one in world.entities()] == list(world.entities())


def test_the_commits_of_a_world_follow_the_head_without_a_gap(world: World) -> None:
    head = Head(revision=7, at=0, epoch="e", schema=1)
    commits = list(commits_of(world.entities(), head=head, size=64))
    assert [one.revision for one in commits] == list(range(8, 8 + len(commits)))
    assert {change.kind for one in commits for change in one.changes} <= set(KINDS)
    assert sum(len(one.changes) for one in commits) == sum(1 for _ in world.entities())
    assert [one.at for one in commits] == sorted({one.at for one in commits})
