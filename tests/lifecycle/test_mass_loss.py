"""Many sites lost at once: nothing is moved by itself until they are back, or somebody says that he knows."""

from __future__ import annotations

import dataclasses
from typing import Any
from unittest import mock

import pytest

from graph.change import Change
from graph.edit import Edit
from graph.kinds import Cluster, Deployment, DisplacementState, FailoverHold, FailoverMode, FailoverPolicy, Region, Site
from graph.kinds.policy import PlacementPolicy, SiteSelector
from graph.ledger import Ledger
from graph.refusal import InvalidState, NotFound, Unavailable
from graph.values import Health, HealthStatus, Position
from graph.view import each
from lifecycle.failing_over import note_all
from lifecycle.failover_holds import Holds
from lifecycle.losses import is_lost
from lifecycle.mass_loss import MOVES_HELD, WHOLE, Count, SitesLost, is_mass
from lifecycle.settings import LifecycleSettings
from lifecyclekit.edge import Edge, asking
from tests.placement.placement_graphs import Builder

ONE = PlacementPolicy(min_sites=1, max_sites=1)
NOW = FailoverPolicy(mode=FailoverMode.APPLY, toleration_seconds=0)


@pytest.fixture
def settled(quick: LifecycleSettings) -> LifecycleSettings:
    """Long enough that all that is lost at once is seen as one."""
    return dataclasses.replace(quick, failover_settle_s=0.5)


async def cut(edge: Edge, *numbers: int) -> None:
    await edge.configure(awaySites=[f"s{number}" for number in numbers])


async def at(edge: Edge, number: int, name: str, **fields: Any) -> Deployment:
    """A deployment that runs at that site and may run anywhere."""
    here = PlacementPolicy(min_sites=1, max_sites=1, sites=SiteSelector(site_ids=[edge.site_ids[number]]))
    deployment, operation = await edge.deploy(name, policy=here, **{"failover": NOW, **fields})
    await edge.succeeded(operation)
    await edge.succeeded((await edge.update(deployment.id, policy=ONE)).operation)
    return deployment


def homes(edge: Edge, deployment_id: str) -> set[str]:
    return {one.site_id for one in edge.releases(deployment_id) if one.stays}


async def is_held(edge: Edge, deployment_id: str) -> None:
    def held() -> bool:
        one = edge.deployment(deployment_id).displacement
        return one is not None and one.state is DisplacementState.HELD

    await edge.until(held, what="that it is held")


async def test_moves_are_held_after_a_mass_loss_and_go_on_when_somebody_knows_of_it(edges, settled) -> None:
    async with edges(settings=settled) as edge:
        await edge.network(sites=8, nodes=1)
        await edge.version()
        deployment = await at(edge, 0, "shop")
        await cut(edge, 0, 1, 2, 3)
        await is_held(edge, deployment.id)
        # The region's own share is not passed: four of eight are not more than half.
        [hold] = each(edge.view, FailoverHold)
        assert (hold.region_id, hold.lost, hold.sites) == (None, 4, 8)
        assert "FailoverHeld" in [one.reason for one in await edge.events(hold.id)]
        assert homes(edge, deployment.id) == {edge.site_ids[0]}
        verbs = edge.lifecycle.failover
        with pytest.raises(InvalidState, match="4 of 8 sites are lost by now, not 3"):
            await verbs.resume(hold.id, 3, asking("resumeFailover"))
        with pytest.raises(NotFound):
            await verbs.resume("failoverhold_gone", 3, asking("resumeFailover"))
        resumed = (await verbs.resume(hold.id, 4, asking("resumeFailover"))).value
        assert resumed.resumed_by == "user_test"
        await edge.until(lambda: homes(edge, deployment.id).isdisjoint(edge.site_ids[:4]), what="that it moved")
        await cut(edge)
        await edge.until(lambda: not edge.view.count("FailoverHold"), what="the end of the hold")


async def test_a_hold_ends_when_the_share_falls_and_nothing_has_moved(edges, settled) -> None:
    async with edges(settings=settled) as edge:
        await edge.network(sites=8, nodes=1)
        await edge.version()
        deployment = await at(edge, 0, "shop")
        await cut(edge, 0, 1, 2, 3)
        await is_held(edge, deployment.id)
        await cut(edge)
        await edge.until(lambda: not edge.view.count("FailoverHold"), what="the end of the hold")
        await edge.until(lambda: edge.deployment(deployment.id).displacement is None)
        assert homes(edge, deployment.id) == {edge.site_ids[0]}


