"""What deployments have lost, from when it counts, and whom a change concerns: functions of small graphs."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import msgspec
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
    ReleasePhase,
)
from graph.kinds.policy import PlacementPolicy, Toleration, TolerationOperator
from graph.values import Finding, Health, HealthStatus, Taint, TaintEffect
from lifecycle.failover_index import Concerned
from lifecycle.losses import (
    HOUR_MS,
    due_now,
    is_lost,
    left_out,
    losses_of,
    others_leave,
    planned_of,
    wait_ms,
    with_loss,
)
from lifecycle.losses_kept import MOST_LISTED, displaced, due_of, unlisted_of_policy
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


def test_a_loss_is_waited_out_for_as_long_as_the_policy_says_at_the_least(build: Builder) -> None:
    """What is less than the least is taken, and its description says what it counts as."""
    field = next(one for one in msgspec.inspect.type_info(FailoverPolicy).fields if one.name == "toleration_seconds")
    said = re.search(r"less than (\d+) counts as (\d+)", field.type.extra_json_schema["description"])
    assert said is not None
    least = int(said[1])
    assert least == int(said[2])
    for seconds in (0, least - 1, least, least + 1):
        hasty = deployed(
            build, build.site(), failover=FailoverPolicy(mode=FailoverMode.APPLY, toleration_seconds=seconds)
        )
        assert wait_ms(hasty, [], at=0, settings=SETTINGS) == max(seconds, least) * 1_000


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
    assert index.note_release(Change("Release", release.id, release, None))
    assert list(index.by_room()) == [one.id]
    assert list(index.by_room()) == [], "it is told once"


@pytest.mark.parametrize("phase", [ReleasePhase.REMOVING, ReleasePhase.WAITING_SITE, ReleasePhase.QUARANTINED])
def test_what_is_not_going_to_leave_is_not_waited_for(build: Builder, phase: ReleasePhase) -> None:
    site = build.site()
    one, other = deployed(build, site), deployed(build, site)
    losses = found(build, one, standing=Standing(refused=(Refused(site.id, ("capacity",)),)))
    [release_id] = build.view.ids("Release", "deployment_id", other.id)
    build.change(build.view.get(release_id), wanted=False, phase=phase)
    assert others_leave(build.view, one, losses) is (phase is not ReleasePhase.QUARANTINED)


def test_what_is_paused_while_it_leaves_is_not_waited_for(build: Builder) -> None:
    """Somebody else's deployment would else be held for as long as its owner pleases."""
    site = build.site()
    one, other = deployed(build, site), deployed(build, site)
    losses = found(build, one, standing=Standing(refused=(Refused(site.id, ("capacity",)),)))
    [release_id] = build.view.ids("Release", "deployment_id", other.id)
    build.change(build.view.get(release_id), wanted=False, phase=ReleasePhase.REMOVING)
    assert others_leave(build.view, one, losses)
    build.change(other, paused=True)
    assert not others_leave(build.view, one, losses)


def test_what_stays_since_what_was_to_replace_it_was_given_up_is_not_waited_for(build: Builder) -> None:
    site, elsewhere = build.site(), build.site()
    one, other = deployed(build, site), deployed(build, site, elsewhere)
    losses = found(build, one, standing=Standing(refused=(Refused(site.id, ("capacity",)),)))
    here, there = (
        next(each for each in build.view.ids("Release", "deployment_id", other.id) if of(build, each) == at.id)
        for at in (site, elsewhere)
    )
    build.change(build.view.get(here), retires_after=2)
    new = build.change(build.view.get(there), generation=2, phase=ReleasePhase.APPLYING)
    assert others_leave(build.view, one, losses)
    build.change(new, phase=ReleasePhase.QUARANTINED)
    assert not others_leave(build.view, one, losses)


def of(build: Builder, release_id: str) -> str:
    release = build.view.get(release_id)
    assert isinstance(release, Release)
    return release.site_id


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


# Of very many


def many_lost(build: Builder, *, first: int, then: int) -> tuple[Deployment, list[str]]:
    """A deployment of which so many sites went down at 500,000 and so many at 550,000, and their ids; one more is well."""
    sites = [build.site() for _ in range(first + then + 1)]
    one = deployed(build, *sites)
    for number, site in enumerate(sites[:-1]):
        build.change(site, health=down(500_000 if number < first else 550_000))
    return one, [site.id for site in sites]


def test_of_very_many_losses_those_that_count_first_are_kept_and_the_rest_is_counted(build: Builder) -> None:
    one, sites = many_lost(build, first=3, then=MOST_LISTED + 4)
    stands = displaced(DisplacementState.TOLERATED, found(build, one))
    assert len(stands.losses) == MOST_LISTED
    assert set(sites[:3]) <= {each.subject_id for each in stands.losses}
    [rest] = stands.more
    assert (rest.kind, rest.count, rest.since, rest.due_at, rest.planned) == (
        LossKind.SITE_DOWN,
        7,
        550_000,
        610_000,
        False,
    )
    assert stands.losses == sorted(stands.losses, key=lambda each: each.subject_id)


def test_what_is_left_does_not_depend_on_what_is_kept(build: Builder) -> None:
    one, sites = many_lost(build, first=MOST_LISTED + 9, then=5)
    known = build.change(one, displacement=displaced(DisplacementState.TOLERATED, found(build, one)))
    due = due_now(build.view, known, at=560_000, settings=SETTINGS)
    assert left_out(build.view, known, due) == sorted(sites[: MOST_LISTED + 9])
    assert len(due_now(build.view, known, at=610_000, settings=SETTINGS)) == MOST_LISTED + 14
    assert found(build, known) == found(build, one), "however often it is looked at"


def test_a_plan_is_for_all_that_it_puts_right_and_for_nothing_that_is_lost_later(build: Builder) -> None:
    one, sites = many_lost(build, first=MOST_LISTED + 9, then=0)
    losses = [msgspec.structs.replace(each, planned=True) for each in found(build, one)]
    known = build.change(one, displacement=displaced(DisplacementState.PROPOSED, losses, plan_id="plan_1"))
    build.change(build.view.get(sites[-1]), health=down(700_000))
    assert sorted(each.subject_id for each in planned_of(build.view, known)) == sorted(sites[:-1])
    assert {each.subject_id for each in found(build, known) if not each.planned} == {sites[-1]}


def test_what_only_placement_tells_is_carried_on_until_it_is_asked_again(build: Builder) -> None:
    sites = [build.site() for _ in range(MOST_LISTED + 2)]
    one = deployed(build, *sites)
    refused = Standing(refused=tuple(Refused(site.id, ("labels",)) for site in sites))
    stands = displaced(DisplacementState.TOLERATED, found(build, one, standing=refused, at=10_000))
    known = build.change(one, displacement=stands)
    again = found(build, known, at=20_000)
    assert displaced(DisplacementState.TOLERATED, again, unlisted_of_policy(known.displacement)) == stands
    asked = found(build, known, standing=refused, at=20_000)
    assert displaced(DisplacementState.TOLERATED, asked) == stands, "they are so since then, all of them"
