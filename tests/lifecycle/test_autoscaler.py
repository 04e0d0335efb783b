"""The scaling loop over a simulated edge: replicas follow the load of each site, and people's verbs are not undone."""

from __future__ import annotations

import asyncio
import dataclasses

import msgspec
import pytest

from faultkit import broken
from graph.kinds import (
    DeploymentPhase,
    FailoverMode,
    FailoverPolicy,
    Operation,
    OperationKind,
    OperationStatus,
    PrometheusQuery,
    ScalingBehaviour,
    ScalingLimit,
    ScalingMetric,
    ScalingPolicy,
    ScalingSelection,
    SiteScaling,
)
from graph.refusal import AlreadyExists, InvalidInput, InvalidState
from graph.store import RecordPage
from graph.view import each, get_as
from lifecycle.share import Share, partition_of
from lifecyclekit.edge import QUICK
from lifecyclekit.scaling import Loop

AT_ONCE = ScalingBehaviour(stabilisation_s=0)


async def shop(edge, *, sites: int = 2, nodes: int = 2, **fields):
    """A deployment that is READY everywhere, and the loop over it."""
    await edge.network(sites=sites, nodes=nodes)
    await edge.version()
    deployment, operation = await edge.deploy(**fields)
    await edge.succeeded(operation)
    return await edge.phase(deployment.id, DeploymentPhase.READY), Loop(edge)


async def test_each_site_follows_its_own_load(edge) -> None:
    deployment, loop = await shop(edge)
    policy = await loop.policy(deployment.id)
    await loop.load(s0=450, s1=90)
    assert await loop.round() == 0, "a first sample is only taken note of"
    assert await loop.round() == 1
    assert loop.replicas(deployment.id) == {"s0": 5, "s1": 1}
    standing = loop.standing(policy)
    assert (standing.replicas, standing.desired, standing.value, standing.limited_by) == (5, 5, 450, ScalingLimit.NONE)
    assert (standing.last_change.before, standing.last_change.after) == (1, 5)
    assert standing.last_change.why == "450 requests/s a replica, target 100; desired 5"
    assert standing.deployment_id == deployment.id
    after = await edge.phase(deployment.id, DeploymentPhase.READY)
    assert (after.revision_number, after.replicas, after.adjustments) == (1, {}, [])
    edge.check_books()
    told = [one.message for one in await edge.events(deployment.id) if one.reason == "Scaled"]
    assert told == ["web at site s0: 1 -> 5 replicas (450 requests/s a replica, target 100; desired 5)."]


async def test_only_the_scaled_site_is_touched_and_an_operation_sees_it_through(edge) -> None:
    deployment, loop = await shop(edge)
    await loop.policy(deployment.id)
    await loop.load(s0=300, s1=100)
    before = {one.site_id: (one.generation, one.epoch) for one in edge.releases(deployment.id)}
    await loop.round(2)
    operation_id = edge.deployment(deployment.id).operation_id
    if operation_id is not None:
        over = await edge.ended(operation_id)
        assert (over.kind, over.progress.total) == (OperationKind.AUTOSCALE, 1)
    after = {one.site_id: (one.generation, one.epoch) for one in edge.releases(deployment.id)}
    assert after[edge.site_ids[1]] == before[edge.site_ids[1]]
    assert after[edge.site_ids[0]][0] == 2


async def test_an_operation_of_the_loop_is_not_cancelled(edge) -> None:
    deployment, loop = await shop(edge)
    await loop.policy(deployment.id)
    await loop.load(every=300)
    await loop.round(1)
    await edge.pause(deployment.id)
    await loop.round(1)
    assert loop.replicas(deployment.id) == {"s0": 1, "s1": 1}
    await edge.resume(deployment.id)
    await edge.phase(deployment.id, DeploymentPhase.READY)
    await edge.configure(failingSites=["s0", "s1"], loads=[{"requestsPerSecond": [[0, 300]]}])
    for _ in range(20):
        if await loop.round(1):
            break
    operation_id = edge.deployment(deployment.id).operation_id
    with pytest.raises(InvalidState, match="an autoscale is not cancelled"):
        await edge.cancel(operation_id)


