"""What decisions are compared with: loops that decide the same, bounds that hold, a site that is lost."""

from __future__ import annotations

import dataclasses

import msgspec
import pytest

from bench.measures.failing import Inhabited
from bench.measures.naive import Naive
from bench.measures.placing import HEURISTIC, Ground
from bench.placement import SHORT, TOGETHER, against
from bench.worlds.apps import apps, crowded, inhabitants, owners, simple
from bench.worlds.bounds import BELOW, EXACT, NONE, Bound, batch_bound_for, bounds_for
from bench.worlds.fibre import SCALES, FibreWorld
from graph.kinds.policy import PlacementPolicy


@pytest.fixture(scope="module")
def ground() -> Ground:
    return Ground(FibreWorld(SCALES["S"]))


def test_a_network_is_the_same_for_the_same_seed(ground: Ground) -> None:
    assert FibreWorld(SCALES["S"]).entities == ground.world.entities
    assert FibreWorld(SCALES["S"], seed=2).entities != ground.world.entities


def test_all_that_is_in_a_network_is_valid_and_refers_to_what_is_there(ground: Ground) -> None:
    components = [one for app in apps(ground.world, 3) for one in app.components]
    entities = {one.id: one for one in [*ground.world.entities, *owners(), *components]}
    for entity in entities.values():
        assert msgspec.json.decode(msgspec.json.encode(entity), type=type(entity)) == entity
        for field in entity.SPEC.refs:
            assert field.ref is not None
            assert all(entities[one].SPEC.name in field.ref.kinds for one in field.targets(entity))


def test_an_app_that_is_not_placed_is_counted_by_what_its_bound_proves(ground: Ground) -> None:
    can, *cannot = simple(ground.world, 4)
    policy = PlacementPolicy(min_sites=len(ground.world.sites) + 1)
    cannot = [dataclasses.replace(one, policy=policy) for one in cannot]
    kinds = (EXACT, BELOW, NONE)
    bounds = {one.name: Bound(kind, 1.0) for one, kind in zip(cannot, kinds, strict=True)}
    bounds[can.name] = bounds_for(ground.world, "simple", [can])[can.name]
    compared = against(ground, [can, *cannot], bounds, limits=HEURISTIC)
    assert (len(compared.gaps), compared.refused, compared.without) == (1, 1, 1)


def test_loops_over_networkx_let_the_same_sites_pass_and_find_nothing_cheaper_than_the_least(ground: Ground) -> None:
    loops = Naive(ground.world)
    row = {one.id: at for at, one in enumerate(ground.world.sites)}
    listed = simple(ground.world, 8)
    bounds = bounds_for(ground.world, "simple", listed)
    for app in listed:
        problem = ground.problem(app)
        chosen, candidates, cost = loops.decide(app, problem)
        unit = ground.whole_model(app, limits=HEURISTIC).units[0]
        assert candidates == sorted(row[problem.sites[at].id] for at in unit.sites.tolist())
        assert chosen
        assert cost >= bounds[app.name].cost - 1e-9


def test_shipped_bounds_hold(ground: Ground) -> None:
    for sort, listed in (("simple", simple(ground.world, 10)), ("composite", apps(ground.world, 10))):
        bounds = bounds_for(ground.world, sort, listed)
        for app in listed:
            verdict = ground.decide(app, limits=HEURISTIC).verdict
            assert not verdict.feasible or bounds[app.name].kind != NONE
            assert not verdict.feasible or verdict.objective.tiers[0].cost >= bounds[app.name].cost - 1e-6


def test_bounds_of_other_apps_are_not_used(ground: Ground) -> None:
    assert not bounds_for(ground.world, "simple", simple(ground.world, 3, seed=7))
    assert not bounds_for(ground.world, "simple", apps(ground.world, 3))


def test_a_lost_site_is_left_by_all_that_ran_there_and_the_world_stays() -> None:
    inhabited = Inhabited(FibreWorld(SCALES["S"]), inhabitants(FibreWorld(SCALES["S"]), 100))
    assert inhabited.composite > 0
    used = inhabited.used_sites()
    site_id, count = used[0]
    lost = inhabited.lost(site_id)
    assert lost.deployments == count > 0
    assert lost.placed <= count
    assert 0 < lost.least <= lost.moves
    assert lost.moves == inhabited.lost(site_id).moves
    assert inhabited.used_sites() == used


def test_the_bound_of_a_batch_is_of_whatever_is_placed_and_never_above_what_each_costs_alone_and_together() -> None:
    world = FibreWorld(SCALES["S"], free=SHORT)
    listed = crowded(world, TOGETHER)
    bound, alone = batch_bound_for(world, "crowded", listed), bounds_for(world, "crowded", listed)
    assert bound is not None
    possible = [name for name, one in alone.items() if one.kind != NONE]
    assert 0 < bound.most <= len(possible)
    # With prices an app costs no less than without, and room is worth something only where it is short.
    assert all(bound.least[name] >= alone[name].cost - 1e-4 for name in possible if name in bound.least)
    assert bound.room > 0.0
    assert bound.of(possible[:1]) <= alone[possible[0]].cost + 1e-6
    assert batch_bound_for(world, "crowded", crowded(world, TOGETHER, seed=7)) is None
