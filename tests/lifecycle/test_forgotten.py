"""Nothing is remembered of what is gone: not of clusters and sites, nor of deployments, whatever was known of them."""

from __future__ import annotations

from typing import Any

from graph.change import Change
from graph.edit import Edit
from graph.kinds import Node
from graph.kinds.policy import PlacementPolicy, SiteSelector
from graph.view import each
from lifecycle.backoff import Breakers
from lifecycle.endpoints import Endpoints
from lifecycle.failover_regions import Regions
from lifecycle.flows import Entry, way
from lifecycle.mass_loss import SitesLost
from lifecycle.rings import Rings
from lifecycle.settings import LifecycleSettings
from lifecycle.slots import Slots
from lifecycle.worklist import Worklist
from lifecyclekit.edge import Edge
from lifecyclekit.graphs import deployed
from tests.lifecycle.test_slots import begun, one
from tests.placement.placement_graphs import Builder

LIMITED = LifecycleSettings(calls_per_s=5.0)
"""A process that remembers of each endpoint how many calls there were of late."""


def known(rings: Rings, cluster_id: str, site_id: str) -> str:
    """Has calls to a site through a cluster unanswered, at first alone and then with all that is there; its endpoint."""
    endpoint = rings._worklist.endpoint_of(cluster_id)
    rings._breakers.unanswered(way(cluster_id, site_id), now=0.0)
    rings._endpoints.heard(endpoint, now=0.0)
    assert rings._endpoints.room(endpoint, now=0.0, most=1) == 1
    assert rings._endpoints.is_silent(endpoint, way(cluster_id, site_id), began=100.0, now=200.0, observed=True)
    rings._endpoints.breakers.unanswered(endpoint, now=200.0)
    return endpoint


def memories(rings: Rings) -> list[set[str]]:
    """All that is kept by endpoint."""
    own = rings._endpoints
    return [set(one) for one in (own._rates, own._buckets, own._heard_at, own._silent, own.breakers._ways)]


async def test_where_a_cluster_was_and_what_it_did_not_answer_is_forgotten_with_it(edges: Any) -> None:
    async with edges(running=False, settings=LIMITED) as edge:
        rings, gone, stays = await two_clusters(edge)
        end = edge.ledger.view.follow(rings)
        endpoints = [known(rings, *at) for at in (gone, stays)]
        assert memories(rings) == [set(endpoints)] * 5
        # It was changed, too, and never connected to again.
        await edge.change(lambda edit: edit.replace(edit.get(gone[0]), configuration={"observeEveryMs": 30}))

        def leave(edit: Edit) -> None:
            without_nodes(edit, gone)
            edit.delete(edit.get(gone[0]))

        await edge.change(leave)
        end()
        assert memories(rings) == [{endpoints[1]}] * 5
        assert set(rings._worklist._endpoint_of) == {stays[0]}
        assert set(rings._breakers._ways) == {way(*stays)}
        assert not rings._anew


async def test_what_a_site_did_not_answer_is_forgotten_with_it(edges: Any) -> None:
    async with edges(running=False, settings=LIMITED) as edge:
        rings, gone, stays = await two_clusters(edge)
        end = edge.ledger.view.follow(rings)
        for at in (gone, stays):
            known(rings, *at)

        def leave(edit: Edit) -> None:
            without_nodes(edit, gone)
            edit.replace(edit.get(gone[0]), site_ids=[])
            edit.delete(edit.get(gone[1]))

        await edge.change(leave)
        end()
        assert set(rings._breakers._ways) == {way(*stays)}


def without_nodes(edit: Edit, gone: tuple[str, str]) -> None:
    for node in list(each(edit, Node, "cluster_id", gone[0])):
        edit.delete(node)


async def two_clusters(edge: Edge) -> tuple[Rings, tuple[str, str], tuple[str, str]]:
    """Who rings for the releases of two clusters with a site each, and the ids of both."""
    await edge.network(sites=2, clusters=2)
    rings = edge.lifecycle.reconciler._rings
    rings.reach()
    return rings, (edge.cluster_ids[0], edge.site_ids[0]), (edge.cluster_ids[1], edge.site_ids[1])


def test_how_many_calls_there_are_is_kept_of_clusters_that_have_any() -> None:
    settings = LifecycleSettings()
    slots, breakers = Slots(settings), Breakers(after=3, base_s=1.0, cap_s=60.0, seed=0)
    slots.put([one(1)], took_s=0.1)
    for claim in begun(slots):
        slots.ended(claim, took_s=1.0)
    work = Worklist(settings, breakers, Endpoints(breakers))
    work.ring(Entry("release_1", "s", "c", "op"))
    taken = work.take(now=0.0, connected=("c",), wants=lambda entry: True, limit=1)
    for entry in taken.ready:
        work.finished(entry.release_id, now=0.0)
    assert taken.ready
    assert not any((slots._at_cluster, work._at_cluster))


def test_a_region_without_sites_or_words_about_it_is_not_kept() -> None:
    build = Builder()
    site = build.site(cluster=False, nodes=0)
    lost, regions = SitesLost(build.view), Regions(build.view)
    lost.reload()
    deployment = deployed(build, policy=PlacementPolicy(sites=SiteSelector(region_ids=[site.region_id])))
    regions.learn(deployment)
    assert set(lost._sites) == set(regions._naming) == {site.region_id}
    regions.forget(deployment.id)
    build.remove(site)
    lost.take(Change("Site", site.id, site, None))
    assert not any((lost._sites, regions._naming))