async def test_what_is_taken_away_waits_for_the_window(edge) -> None:
    deployment, loop = await shop(edge, sites=1)
    policy = await loop.policy(deployment.id)
    await loop.load(every=400)
    await loop.round(2)
    assert loop.replicas(deployment.id) == {"s0": 4}
    await loop.load(every=100)
    rounds = 0
    while loop.replicas(deployment.id) == {"s0": 4}:
        await loop.round()
        rounds += 1
        if rounds == 2:
            assert loop.standing(policy).limited_by is ScalingLimit.STABILISATION
        assert rounds < 40
    assert rounds * 15 >= 285
    assert loop.replicas(deployment.id) == {"s0": 1}
    edge.check_books() if edge.deployment(deployment.id).phase is DeploymentPhase.READY else None


async def test_a_process_that_starts_takes_nothing_away_before_a_whole_window(edge) -> None:
    deployment, loop = await shop(edge, sites=1)
    await loop.policy(deployment.id)
    await loop.load(every=400)
    await loop.round(2)
    await loop.load(every=100)
    await loop.round(15)
    anew = Loop(edge)
    await anew.round(19)
    assert anew.replicas(deployment.id) == {"s0": 4}
    await anew.round(3)
    assert anew.replicas(deployment.id) == {"s0": 1}


async def test_a_process_that_starts_knows_what_was_changed_within_the_period(edge) -> None:
    deployment, loop = await shop(edge, sites=1, nodes=4)
    policy = await loop.policy(deployment.id, max_replicas=20, scale_down=AT_ONCE)
    await loop.load(every=2_000)
    await loop.round(2)
    assert loop.replicas(deployment.id) == {"s0": 5}, "four more, or twice as many"
    assert loop.standing(policy).limited_by is ScalingLimit.RATE
    anew = Loop(edge)
    anew.clock.seconds = (edge.view.get(loop.standing(policy).id).last_change.at - 1_700_000_000_000) / 1000
    await anew.round(2, every_s=2)
    assert anew.replicas(deployment.id) == {"s0": 5}, "the same period still"


async def test_without_room_there_are_as_many_as_have_room_and_it_is_told(edge) -> None:
    deployment, loop = await shop(edge, sites=1, nodes=1)
    policy = await loop.policy(deployment.id, max_replicas=40)
    await loop.load(every=3_000)
    for _ in range(6):
        await loop.round()
    # A node of 4,000 millicores takes 8 replicas of 500.
    assert loop.replicas(deployment.id) == {"s0": 8}
    standing = loop.standing(policy)
    assert (standing.limited_by, standing.desired) == (ScalingLimit.ROOM, 30)
    assert standing.message
    reasons = [one.reason for one in await edge.events(deployment.id)]
    assert reasons.count("NoRoomToScale") == 1
    await edge.phase(deployment.id, DeploymentPhase.READY)
    edge.check_books()


async def test_room_that_something_has_left_is_taken_in_the_next_round(edge) -> None:
    deployment, _ = await shop(edge, sites=1, nodes=1)
    other, operation = await edge.deploy("other", replicas={"web": 4})
    await edge.succeeded(operation)
    loop = Loop(edge, settings=dataclasses.replace(QUICK, scaling_room_s=36_000.0))
    await loop.policy(deployment.id, max_replicas=40)
    await loop.load(every=3_000)
    await loop.round(6)
    assert loop.replicas(deployment.id) == {"s0": 4}
    await edge.succeeded((await edge.terminate(other.id)).operation)
    await loop.round(2)
    assert loop.replicas(deployment.id) == {"s0": 8}


async def test_samples_that_stand_still_scale_nothing(edge) -> None:
    deployment, loop = await shop(edge, sites=1)
    policy = await loop.policy(deployment.id)
    await loop.load(every=900)
    await loop.load()
    await loop.round(4)
    assert loop.standing(policy) is None, "nothing is known, and not for long"
    await loop.round(2)
    standing = loop.standing(policy)
    assert (standing.limited_by, standing.replicas) == (ScalingLimit.NO_SAMPLES, None)
    assert standing.stale_since is not None
    assert loop.replicas(deployment.id) == {"s0": 1}
    assert [one.reason for one in await edge.events(deployment.id)].count("SamplesMissing") == 1
    await loop.load(every=300)
    await loop.round(2)
    assert loop.replicas(deployment.id) == {"s0": 3}
    assert loop.standing(policy).stale_since is None


