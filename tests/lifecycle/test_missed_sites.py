"""Sites that were down when those of a deployment were chosen: they are told of, and join as its failover says."""

from __future__ import annotations

import pytest

from graph.kinds import (
    Deployment,
    DeploymentPhase,
    DisplacementState,
    DriftPolicy,
    FailoverMode,
    FailoverPolicy,
    MissedSites,
    ReleasePhase,
)
from graph.kinds.policy import PlacementPolicy, SiteSelector
from lifecycle.losses import is_lost
from lifecycle.missed_sites import missed_reason
from lifecycle.plans_rebalance import Rebalancing
from lifecyclekit.edge import Edge, everything

READY = DeploymentPhase.READY


async def away(edge: Edge, *numbers: int) -> None:
    """Some sites, and no others, are away, and that is known."""
    await edge.configure(awaySites=[f"s{one}" for one in numbers])
    wanted = {edge.site_ids[one] for one in numbers}
    await edge.until(
        lambda: {one for one in edge.site_ids if is_lost(edge.view, edge.view.get(one))} == wanted, what="who is away"
    )


def told(edge: Edge, deployment_id: str) -> list[str]:
    """What the status says of sites that were missed, once the books are kept."""
    return [one.message for one in edge.deployment(deployment_id).status.reasons if one.code == "SITE_MISSED"]


def runs_at(edge: Edge, deployment_id: str) -> set[str]:
    return {one.site_id for one in edge.releases(deployment_id) if one.phase is ReleasePhase.READY}


async def begun(edge: Edge, mode: FailoverMode, *, named: bool = True, **network: int) -> Deployment:
    """A deployment everywhere, or at all sites by name, the last of which was away when it was placed."""
    await edge.network(sites=3, **network)
    await edge.version()
    await edge.connected()
    await away(edge, 2)
    failover = FailoverPolicy(mode=mode, toleration_seconds=0)
    deployment, operation = await edge.deploy(sites=edge.site_ids if named else None, failover=failover)
    await edge.succeeded(operation)
    return await edge.phase(deployment.id, READY)


@pytest.mark.parametrize("named", [True, False], ids=["by name", "everywhere"])
async def test_with_failover_off_a_site_that_was_down_is_told_of_until_it_is_asked_for(edge, named) -> None:
    deployment = await begun(edge, FailoverMode.OFF, named=named)
    [message] = told(edge, deployment.id)
    assert message == (
        "it does not run at site s2, which its policy asks for and which was down when its sites were chosen; "
        "its failover is OFF, so only a rebalance, or adding the site once it is up, has it run there"
    )
    await away(edge)
    # A change that leaves the policy as it is leaves its sites as they are.
    change = await edge.update(deployment.id, drift_policy=DriftPolicy.REPORT, replicas={"web": 2})
    await edge.succeeded(change.operation)
    await edge.phase(deployment.id, READY)
    assert told(edge, deployment.id) == [message]
    assert runs_at(edge, deployment.id) == set(edge.site_ids[:2])
    # Each remedy that is named.
    found = await edge.lifecycle.dry_runs.rebalance(Rebalancing(tenant_id=edge.tenant_id), visible=everything)
    assert [set(one.sites_after) for one in found.steps] == [set(edge.site_ids)]
    change = await edge.add_sites(deployment.id, edge.site_ids[2])
    await edge.succeeded(change.operation)
    await edge.phase(deployment.id, READY)
    assert runs_at(edge, deployment.id) == set(edge.site_ids)
    await edge.until(lambda: not told(edge, deployment.id), what="the end of it")


async def test_with_failover_apply_it_joins_by_itself_and_nothing_is_told_any_more(edge) -> None:
    deployment = await begun(edge, FailoverMode.APPLY)
    [message] = told(edge, deployment.id)
    assert message.endswith("; it runs there by itself once it is up")
    await away(edge)
    await edge.until(lambda: runs_at(edge, deployment.id) == set(edge.site_ids), what="the site that is back")
    await edge.until(lambda: not edge.deployment(deployment.id).status.reasons, what="the end of it")


async def test_it_joins_when_the_failover_is_set_to_apply(edge) -> None:
    deployment = await begun(edge, FailoverMode.OFF)
    await away(edge)
    failover = FailoverPolicy(mode=FailoverMode.APPLY, toleration_seconds=0)
    await edge.update(deployment.id, failover=failover)
    await edge.until(lambda: runs_at(edge, deployment.id) == set(edge.site_ids), what="the site that is back")