async def test_what_is_still_lost_when_a_hold_ends_is_moved(edges, settled) -> None:
    async with edges(settings=settled) as edge:
        await edge.network(sites=8, nodes=1)
        await edge.version()
        deployment = await at(edge, 0, "shop")
        await cut(edge, 0, 1, 2, 3)
        await is_held(edge, deployment.id)
        await cut(edge, 0)
        await edge.until(lambda: homes(edge, deployment.id).isdisjoint(edge.site_ids[:1]), what="that it moved")


async def test_a_hold_of_a_region_holds_what_was_lost_there_alone(edges, settled) -> None:
    async with edges(settings=settled) as edge:
        await edge.network(sites=30, nodes=1)
        await edge.version()

        def apart(edit: Any) -> str:
            inland = edit.create(Region, name="inland")
            for site_id in edge.site_ids[:5]:
                edit.replace(edit.get(site_id), region_id=inland.id)
            return inland.id

        inland = await edge.change(apart)
        there, here = await at(edge, 0, "there"), await at(edge, 10, "here")
        await cut(edge, 0, 1, 2, 3)
        await is_held(edge, there.id)
        [hold] = each(edge.view, FailoverHold)
        assert (hold.region_id, hold.lost, hold.sites) == (inland, 4, 5)
        await cut(edge, 0, 1, 2, 3, 10)
        await edge.until(lambda: homes(edge, here.id).isdisjoint({edge.site_ids[10]}), what="that the other moved")
        assert homes(edge, there.id) == {edge.site_ids[0]}


async def test_a_control_plane_that_is_lost_with_its_sites_is_a_mass_loss(edges, settled) -> None:
    async with edges(settings=settled) as edge:
        await edge.network(sites=8, nodes=1, clusters=2)
        await edge.version()
        deployment = await at(edge, 0, "shop")
        # It cannot be connected to with a setting that it does not take.
        await edge.configure(0, latencyMs=-1)
        await is_held(edge, deployment.id)
        [hold] = each(edge.view, FailoverHold)
        assert (hold.region_id, hold.lost) == (None, 4)


async def test_proposals_are_made_in_a_mass_loss_too(edges, settled) -> None:
    async with edges(settings=settled) as edge:
        await edge.network(sites=8, nodes=1)
        await edge.version()
        wish = FailoverPolicy(mode=FailoverMode.PROPOSE, toleration_seconds=0)
        deployment = await at(edge, 0, "shop", failover=wish)
        await cut(edge, 0, 1, 2, 3)

        def proposed() -> bool:
            one = edge.deployment(deployment.id).displacement
            return one is not None and one.state is DisplacementState.PROPOSED

        await edge.until(proposed, what="the proposal")


@pytest.mark.parametrize(
    ("scope", "sites", "at_once", "mass"),
    [
        (WHOLE, 10, 3, False),
        (WHOLE, 10, 4, True),
        (WHOLE, 100, 20, False),
        (WHOLE, 100, 21, True),
        (WHOLE, 4, 4, True),
        (WHOLE, 3, 3, False),
        ("region_x", 10, 5, False),
        ("region_x", 10, 6, True),
        ("region_x", 6, 3, False),
    ],
)
def test_a_mass_loss_is_more_than_the_share_and_more_than_three(scope, sites, at_once, mass) -> None:
    assert is_mass(Count(sites, at_once, at_once), scope, settings=LifecycleSettings()) is mass


async def test_private_sites_that_are_lost_hold_nobodys_moves_and_hide_nobodys_loss(edges, settled) -> None:
    async with edges(settings=settled) as edge:
        await edge.network(sites=20, nodes=1)
        await edge.version()

        def own(edit: Any) -> None:
            private = edit.create(Region, name="private", tenant_id=edge.tenant_id)
            down = Health(status=HealthStatus.DOWN, observed_at=edit.at)
            for number in range(12):
                site = edit.create(
                    Site, name=f"own{number}", region_id=private.id, tenant_id=edge.tenant_id, position=Position(0, 0)
                )
                edit.replace(site, health=down)

        await edge.change(own)
        deployment = await at(edge, 0, "shop")
        await cut(edge, 0)
        await edge.until(lambda: homes(edge, deployment.id).isdisjoint(edge.site_ids[:1]), what="that it moved")
        assert not edge.view.count("FailoverHold")