async def test_cpu_is_a_percentage_of_what_replicas_ask_for(edge) -> None:
    deployment, loop = await shop(edge, sites=1)
    await loop.policy(deployment.id, metric=ScalingMetric.CPU_UTILIZATION, target=50.0)
    await loop.load(every=200)  # 1,000 millicores, of 500 that one asks for
    await loop.round(2)
    assert loop.replicas(deployment.id) == {"s0": 4}


async def test_bounds_hold_at_once_and_what_is_above_them_is_not_asked_for(edge) -> None:
    deployment, loop = await shop(edge, sites=1)
    policy = await loop.policy(deployment.id, min_replicas=2, max_replicas=3)
    await loop.round()
    assert loop.replicas(deployment.id) == {"s0": 2}, "also without a sample"
    await loop.load(every=900)
    await loop.round(3)
    assert loop.replicas(deployment.id) == {"s0": 3}
    assert loop.standing(policy).limited_by is ScalingLimit.MAX_REPLICAS
    await loop.change(policy, min_replicas=1, max_replicas=1)
    await loop.round()
    assert loop.replicas(deployment.id) == {"s0": 1}


async def test_a_direction_can_be_switched_off(edge) -> None:
    deployment, loop = await shop(edge, sites=1)
    policy = await loop.policy(deployment.id, scale_up=ScalingBehaviour(selection=ScalingSelection.DISABLED))
    await loop.load(every=900)
    await loop.round(3)
    assert loop.replicas(deployment.id) == {"s0": 1}
    assert loop.standing(policy).limited_by is ScalingLimit.DISABLED


async def test_a_persons_number_for_a_site_counts_and_an_update_keeps_the_loops(edge) -> None:
    deployment, loop = await shop(edge)
    policy = await loop.policy(deployment.id)
    await loop.load(s0=300, s1=500)
    await loop.round(2)
    assert loop.replicas(deployment.id) == {"s0": 3, "s1": 5}
    await edge.phase(deployment.id, DeploymentPhase.READY)
    await edge.succeeded((await edge.adjust_site(deployment.id, edge.site_ids[0], web=7)).operation)
    assert loop.replicas(deployment.id) == {"s0": 7, "s1": 5}
    await loop.round(2)
    assert loop.replicas(deployment.id) == {"s0": 7, "s1": 5}
    assert loop.standing(policy).limited_by is ScalingLimit.HELD
    assert loop.standing(policy).replicas is None
    version = await edge.version("2", reference="shop:2")
    await edge.succeeded((await edge.update(deployment.id, app_version_id=version)).operation)
    assert loop.replicas(deployment.id) == {"s0": 7, "s1": 5}
    await edge.succeeded((await edge.update(deployment.id, replicas={"web": 2})).operation)
    assert loop.replicas(deployment.id) == {"s0": 7, "s1": 5}
    # Given back, the site has the deployment's number, and the loop goes on from there.
    await edge.succeeded((await edge.adjust_site(deployment.id, edge.site_ids[0])).operation)
    assert loop.replicas(deployment.id) == {"s0": 2, "s1": 5}
    await loop.round(2)
    assert loop.replicas(deployment.id) == {"s0": 3, "s1": 5}


async def test_a_rollback_goes_back_to_what_was_wanted_and_not_to_fewer_replicas(edge) -> None:
    deployment, loop = await shop(edge)
    await loop.policy(deployment.id)
    version = await edge.version("2", reference="shop:2")
    await edge.succeeded((await edge.update(deployment.id, app_version_id=version)).operation)
    await loop.load(s0=300, s1=500)
    await loop.round(2)
    await edge.phase(deployment.id, DeploymentPhase.READY)
    await edge.succeeded((await edge.rollback(deployment.id, 1)).operation)
    assert edge.deployment(deployment.id).app_version_id == edge.version_id
    assert loop.replicas(deployment.id) == {"s0": 3, "s1": 5}