@pytest.mark.parametrize(
    ("mode", "state", "words"),
    [
        (FailoverMode.PROPOSE, DisplacementState.PROPOSED, "a plan that has it run there is proposed once it is up"),
        (FailoverMode.REPORT, DisplacementState.REPORTED, "that it may run there is reported once it is up; "),
    ],
)
async def test_what_is_proposed_or_reported_is_told_so(edge, mode, state, words) -> None:
    deployment = await begun(edge, mode)
    assert words in told(edge, deployment.id)[0]
    await away(edge)

    def stands() -> bool:
        displacement = edge.deployment(deployment.id).displacement
        return displacement is not None and displacement.state is state

    await edge.until(stands, what=state.name)
    assert (
        edge.deployment(deployment.id).displacement.losses[0].words == "site s2 matches its policy and does not run it"
    )
    assert runs_at(edge, deployment.id) == set(edge.site_ids[:2])


async def test_a_site_is_missed_too_whose_only_control_plane_is_down(edge) -> None:
    await edge.network(sites=3, clusters=3)
    await edge.version()
    for number in range(3):
        await edge.connected(number)
    await edge.configure(2, nothingSuch=1)
    await edge.until(lambda: is_lost(edge.view, edge.view.get(edge.site_ids[2])), what="the loss")
    deployment, operation = await edge.deploy()
    await edge.succeeded(operation)
    await edge.until(lambda: "site s2" in "".join(told(edge, deployment.id)), what="the reason")


@pytest.mark.parametrize(
    "policy",
    [
        PlacementPolicy(max_sites=2),
        PlacementPolicy(everywhere=True, max_sites=2),
        PlacementPolicy(everywhere=True, sites=SiteSelector(labels="zone=none,zone!=none")),
    ],
    ids=["some sites", "as many as may be", "it does not match"],
)
async def test_a_site_that_is_down_and_would_not_be_needed_is_not_missed(edge, policy) -> None:
    await edge.network(sites=3)
    await edge.version()
    await edge.connected()
    await away(edge, 2)
    deployment, _ = await edge.deploy(policy=policy, wait=True)
    await edge.until(lambda: edge.deployment(deployment.id).status.releases.desired or deployment.phase is not READY)
    assert edge.deployment(deployment.id).missed is None


async def test_a_site_that_goes_down_later_is_away_and_not_missed(edge) -> None:
    await edge.network(sites=2)
    await edge.version()
    deployment, operation = await edge.deploy()
    await edge.succeeded(operation)
    await away(edge, 1)
    change = await edge.update(deployment.id, replicas={"web": 2})
    await edge.phases(deployment.id, READY=1, WAITING_SITE=1)
    assert change.deployment.missed is None
    assert edge.deployment(deployment.id).missed is None


async def test_what_was_missed_stays_so_however_much_of_it_there_is_while_nobody_asks_for_it(edge) -> None:
    await edge.network(sites=12)
    await edge.version()
    await edge.connected()
    await away(edge, *range(2, 12))
    deployment, operation = await edge.deploy()
    await edge.succeeded(operation)
    missed = MissedSites(site_ids=sorted(edge.site_ids[2:])[:8], more=2)
    assert edge.deployment(deployment.id).missed == missed
    await edge.until(lambda: "and 7 more, which" in "".join(told(edge, deployment.id)), what="the books")
    for numbers in ((3, 11), ()):
        await away(edge, *numbers)
        await edge.succeeded((await edge.update(deployment.id, replicas={"web": 2 + len(numbers)})).operation)
        found = edge.deployment(deployment.id).missed
        assert found.site_ids == missed.site_ids
        assert len(found.site_ids) + found.more == 10


async def test_what_a_decision_that_was_filed_misses_is_kept_when_it_is_approved(edge) -> None:
    await edge.network(sites=3)
    await edge.version()
    await edge.connected()
    await away(edge, 2)
    deployment, _ = await edge.deploy(requires_approval=True)
    assert deployment.missed is None
    await edge.succeeded((await edge.approve(deployment.id, 1)).operation)
    assert edge.deployment(deployment.id).missed == MissedSites(site_ids=[edge.site_ids[2]])


def test_of_many_that_were_missed_a_few_are_named_and_the_others_counted() -> None:
    listed = [f"site_{one}" for one in range(8)]
    deployment = Deployment(
        id="deployment_1",
        name="shop",
        tenant_id="t",
        app_version_id="v",
        phase=READY,
        missed=MissedSites(site_ids=listed, more=1_992),
    )
    found = missed_reason(deployment, {one: f"s{at}" for at, one in enumerate(listed)})
    assert found is not None
    assert "at sites s0, s1, s2 and 1997 more, which its policy asks for and which were down" in found.message
    assert "once they are up" in found.message
