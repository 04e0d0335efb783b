"""Room that releases leave, and whom that wakes: at once, those that may have use for it, and a bounded number of them."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from graph.change import Change
from graph.kinds import (
    Deployment,
    DeploymentPhase,
    Displacement,
    DisplacementState,
    FailoverMode,
    FailoverPolicy,
    Loss,
    LossKind,
    Release,
    ReleaseObserved,
)
from graph.kinds.policy import PlacementPolicy, SiteSelector
from lifecycle import freed_room
from lifecycle.failover_index import Concerned
from lifecycle.freed_room import MOST_WOKEN, given_up
from lifecycle.placer import Placer
from lifecyclekit.edge import NEED, NODE, QUICK, Edge
from lifecyclekit.graphs import deployed
from tests.placement.placement_graphs import GIB, Builder, amount

EVERYWHERE = PlacementPolicy(everywhere=True)
MOST = NODE.cpu_millicores // NEED.cpu_millicores


@pytest.fixture
def build() -> Builder:
    return Builder()


def release(assignments: dict[str, int], *, replicas: int = 0, seen: int | None = None) -> Release:
    observed = None
    if seen is not None:
        observed = ReleaseObserved(present=True, replicas=seen, ready_replicas=seen, version=1, observed_at=1)
    return Release(
        id="release_1",
        tenant_id="t",
        deployment_id="d",
        component_id="c",
        site_id="s",
        replicas=replicas or sum(assignments.values()),
        assignments=assignments,
        observed=observed,
    )


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        (release({"a": 2, "b": 1}), None, {"a": 3, "b": 3}),
        (release({"a": 2}), release({"a": 2}), {}),
        (release({"a": 2}), release({"a": 1}), {"a": 1}),
        (release({"a": 1}), release({"a": 2}), {}),
        (release({"a": 2}), release({"b": 2}), {"a": 2}),
        (release({}, replicas=2), None, {None: 2}),
        (release({}, replicas=2), release({}, replicas=3), {}),
        (release({"a": 1}, seen=3), release({"a": 1}, seen=1), {"a": 2}),
        (release({"a": 1}, seen=1), release({"a": 1}, seen=3), {}),
    ],
)
def test_what_a_release_gives_up(before: Release, after: Release | None, found: dict[str | None, int]) -> None:
    assert given_up(before, after) == found


def index_of(build: Builder) -> Concerned:
    index = Concerned(build.view)
    index.reload()
    return index


def leaves(build: Builder, index: Concerned, deployment: Deployment) -> list[str]:
    """Whom it wakes that a deployment leaves the one site where it runs."""
    [release_id] = build.view.ids("Release", "deployment_id", deployment.id)
    one = build.view.get(release_id)
    build.remove(one)
    return list(index.by_room()) if index.note_release(Change("Release", release_id, one, None)) else []


def small(build: Builder, **fields: Any) -> Any:
    """A site with room for one replica."""
    return build.site(node={"capacity": amount(1_000, 8 * GIB)}, **fields)


def test_a_release_that_leaves_wakes_who_is_to_run_everywhere_and_had_no_room_there(build: Builder) -> None:
    full, other = small(build, labels={"zone": "west"}), small(build)
    leaving = deployed(build, full)
    anywhere = deployed(build, other, policy=EVERYWHERE)
    west = PlacementPolicy(everywhere=True, sites=SiteSelector(labels="zone=west"))
    east = PlacementPolicy(everywhere=True, sites=SiteSelector(labels="zone=east"))
    wants = deployed(build, other, policy=west)
    deployed(build, other, policy=east)
    deployed(build, other)
    assert leaves(build, index_of(build), leaving) == [anywhere.id, wants.id]


def test_it_wakes_nobody_who_had_room_there_all_the_time(build: Builder) -> None:
    roomy = build.site(node={"capacity": amount(64_000, 64 * GIB)})
    leaving = deployed(build, roomy)
    deployed(build, build.site(), policy=EVERYWHERE)
    assert leaves(build, index_of(build), leaving) == []


def test_it_wakes_what_has_nowhere_to_go_and_not_what_is_only_tolerated(build: Builder) -> None:
    full, home = small(build), small(build)
    leaving = deployed(build, full)
    lost = [Loss(kind=LossKind.SITE_DOWN, subject_id=home.id, since=1, due_at=1)]
    stuck = deployed(build, home, displacement=Displacement(state=DisplacementState.STUCK, losses=lost))
    deployed(build, home, displacement=Displacement(state=DisplacementState.TOLERATED, losses=lost))
    assert leaves(build, index_of(build), leaving) == [stuck.id]


def test_it_wakes_what_was_found_to_have_nowhere_to_go_after_it_had_left(build: Builder) -> None:
    full, home = small(build), small(build)
    leaving = deployed(build, full)
    lost = [Loss(kind=LossKind.SITE_DOWN, subject_id=home.id, since=1, due_at=1)]
    decided = deployed(build, home, displacement=Displacement(state=DisplacementState.WAITING, losses=lost))
    index = index_of(build)
    [release_id] = build.view.ids("Release", "deployment_id", leaving.id)
    one = build.view.get(release_id)
    build.remove(one)
    assert index.note_release(Change("Release", release_id, one, None))
    build.change(decided, displacement=Displacement(state=DisplacementState.STUCK, losses=lost))
    assert list(index.by_room()) == [decided.id]


def test_so_many_are_woken_at_once_and_no_more_the_others_by_the_next_that_leaves(
    build: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = small(build)
    others = [small(build) for _ in range(MOST_WOKEN + 3)]
    leaving = deployed(build, full)
    low = [deployed(build, one, policy=EVERYWHERE) for one in others[:-1]]
    build.change(build.tenant, max_priority=9)
    high = deployed(build, others[-1], policy=PlacementPolicy(everywhere=True, priority=9))
    found = leaves(build, index_of(build), leaving)
    assert found == [high.id, *(one.id for one in low[: MOST_WOKEN - 1])]
    monkeypatch.setattr(freed_room, "MOST_LOOKS", 2)
    assert len(leaves(build, index_of(build), deployed(build, full))) == 2


def test_many_sites_are_looked_at_some_at_a_time(build: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(freed_room, "SITES_AT_ONCE", 2)
    full = [small(build) for _ in range(3)]
    leaving = [deployed(build, one) for one in full]
    wants = [deployed(build, small(build), policy=EVERYWHERE) for _ in range(2)]
    index = index_of(build)
    for deployment in leaving:
        [release_id] = build.view.ids("Release", "deployment_id", deployment.id)
        one = build.view.get(release_id)
        build.remove(one)
        assert index.note_release(Change("Release", release_id, one, None))
    for has_room in (True, False):
        assert list(index.by_room()) == [one.id for one in wants]
        assert index.has_room is has_room


def test_a_change_that_leaves_no_room_is_not_noted(build: Builder) -> None:
    full = small(build)
    leaving = deployed(build, full)
    [release_id] = build.view.ids("Release", "deployment_id", leaving.id)
    before = build.view.get(release_id)
    nobody = index_of(build)
    assert not nobody.note_release(Change("Release", release_id, before, None)), "nobody waits for room"
    deployed(build, small(build), policy=EVERYWHERE)
    index = index_of(build)
    assert not index.note_release(Change("Release", release_id, before, build.change(before, attempts=2)))
    assert list(index.by_room()) == []


# On an edge: without the sweep, and with pauses that never end


PATIENT = dataclasses.replace(QUICK, resync_s=3_600.0, pending_retry_s=3_600.0, pending_retry_cap_s=3_600.0)


async def full_at(edge: Edge, site_id: str) -> Deployment:
    """One that takes up a site."""
    deployment, operation = await edge.deploy("large", sites=[site_id], replicas={"web": MOST})
    await edge.succeeded(operation)
    return deployment


async def test_what_runs_everywhere_gets_the_site_that_something_has_left(edges: Callable[..., Any]) -> None:
    async with edges(settings=PATIENT) as edge:
        await edge.network(sites=2, nodes=1)
        await edge.version()
        large = await full_at(edge, edge.site_ids[0])
        failover = FailoverPolicy(mode=FailoverMode.APPLY, toleration_seconds=0)
        deployment, operation = await edge.deploy("small", policy=EVERYWHERE, failover=failover)
        await edge.succeeded(operation)
        assert {one.site_id for one in edge.releases(deployment.id)} == {edge.site_ids[1]}
        await edge.terminate(large.id)
        await edge.until(lambda: len(edge.releases(deployment.id)) == 2, what="the site that was left")


async def test_what_waits_to_be_placed_is_placed_when_something_has_left(edges: Callable[..., Any]) -> None:
    async with edges(settings=PATIENT) as edge:
        await edge.network(sites=1, nodes=1)
        await edge.version()
        large = await full_at(edge, edge.site_ids[0])
        waiting, _ = await edge.deploy("small", policy=PlacementPolicy(max_sites=1), wait=True)
        await edge.until(lambda: edge.deployment(waiting.id).message not in (None, ""), what="why it waits")
        assert edge.deployment(waiting.id).phase is DeploymentPhase.PENDING_PLACEMENT
        await edge.terminate(large.id)
        await edge.phase(waiting.id, DeploymentPhase.READY)


async def test_what_is_left_while_one_is_tried_for_the_first_time_is_not_missed(
    edges: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    found_none, ends, told = asyncio.Event(), asyncio.Event(), Placer._told

    async def told_late(self: Placer, *of: Any) -> None:
        await told(self, *of)
        found_none.set()
        await ends.wait()

    monkeypatch.setattr(Placer, "_told", told_late)
    async with edges(settings=PATIENT) as edge:
        await edge.network(sites=1, nodes=1)
        await edge.version()
        large = await full_at(edge, edge.site_ids[0])
        waiting, _ = await edge.deploy("small", policy=PlacementPolicy(max_sites=1), wait=True)
        await found_none.wait()
        await edge.terminate(large.id)
        await edge.until(lambda: not edge.releases(large.id), what="what is left")
        ends.set()
        await edge.phase(waiting.id, DeploymentPhase.READY)