async def test_a_private_cluster_that_names_a_shared_site_does_not_hide_that_it_is_lost(edge: Edge) -> None:
    await edge.network(sites=1, nodes=1)
    site = edge.site(0)

    def lose(edit: Any) -> None:
        down = Health(status=HealthStatus.DOWN, observed_at=edit.at)
        edit.replace(edit.get(edge.cluster_ids[0]), health=down)
        edit.create(Cluster, name="own", driver="simulated", site_ids=[site.id], tenant_id=edge.tenant_id)

    edit = Edit(edge.view, at=edge.view.at + 1)
    lose(edit)
    assert is_lost(edit, site)


async def test_a_loss_that_could_not_be_written_down_is_looked_at_again(edges, settled) -> None:
    refused = []
    real = Ledger.commit

    async def commit(self: Ledger, change: Any, request: Any, **more: Any) -> Any:
        if getattr(change, "func", None) is note_all and len(refused) < 2:
            refused.append(request.action)
            raise Unavailable("the store is away", remedy="try again")
        return await real(self, change, request, **more)

    async with edges(settings=settled) as edge:
        await edge.network(sites=8, nodes=1)
        await edge.version()
        deployment = await at(edge, 0, "shop")
        with mock.patch.object(Ledger, "commit", commit):
            await cut(edge, 0)
            await edge.until(lambda: homes(edge, deployment.id).isdisjoint(edge.site_ids[:1]), what="that it moved")
    assert len(refused) == 2


async def test_what_was_decided_before_a_hold_is_not_begun_after_it(edges, settled) -> None:
    """Whoever decides may have looked before the hold began: it is asked for again where a move is begun."""

    async def no_look(self: Holds) -> None:
        return None

    async with edges(settings=settled) as edge:
        await edge.network(sites=8, nodes=1)
        await edge.version()
        deployment = await at(edge, 0, "shop")
        with (
            mock.patch.object(Holds, "keep", no_look),
            mock.patch("lifecycle.failover_settling.are_held", return_value=False),
        ):
            await edge.change(lambda edit: edit.create(FailoverHold, lost=4, sites=8))
            await cut(edge, 0)

            def refused() -> bool:
                one = edge.deployment(deployment.id).displacement
                return one is not None and one.why == MOVES_HELD

            await edge.until(refused, what="that it was refused at head")
            assert homes(edge, deployment.id) == {edge.site_ids[0]}
        await edge.until(lambda: homes(edge, deployment.id).isdisjoint(edge.site_ids[:1]), what="that it moved")


def test_a_site_is_lost_with_the_control_plane_that_a_node_of_it_is_under() -> None:
    build = Builder()
    site = build.site(cluster=False, nodes=0)
    away = build.change(build.cluster(), health=Health(status=HealthStatus.DOWN, observed_at=7))
    lost = SitesLost(build.view)
    lost.reload()
    assert lost.count(WHOLE, since=0) == Count(1, 0, 0)
    node = build.node(site, cluster_id=away.id)
    assert lost.take(Change("Node", node.id, None, node))
    assert lost.count(WHOLE, since=0) == Count(1, 1, 1)
    labelled = build.change(node, labels={"shelf": "3"})
    assert not lost.take(Change("Node", node.id, node, labelled))
    build.remove(labelled)
    assert lost.take(Change("Node", node.id, labelled, None))
    assert lost.count(WHOLE, since=0) == Count(1, 0, 0)


def test_sites_are_looked_at_again_a_few_at_a_time() -> None:
    build = Builder()
    sites = [build.site() for _ in range(5)]
    lost = SitesLost(build.view)
    lost.reload()
    for site in sites:
        build.change(site, health=Health(status=HealthStatus.DOWN, observed_at=7))
    found = []
    for _ in range(3):
        lost.look_again(2)
        found.append(lost.count(WHOLE, since=0).lost)
    assert found == [2, 4, 5]