@pytest.mark.parametrize("verb", ["pause", "stop"])
async def test_what_is_paused_or_stopped_is_not_scaled(edge, verb: str) -> None:
    deployment, loop = await shop(edge, sites=1)
    policy = await loop.policy(deployment.id)
    await loop.load(every=400)
    await getattr(edge, verb)(deployment.id)
    await loop.round(3)
    assert loop.replicas(deployment.id) == {"s0": 1}
    standing = loop.standing(policy)
    assert standing.limited_by is ScalingLimit.HELD
    assert standing.message.startswith("its deployment is")
    await edge.resume(deployment.id)
    await edge.phase(deployment.id, DeploymentPhase.READY)
    await loop.round(3)
    assert loop.replicas(deployment.id) == {"s0": 4}


async def test_what_runs_goes_on_being_scaled_while_a_change_waits_for_approval(edge) -> None:
    deployment, loop = await shop(edge)
    policy = await loop.policy(deployment.id)
    version = await edge.version("2", reference="shop:2")
    asked = await edge.update(deployment.id, requires_approval=True, app_version_id=version)
    proposal = edge.deployment(deployment.id).proposal
    await loop.load(s0=400, s1=90)
    await loop.round(2)
    assert loop.replicas(deployment.id) == {"s0": 4, "s1": 1}
    assert loop.standing(policy).limited_by is ScalingLimit.NONE
    assert edge.deployment(deployment.id).phase is DeploymentPhase.PENDING_APPROVAL
    after = await edge.phase(deployment.id, DeploymentPhase.PENDING_APPROVAL)
    assert (after.proposal, after.app_version_id) == (proposal, edge.version_id), "as it was asked for, and not begun"
    edge.check_books()
    # What was decided for it does not undo what was scaled since.
    await edge.approve(deployment.id, 2)
    await edge.succeeded(asked.operation)
    assert edge.deployment(deployment.id).app_version_id == version
    assert loop.replicas(deployment.id) == {"s0": 4, "s1": 1}
    await edge.phase(deployment.id, DeploymentPhase.READY)
    edge.check_books()


async def test_what_was_never_approved_is_not_scaled(edge) -> None:
    await edge.network(sites=1)
    await edge.version()
    deployment, _ = await edge.deploy(requires_approval=True)
    loop = Loop(edge)
    await loop.policy(deployment.id)
    await loop.load(every=400)
    assert await loop.round(3) == 0
    assert edge.releases(deployment.id) == []


async def test_a_number_for_all_sites_is_refused_where_a_policy_gives_them_theirs(edge) -> None:
    deployment, loop = await shop(edge, sites=1)
    await loop.policy(deployment.id, max_replicas=7)
    with pytest.raises(InvalidState) as refused:
        await edge.scale(deployment.id, web=3)
    assert refused.value.message == "the replicas of 'web' follow the scaling policy 'web', from 1 to 7 at each site"
    assert refused.value.remedy.startswith("change minReplicas and maxReplicas of the policy")
    assert refused.value.path == "input.replicas.web"
    assert edge.deployment(deployment.id).revision_number == 1


async def test_none_at_all_switches_a_component_and_its_policy_off_until_it_has_a_number_again(edge) -> None:
    deployment, loop = await shop(edge, sites=1)
    policy = await loop.policy(deployment.id)
    await loop.load(every=400)
    await loop.round(2)
    await edge.phase(deployment.id, DeploymentPhase.READY)
    await edge.succeeded((await edge.scale(deployment.id, web=0)).operation)
    assert loop.replicas(deployment.id) == {"s0": 0}
    await loop.round(2)
    assert loop.replicas(deployment.id) == {"s0": 0}
    assert loop.standing(policy).message == "somebody set it to no replicas"
    assert loop.standing(policy).replicas is None
    await edge.succeeded((await edge.scale(deployment.id, web=2)).operation)
    assert loop.replicas(deployment.id) == {"s0": 2}
    await loop.round(3)
    assert loop.replicas(deployment.id) == {"s0": 4}


async def test_a_policy_that_comes_while_a_number_is_being_decided_has_it_refused(edge, monkeypatch) -> None:
    deployment, loop = await shop(edge, sites=1)
    inner = edge.lifecycle._decisions.for_change

    async def meanwhile(*given):
        chosen = await inner(*given)
        await loop.policy(deployment.id)
        return chosen

    monkeypatch.setattr(edge.lifecycle._decisions, "for_change", meanwhile)
    with pytest.raises(InvalidState, match="follow the scaling policy"):
        await edge.scale(deployment.id, web=3)


