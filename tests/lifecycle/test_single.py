"""Apps that must never run twice: nothing starts before the old copy is known to be gone."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from drivers.port import Condition
from graph.change import Commit
from graph.edit import Edit
from graph.kinds import (
    Cluster,
    Deployment,
    DeploymentPhase,
    DisplacementState,
    FailoverMode,
    FailoverPolicy,
    ReleasePhase,
    Tenant,
)
from graph.kinds.policy import PlacementPolicy, SiteSelector
from graph.refusal import InvalidState, NotFound
from graph.values import Health, HealthStatus, Resources
from lifecycle.sightings import write_sites
from lifecyclekit.edge import Edge, asking, everything

ONE = PlacementPolicy(min_sites=1, max_sites=1)
SINGLE = FailoverPolicy(mode=FailoverMode.APPLY, toleration_seconds=0, single=True)


async def running(edge: Edge, **fields: Any) -> tuple[Deployment, str]:
    deployment, operation = await edge.deploy(policy=ONE, failover=SINGLE, **fields)
    await edge.succeeded(operation)
    [release] = edge.releases(deployment.id)
    return deployment, release.site_id


async def fence(edge: Edge, entity_id: str) -> Any:
    asked = await edge.lifecycle.failover.fence(entity_id, asking("fence"), visible=everything)
    return asked.value


async def awaited(edge: Edge, deployment_id: str) -> str:
    def found() -> str | None:
        one = edge.deployment(deployment_id).displacement
        return one.why if one is not None and one.state is DisplacementState.AWAITING_OLD else None

    why: str = await edge.until(found, what="that the old copy is awaited")
    return why


async def test_a_copy_at_a_lost_site_is_awaited_until_somebody_says_that_it_is_gone(edge) -> None:
    await edge.network(sites=3)
    await edge.version()
    deployment, lost = await running(edge)
    await edge.configure(awaySites=[edge.view.get(lost).name])
    assert "is not known to be gone" in await awaited(edge, deployment.id)
    assert len(edge.releases(deployment.id)) == 1
    fenced = await fence(edge, lost)
    assert fenced.fence.by == "user_test"

    def runs_elsewhere() -> bool:
        return any(one.site_id != lost and one.phase is ReleasePhase.READY for one in edge.releases(deployment.id))

    await edge.until(runs_elsewhere, what="the new copy")
    await edge.configure()
    await edge.until(lambda: len(edge.releases(deployment.id)) == 1, what="that the old copy is gone")
    await edge.until(lambda: edge.view.get(lost).fence is None, what="the end of the word")
    assert "FenceEnded" in [one.reason for one in await edge.events(lost)]
    edge.check_books()


class Counted:
    """How many commits brought deployments to a state of their displacement."""

    def __init__(self, state: DisplacementState) -> None:
        self.state = state
        self.deployments = 0
        self.commits = 0

    def applied(self, commit: Commit) -> None:
        came = [one for one in commit.changes if self._is(one.after) and not self._is(one.before)]
        self.deployments += len(came)
        self.commits += bool(came)

    def reloaded(self) -> None:
        pass

    def _is(self, value: object) -> bool:
        displacement = getattr(value, "displacement", None)
        return displacement is not None and displacement.state is self.state


async def test_of_many_that_wait_it_is_written_down_together(edge) -> None:
    await edge.network(sites=3)
    await edge.version(web={"resources": Resources(cpu_millicores=20, memory_bytes=1 << 20)})
    here = PlacementPolicy(min_sites=1, max_sites=1, sites=SiteSelector(site_ids=[edge.site_ids[0]]))
    begun = [await edge.deploy(f"d{number}", policy=here, failover=SINGLE) for number in range(24)]
    for _, operation in begun:
        await edge.succeeded(operation)
    counted = Counted(DisplacementState.AWAITING_OLD)
    edge.ledger.view.follow(counted)
    await edge.configure(awaySites=["s0"])
    await edge.until(lambda: counted.deployments == len(begun), what="that all are awaited")
    assert counted.commits < len(begun) / 2, "each by itself"


async def test_a_site_that_returns_before_that_keeps_its_copy(edge) -> None:
    await edge.network(sites=3)
    await edge.version()
    deployment, lost = await running(edge)
    await edge.configure(awaySites=[edge.view.get(lost).name])
    await awaited(edge, deployment.id)
    await edge.configure()
    await edge.until(lambda: edge.deployment(deployment.id).displacement is None)
    after = await edge.phase(deployment.id, DeploymentPhase.READY)
    assert after.generation == deployment.generation
    assert [one.site_id for one in edge.releases(deployment.id)] == [lost]


async def test_a_drain_of_what_is_single_stops_the_old_copy_first(edge) -> None:
    await edge.network(sites=3, readyAfterMs=40)
    await edge.version()
    deployment, home = await running(edge)
    most = 0
    drain = await edge.drain(home)
    while edge.view.get(drain.id) is not None:
        most = max(most, len(edge.world().objects))
        waiting = [one for one in edge.releases(deployment.id) if one.phase is ReleasePhase.WAITING_DEPENDENCY]
        assert all("not known to be gone" in one.error for one in waiting)
        await asyncio.sleep(0.002)
    await edge.succeeded(drain)
    await edge.phase(deployment.id, DeploymentPhase.READY)
    assert most == 1
    edge.check_books()


async def test_what_is_not_single_overlaps_in_a_drain(edge) -> None:
    """The control: the same drain has both copies for a while."""
    await edge.network(sites=3, readyAfterMs=40)
    await edge.version()
    deployment, operation = await edge.deploy(policy=ONE)
    await edge.succeeded(operation)
    drain = await edge.drain(edge.releases(deployment.id)[0].site_id)
    most = 0
    while edge.view.get(drain.id) is not None:
        most = max(most, len(edge.world().objects))
        await asyncio.sleep(0.002)
    assert most == 2


async def test_only_what_does_not_answer_is_fenced(edge) -> None:
    await edge.network(sites=2)
    await edge.version()
    _, home = await running(edge)
    with pytest.raises(InvalidState, match="answers"):
        await fence(edge, home)
    with pytest.raises(NotFound):
        await fence(edge, edge.cluster_ids[0])
    await edge.configure(awaySites=[edge.view.get(home).name])
    await edge.until(lambda: edge.view.get(home).health.status.name == "DOWN")
    first = await fence(edge, home)
    assert (await fence(edge, home)).revision == first.revision


async def test_the_word_on_a_shared_site_is_ended_by_no_tenants_own_cluster(edges) -> None:
    """Its tenant alone knows what that cluster reaches: what others have there may run on, beyond a link that is cut."""
    async with edges(running=False) as edge:
        await edge.network(sites=2)
        [site_id, _] = edge.site_ids

        def cut_off(edit: Edit) -> str:
            edit.replace(edit.get(edge.cluster_ids[0]), health=Health(status=HealthStatus.DOWN))
            other = edit.create(Tenant, name="other")
            mine = edit.create(Cluster, name="mine", driver="simulated", tenant_id=other.id, site_ids=[site_id])
            return mine.id

        private = await edge.change(cut_off)
        await fence(edge, site_id)
        answers = {site_id: Condition(True)}
        await edge.change(lambda edit: write_sites(edit, cluster_id=private, sites=answers))
        assert edge.view.get(site_id).fence is not None
        await edge.change(lambda edit: write_sites(edit, cluster_id=edge.cluster_ids[0], sites=answers))
        assert edge.view.get(site_id).fence is None


async def test_a_fenced_node_frees_what_is_single(edge) -> None:
    await edge.network(sites=1, nodes=2)
    await edge.version()
    deployment, _ = await running(edge)
    [release] = edge.releases(deployment.id)
    [node_id] = release.assignments
    await edge.configure(awayNodes=[edge.view.get(node_id).name])
    await awaited(edge, deployment.id)
    assert edge.view.get(release.id).assignments == release.assignments
    await fence(edge, node_id)
    await edge.until(lambda: node_id not in edge.view.get(release.id).assignments, what="another node")
    await edge.phase(deployment.id, DeploymentPhase.READY)


async def test_the_nodes_of_a_lost_control_plane_are_fenced_though_another_one_answers_for_their_site(edge) -> None:
    await edge.network(sites=1, nodes=1)
    await edge.version()
    await edge.another_cluster()
    deployment, home = await running(edge)
    [old] = edge.releases(deployment.id)
    [node_id] = old.assignments
    mine = edge.cluster_ids.index(old.cluster_id)
    with pytest.raises(InvalidState, match="answers"):
        await fence(edge, node_id)
    await edge.configure(mine, nonsense=1)
    await awaited(edge, deployment.id)
    with pytest.raises(InvalidState, match="answers"):
        await fence(edge, home)
    await fence(edge, node_id)

    def through_the_other() -> bool:
        staying = [one for one in edge.releases(deployment.id) if one.stays]
        return all(one.cluster_id != old.cluster_id and one.phase is ReleasePhase.READY for one in staying)

    await edge.until(through_the_other, what="that it runs through the other one")
    await edge.configure(mine)
    await edge.until(lambda: edge.view.get(node_id).fence is None, what="the end of the fence")
    await edge.until(lambda: len(edge.releases(deployment.id)) == 1, what="that the old copy is gone")
    assert through_the_other()
    edge.check_books()


async def test_a_copy_that_is_wanted_again_waits_for_the_one_that_took_its_place(edge) -> None:
    """The word that nothing runs at a site had let another start; then the site answers, and is gone back to at once."""
    await edge.network(sites=2)
    await edge.version()
    deployment, lost = await running(edge)
    [old] = edge.releases(deployment.id)
    await edge.configure(awaySites=[edge.view.get(lost).name])
    await awaited(edge, deployment.id)
    await fence(edge, lost)

    def taken() -> str | None:
        there = [one for one in edge.releases(deployment.id) if one.site_id != lost]
        return there[0].backend_name if there and there[0].phase is ReleasePhase.READY else None

    new = await edge.until(taken, what="the new copy")
    names = {one: edge.view.get(one).name for one in edge.site_ids}
    slow = {name: {"latencyMs": 1_500} for one, name in names.items() if one != lost}
    await edge.configure(sites={names[lost]: {"failureRate": 1}, **slow})

    def not_removed() -> bool:
        answers = edge.view.get(lost).health.status is HealthStatus.READY
        return answers and edge.view.get(old.id).failures > 0

    await edge.until(not_removed, what="that its removal is refused")
    back = PlacementPolicy(min_sites=1, max_sites=1, sites=SiteSelector(site_ids=[lost]))
    generation = (await edge.update(deployment.id, policy=back)).deployment.generation
    await edge.configure(sites=slow)
    doubled = False

    def runs_there() -> bool:
        nonlocal doubled
        objects = edge.world().objects
        again = old.backend_name in objects and objects[old.backend_name].generation >= generation
        doubled |= again and new in objects
        return again and len(edge.releases(deployment.id)) == 1

    await edge.until(runs_there, what="that it is back")
    assert not doubled
    await edge.phase(deployment.id, DeploymentPhase.READY)
    edge.check_books()


async def test_what_was_moved_while_it_was_stopped_waits_for_the_old_copy_when_it_is_resumed(edge) -> None:
    """Replicas that are none may be anywhere; once some are to run it is asked whether the old ones are gone."""
    await edge.network(sites=2)
    await edge.version()
    deployment, home = await running(edge)
    [old] = edge.releases(deployment.id)
    [elsewhere] = set(edge.site_ids) - {home}
    await edge.configure(awaySites=[edge.view.get(home).name])
    await awaited(edge, deployment.id)
    await edge.stop(deployment.id)
    there = PlacementPolicy(min_sites=1, max_sites=1, sites=SiteSelector(site_ids=[elsewhere]))
    await edge.update(deployment.id, policy=there)
    await edge.until(
        lambda: any(one.site_id == elsewhere and one.applied_generation for one in edge.releases(deployment.id)),
        what="none of it at the other site",
    )
    await edge.resume(deployment.id)

    def waits() -> bool:
        found = [one for one in edge.releases(deployment.id) if one.site_id == elsewhere]
        return found[0].phase is ReleasePhase.WAITING_DEPENDENCY and "not known to be gone" in found[0].error

    await edge.until(waits, what="that it waits")
    running_now = [name for name, one in edge.world().objects.items() if one.replicas]
    assert running_now == [old.backend_name]
    await edge.configure()
    await edge.phase(deployment.id, DeploymentPhase.READY)
    assert [one.site_id for one in edge.releases(deployment.id)] == [elsewhere]
    edge.check_books()
