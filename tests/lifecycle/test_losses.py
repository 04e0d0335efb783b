"""What deployments have lost, from when it counts, and whom a change concerns: functions of small graphs."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.change import Change
from graph.kinds import (
    Deployment,
    Displacement,
    DisplacementState,
    FailoverMode,
    FailoverPolicy,
    LossKind,
    NodeStatus,
    Release,
)
from graph.kinds.policy import PlacementPolicy, Toleration, TolerationOperator
from graph.values import Finding, Health, HealthStatus, Taint, TaintEffect
from lifecycle.failover_index import Concerned
from lifecycle.losses import HOUR_MS, due_of, is_lost, left_out, losses_of, others_leave, wait_ms, with_loss
from lifecycle.settings import LifecycleSettings
from lifecyclekit.graphs import deployed, down
from placement.standing import Refused, Standing
from tests.placement.placement_graphs import Builder

SETTINGS = LifecycleSettings()


@pytest.fixture
def build() -> Builder:
    return Builder()


def found(build: Builder, deployment: Deployment, *, at: int = 1_000_000, standing: Standing | None = None) -> Any:
    return losses_of(build.view, deployment, standing=standing, at=at, settings=SETTINGS)


def test_nothing_is_lost_of_what_is_in_order(build: Builder) -> None:
    assert found(build, deployed(build, build.site())) == []


def test_a_site_that_is_down_counts_from_when_it_went_down(build: Builder) -> None:
    site, other = build.site(), build.site()
    one = deployed(build, site, other)
    build.change(site, health=down(500_000))
    [loss] = found(build, one)
    assert (loss.kind, loss.subject_id, loss.since, loss.due_at) == (LossKind.SITE_DOWN, site.id, 500_000, 560_000)
    assert due_of([loss], at=559_999) == []
    assert due_of([loss], at=560_000) == [loss]
    assert left_out(build.view, one, [loss]) == [site.id]


def test_a_control_plane_that_is_down_has_its_sites_left(build: Builder) -> None:
    site, other = build.site(), build.site()
    one = deployed(build, site, other)
    [cluster_id] = build.view.ids("Cluster", "site_ids", site.id)
    cluster = build.view.get(cluster_id)
    build.change(cluster, health=down(7))
    [loss] = found(build, one)
    assert (loss.kind, loss.subject_id) == (LossKind.CLUSTER_DOWN, cluster_id)
    assert left_out(build.view, one, [loss]) == [site.id]
    assert is_lost(build.view, site)
    assert not is_lost(build.view, other)
    build.cluster(site)
    assert not is_lost(build.view, site), "another one serves it"


def test_what_only_a_private_cluster_finds_away_is_lost_to_who_runs_through_it(build: Builder) -> None:
    site = build.site()
    one = deployed(build, site)
    [cluster_id] = build.view.ids("Cluster", "site_ids", site.id)
    build.change(build.view.get(cluster_id), findings=[Finding(site.id, True, "no answer")])
    [loss] = found(build, one)
    assert (loss.kind, loss.subject_id, loss.since) == (LossKind.SITE_DOWN, site.id, 1_000_000)


def test_a_node_is_lost_by_itself_and_not_with_its_site(build: Builder) -> None:
    site = build.site()
    one = deployed(build, site)
    [node_id] = build.view.ids("Node", "site_id", site.id)
    node = build.change(build.view.get(node_id), status=NodeStatus.NOT_READY, lost_at=[900_000])
    [loss] = found(build, one)
    assert (loss.kind, loss.subject_id, loss.since) == (LossKind.NODE_NOT_READY, node_id, 900_000)
    build.change(site, health=down(950_000))
    assert [each.kind for each in found(build, one)] == [LossKind.SITE_DOWN]
    assert node.status is NodeStatus.NOT_READY


@pytest.mark.parametrize(
    ("effect", "tolerated", "lost"),
    [
        (TaintEffect.NO_EXECUTE, False, True),
        (TaintEffect.NO_EXECUTE, True, False),
        (TaintEffect.NO_SCHEDULE, False, False),
        (TaintEffect.PREFER_NO_SCHEDULE, False, False),
    ],
)
def test_a_taint_is_a_loss_when_it_evicts(build: Builder, effect: TaintEffect, tolerated: bool, lost: bool) -> None:
    site = build.site()
    some = [Toleration(key="out", operator=TolerationOperator.EXISTS)] if tolerated else []
    one = deployed(build, site, policy=PlacementPolicy(tolerations=some))
    [node_id] = build.view.ids("Node", "site_id", site.id)
    build.change(build.view.get(node_id), taints=[Taint(key="out", value="", effect=effect)])
    assert [each.kind for each in found(build, one)] == ([LossKind.NODE_TAINTED] if lost else [])


def test_nothing_that_is_lost_is_left_out_however_much_it_is(build: Builder) -> None:
    sites = [build.site() for _ in range(40)]
    one = deployed(build, *sites)
    for site in sites:
        build.change(site, health=down(500_000))
    losses = found(build, one)
    assert left_out(build.view, one, losses) == sorted(site.id for site in sites)
    refused = Standing(refused=tuple(Refused(site.id, ("labels",)) for site in sites))
    for site in sites:
        build.change(build.view.get(site.id), health=Health(status=HealthStatus.READY))
    assert {each.subject_id for each in found(build, one, standing=refused)} == {site.id for site in sites}


def test_what_runs_everywhere_leaves_no_site_that_is_away(build: Builder) -> None:
    site = build.site()
    one = deployed(build, site, policy=PlacementPolicy(everywhere=True))
    build.change(site, health=down(1))
    assert left_out(build.view, one, found(build, one)) == []


def test_what_its_policy_says_is_kept_from_when_it_was_first_found(build: Builder) -> None:
    site, new = build.site(), build.site()
    one = deployed(build, site)
    standing = Standing(refused=(Refused(site.id, ("labels",)),), joined=(new.id,), lacking=True)
    losses = found(build, one, standing=standing, at=10_000)
    assert [each.kind for each in losses] == [LossKind.POLICY, LossKind.SITE_JOINED]
    known = build.change(one, displacement=Displacement(state=DisplacementState.TOLERATED, losses=losses))
    assert found(build, known, standing=standing, at=50_000) == losses
    assert found(build, known, at=60_000) == losses, "it was not looked at again"
    assert found(build, known, standing=Standing(), at=70_000) == []
    hasty = build.change(known, failover=FailoverPolicy(mode=FailoverMode.APPLY, toleration_seconds=10))
    assert {each.due_at - each.since for each in found(build, hasty)} == {10_000}


def test_what_lacks_room_alone_is_told_apart(build: Builder) -> None:
    site, other = build.site(), build.site()
    one = deployed(build, site, other)
    standing = Standing(refused=(Refused(site.id, ("capacity",)), Refused(other.id, ("capacity", "labels"))))
    assert [(each.kind, each.subject_id) for each in found(build, one, standing=standing)] == [
        (LossKind.POLICY, other.id),
        (LossKind.CAPACITY, site.id),
    ]


def test_what_lacks_room_is_looked_at_again_when_something_has_left(build: Builder) -> None:
    site, other = build.site(), build.site()
    one, leaving = deployed(build, site), deployed(build, site)
    deployed(build, other)
    losses = found(build, one, standing=Standing(refused=(Refused(site.id, ("capacity",)),)))
    build.change(one, displacement=Displacement(state=DisplacementState.WAITING, losses=losses))
    [release_id] = build.view.ids("Release", "deployment_id", leaving.id)
    release = build.change(build.view.get(release_id), wanted=False)
    assert others_leave(build.view, one, losses)
    index = Concerned(build.view)
    index.reload()
    build.remove(release)
    assert not others_leave(build.view, one, losses)
    assert list(index.of(Change("Release", release.id, release, None))) == [(one.id, True)]


def test_a_release_that_leaves_is_no_loss(build: Builder) -> None:
    site = build.site()
    one = deployed(build, site)
    build.change(site, health=down(1))
    [release_id] = build.view.ids("Release", "deployment_id", one.id)
    release = build.view.get(release_id)
    assert isinstance(release, Release)
    build.change(release, retires_after=3)
    assert found(build, one) == []


def test_what_flaps_is_waited_out_longer_each_time(build: Builder) -> None:
    one = deployed(build, build.site())
    times: list[int] = []
    waits = []
    for number in range(8):
        at = 1_000_000 + number * 60_000
        times = with_loss(times, at)
        waits.append(wait_ms(one, times, at=at, settings=SETTINGS) // 1000)
    assert waits == [60, 60, 60, 120, 240, 480, 960, 1_920]
    late = 1_000_000 + 3 * HOUR_MS
    assert wait_ms(one, with_loss(times, late), at=late, settings=SETTINGS) == 60_000, "it has been quiet for an hour"


@given(times=st.lists(st.integers(0, 10 * HOUR_MS), max_size=40), toleration=st.integers(0, 7 * 86_400))
def test_a_loss_is_waited_out_for_at_least_its_toleration_and_at_most_an_hour_more(
    times: list[int], toleration: int
) -> None:
    kept: list[int] = []
    one = Deployment(
        id="deployment_1",
        name="d",
        tenant_id="tenant_1",
        app_version_id="appversion_1",
        failover=FailoverPolicy(mode=FailoverMode.APPLY, toleration_seconds=toleration),
    )
    before = 0
    for at in sorted(times):
        kept = with_loss(kept, at)
        assert len(kept) <= 16
        assert all(at - HOUR_MS < each <= at for each in kept)
        wait = wait_ms(one, kept, at=at, settings=SETTINGS)
        least = max(toleration, 5) * 1000
        assert least <= wait <= max(least, 3_600_000)
        before = wait
    assert before >= 0


def test_the_least_that_is_waited_out_is_a_setting(build: Builder) -> None:
    one = deployed(build, build.site(), failover=FailoverPolicy(mode=FailoverMode.APPLY, toleration_seconds=0))
    settings = dataclasses.replace(SETTINGS, failover_settle_s=2.5)
    assert wait_ms(one, [], at=0, settings=settings) == 2_500