async def test_a_site_that_is_left_alone_for_another_reason_is_told_anew(edge) -> None:
    deployment, loop = await shop(edge, sites=1)
    policy = await loop.policy(deployment.id)
    await loop.load(every=400)
    await loop.round(2)
    await edge.phase(deployment.id, DeploymentPhase.READY)
    await edge.pause(deployment.id)
    await loop.round()
    assert loop.standing(policy).message == "its deployment is paused"
    await edge.adjust_site(deployment.id, edge.site_ids[0], web=6)
    await edge.resume(deployment.id)
    await edge.phase(deployment.id, DeploymentPhase.READY)
    await loop.round()
    standing = loop.standing(policy)
    assert (standing.limited_by, standing.replicas) == (ScalingLimit.HELD, None)
    assert standing.message == "somebody gave the site a number of its own"
    # So a number that is taken back is not followed by the loop's from before.
    await edge.succeeded((await edge.adjust_site(deployment.id, edge.site_ids[0])).operation)
    assert loop.replicas(deployment.id) == {"s0": 1}


# A change beside the loop's


FAILOVER = FailoverPolicy(mode=FailoverMode.PROPOSE, toleration_seconds=7)


async def test_a_change_that_was_decided_before_the_loop_scaled_is_decided_anew(edge, monkeypatch) -> None:
    deployment, loop = await shop(edge)
    await loop.policy(deployment.id)
    await loop.load(every=400)
    await loop.round()
    inner, decided = edge.lifecycle._decisions.for_change, []

    async def meanwhile(*given):
        chosen = await inner(*given)
        decided.append(chosen)
        if len(decided) == 1:
            assert await loop.round() == 2
        return chosen

    monkeypatch.setattr(edge.lifecycle._decisions, "for_change", meanwhile)
    started = await edge.update(deployment.id, failover=FAILOVER)
    assert len(decided) == 2
    await edge.succeeded(started.operation)
    after = await edge.phase(deployment.id, DeploymentPhase.READY)
    assert (after.failover, after.revision_number) == (FAILOVER, 2)
    assert loop.replicas(deployment.id) == {"s0": 4, "s1": 4}
    edge.check_books()


CHANGES = {
    "failover": (lambda edge, one, _: edge.update(one, failover=FAILOVER), {"s0": 4, "s1": 4}),
    "version": (lambda edge, one, version: edge.update(one, app_version_id=version), {"s0": 1, "s1": 1}),
    "adjusted": (lambda edge, one, _: edge.adjust_site(one, edge.site_ids[0], web=2), {"s0": 2, "s1": 4}),
    "fewer-sites": (lambda edge, one, _: edge.remove_sites(one, edge.site_ids[0]), {"s1": 4}),
    "off": (lambda edge, one, _: edge.scale(one, web=0), {"s0": 0, "s1": 0}),
    "paused": (lambda edge, one, _: edge.pause(one), {"s0": 1, "s1": 1}),
    "stopped": (lambda edge, one, _: edge.stop(one), {"s0": 1, "s1": 1}),
    "terminated": (lambda edge, one, _: edge.terminate(one), {}),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_a_change_that_comes_while_the_loops_is_under_way_sees_both_through(edge, change) -> None:
    deployment, loop = await shop(edge)
    await loop.policy(deployment.id)
    version = await edge.version("2", reference="shop:2")
    await loop.load(every=400)
    await edge.configure(loads=[{"requestsPerSecond": [[0, 400]]}], latencyMs=60, readyAfterMs=60)
    while not await loop.round():
        assert loop.clock.seconds < 2_000
    asked, replicas = CHANGES[change]
    await asked(edge, deployment.id, version)
    if change == "paused":
        await edge.resume(deployment.id)
    rest = {"stopped": "STOPPED", "terminated": "TERMINATED"}.get(change, "READY")
    after = await edge.phase(deployment.id, DeploymentPhase[rest])
    assert (after.failover == FAILOVER) == (change == "failover")
    scaled = {site: 4 if count == 1 else count for site, count in replicas.items()}
    assert loop.replicas(deployment.id) == scaled, "what the loop gave stays where nobody gave another"
    if rest == "READY":
        edge.check_books()
    await _all_have_ended_well(edge)


@pytest.mark.parametrize("change", CHANGES)
async def test_a_change_that_comes_between_what_the_loop_found_and_its_commit_counts(edge, monkeypatch, change) -> None:
    deployment, loop = await shop(edge)
    await loop.policy(deployment.id)
    version = await edge.version("2", reference="shop:2")
    await loop.load(every=400)
    await loop.round()
    asked, replicas = CHANGES[change]
    inner = loop.scaler._write

    async def meanwhile(deployment_id, found):
        monkeypatch.setattr(loop.scaler, "_write", inner)
        await asked(edge, deployment.id, version)
        return await inner(deployment_id, found)

    monkeypatch.setattr(loop.scaler, "_write", meanwhile)
    await loop.round()
    assert loop.replicas(deployment.id) == replicas
    rest = {"paused": "PAUSED", "stopped": "STOPPED", "terminated": "TERMINATED"}.get(change, "READY")
    after = await edge.phase(deployment.id, DeploymentPhase[rest])
    assert (after.failover == FAILOVER) == (change == "failover")
    if rest == "READY":
        # Whatever was dropped comes with the next rounds, and nothing is lost of either.
        await loop.round(2)
        await edge.phase(deployment.id, DeploymentPhase.READY)
        kept = {"version": {"s0": 4, "s1": 4}}.get(change, replicas)
        assert loop.replicas(deployment.id) == kept
        edge.check_books()
    await _all_have_ended_well(edge)


async def _all_have_ended_well(edge) -> None:
    good = (OperationStatus.SUCCEEDED, OperationStatus.SUPERSEDED)
    for one in await edge.ledger.store.records(RecordPage(collection="Operation", limit=100)):
        operation = msgspec.json.decode(one.body, type=Operation)
        assert operation.status in good, operation


async def test_a_deployments_policies_and_standings_go_with_it(edge) -> None:
    deployment, loop = await shop(edge)
    policy = await loop.policy(deployment.id)
    await loop.load(every=400)
    await loop.round(2)
    await edge.succeeded((await edge.remove_sites(deployment.id, edge.site_ids[1])).operation)
    await loop.round()
    assert loop.standing(policy, 1) is None
    assert loop.standing(policy) is not None
    started = await edge.terminate(deployment.id, delete=True)
    await edge.ended(started.operation.id)
    await edge.until(lambda: edge.deployment(deployment.id) is None)
    assert list(each(edge.view, ScalingPolicy)) == list(each(edge.view, SiteScaling)) == []


async def test_a_policy_is_deleted_with_its_standings_and_what_runs_stays(edge) -> None:
    deployment, loop = await shop(edge)
    policy = await loop.policy(deployment.id)
    await loop.load(every=400)
    await loop.round(2)
    await edge.change(lambda edit: edit.delete(get_as(edit, ScalingPolicy, policy.id)))
    assert list(each(edge.view, SiteScaling)) == []
    assert await loop.round() == 0
    assert loop.replicas(deployment.id) == {"s0": 4, "s1": 4}
    # The next change of the deployment gives its own number again.
    await edge.phase(deployment.id, DeploymentPhase.READY)
    await edge.succeeded((await edge.scale(deployment.id, web=2)).operation)
    assert loop.replicas(deployment.id) == {"s0": 2, "s1": 2}


async def test_two_workers_scale_the_sites_of_their_shares(edge) -> None:
    deployment, _ = await shop(edge, sites=4)
    first = frozenset({partition_of(edge.site_ids[0]), partition_of(edge.site_ids[2])})
    loops = [Loop(edge, share=Share("one", partitions=first))]
    others = frozenset(range(64)) - first
    loops.append(Loop(edge, share=Share("two", partitions=others)))
    policy = await loops[0].policy(deployment.id)
    await loops[0].load(every=300)
    await loops[0].round(2)
    mine = {f"s{number}" for number, one in enumerate(edge.site_ids) if partition_of(one) in first}
    assert {site for site, count in loops[0].replicas(deployment.id).items() if count == 3} == mine
    await loops[1].round(2)
    assert set(loops[1].replicas(deployment.id).values()) == {3}
    assert len(list(each(edge.view, SiteScaling, "policy_id", policy.id))) == 4


async def two_scale_the_same_site(edge) -> tuple[int, int]:
    """How many sites two loops scaled that both took the one for theirs; the deployment's generation after that."""
    deployment, loop = await shop(edge, sites=1)
    other = Loop(edge)
    await loop.policy(deployment.id)
    await loop.load(every=250)
    await loop.round()
    await other.round()
    scaled = await asyncio.gather(loop.round(), other.round())
    assert loop.replicas(deployment.id) == {"s0": 3}
    return sum(scaled), edge.deployment(deployment.id).generation


async def test_of_two_that_take_the_same_site_for_theirs_one_is_heard(edge) -> None:
    assert await two_scale_the_same_site(edge) == (1, 2)


async def test_a_loop_that_writes_whatever_has_changed_since_is_found_out(edge) -> None:
    with broken.scaled_whatever_has_changed_since():
        assert await two_scale_the_same_site(edge) == (2, 3)


@pytest.mark.parametrize(
    ("fields", "refusal", "said"),
    [
        ({"min_replicas": 4, "max_replicas": 2}, InvalidInput, "cannot both be"),
        ({"component": "db"}, InvalidInput, "no component 'db'"),
        ({"target": 0.0}, InvalidInput, "must be"),
        ({"tolerance": 2.0}, InvalidInput, "must be"),
        ({"max_replicas": 1_001}, InvalidInput, "must be"),
        ({"prometheus": PrometheusQuery(endpoint="", query="up")}, InvalidInput, "must be"),
        ({"prometheus": PrometheusQuery(endpoint="a", query="up", site_label="x-y")}, InvalidInput, "no label"),
    ],
)
async def test_a_policy_that_cannot_be_meant_is_refused(edge, fields, refusal, said) -> None:
    deployment, loop = await shop(edge, sites=1)
    with pytest.raises(refusal, match=said):
        await loop.policy(deployment.id, **fields)


async def test_a_component_has_one_policy(edge) -> None:
    deployment, loop = await shop(edge, sites=1)
    await loop.policy(deployment.id)
    with pytest.raises(AlreadyExists, match="is scaled by the policy 'web' already"):
        await loop.policy(deployment.id, name="another")


async def test_of_sites_that_want_the_same_those_that_are_full_hold_up_no_other(edge) -> None:
    deployment, loop = await shop(edge, sites=4, nodes=1)
    policy = await loop.policy(deployment.id, max_replicas=20)
    # A node of 4,000 millicores takes 8 of 500; another app has 5 of them at one site.
    await edge.succeeded((await edge.deploy("other", sites=[edge.site_ids[2]], replicas={"web": 5}))[1])
    await loop.load(every=450)
    await loop.round(2)
    assert loop.replicas(deployment.id) == {"s0": 5, "s1": 5, "s2": 3, "s3": 5}
    assert [loop.standing(policy, site).limited_by.name for site in range(4)] == ["NONE", "NONE", "ROOM", "NONE"]
    await edge.phase(deployment.id, DeploymentPhase.READY)
    edge.check_books()


async def test_the_others_at_the_site_keep_their_nodes_and_generations(edge) -> None:
    await edge.network(sites=1, nodes=3)
    await edge.version(web={}, db={})
    deployment, operation = await edge.deploy(replicas={"web": 1, "db": 2})
    await edge.succeeded(operation)
    loop = Loop(edge)
    await loop.policy(deployment.id)
    await loop.load(every=600)
    before = {one.id: one for one in edge.releases(deployment.id)}
    await loop.round(2)
    [db] = [one for one in edge.releases(deployment.id) if edge.view.get(one.component_id).name == "db"]
    assert (db.assignments, db.generation) == (before[db.id].assignments, 1)
    await edge.phase(deployment.id, DeploymentPhase.READY)
    edge.check_books()
    web = next(one for one in edge.releases(deployment.id) if one.id != db.id)
    assert (web.replicas, sum(web.assignments.values())) == (5, 5)
