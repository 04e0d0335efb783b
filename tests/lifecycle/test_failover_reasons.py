"""Every sort of reason why a deployment cannot stay, under every mode: the plan with the fewest moves is begun, kept, shown,
or not made at all.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from graph.edit import Edit
from graph.kinds import DisplacementState, FailoverMode, FailoverPolicy, Link, LinkState, LossKind, Node, Plan, Region
from graph.kinds.geography import Coverage, LatencyTarget, Place
from graph.kinds.policy import PlacementPolicy, SiteSelector
from graph.values import Position, Resources
from graph.view import each, get_as
from lifecyclekit.edge import Edge

SHOWN = {FailoverMode.PROPOSE: DisplacementState.PROPOSED, FailoverMode.REPORT: DisplacementState.REPORTED}
Lose = Callable[[Edge], Awaitable[Any]]


async def far(edge: Edge) -> tuple[PlacementPolicy, Lose, LossKind]:
    """A place in reach of two sites, by a link each; the nearer one's goes down."""
    s0, s1, s2 = edge.site_ids

    def wire(edit: Edit) -> None:
        for number, (site_id, ms) in enumerate(((s0, 1.0), (s1, 3.0))):
            edit.create(
                Link, labels={"nth": str(number)}, from_site_id=site_id, to_site_id=s2, latency_ms=ms, length_km=1.0
            )

    async def lose(edge: Edge) -> None:
        def down(edit: Edit) -> None:
            link = next(one for one in each(edit, Link) if one.labels["nth"] == "0")
            edit.replace(link, state=LinkState.DOWN)

        await edge.change(down)

    await edge.change(wire)
    target = LatencyTarget(place=Place(site_id=s2), within_ms=5.0)
    near = PlacementPolicy(min_sites=1, max_sites=1, latency=[target], sites=SiteSelector(site_ids=[s0, s1]))
    return near, lose, LossKind.LACKING


async def label(edge: Edge) -> tuple[PlacementPolicy, Lose, LossKind]:
    """A site no longer has the label that is asked for."""

    async def lose(edge: Edge) -> None:
        await edge.change(lambda edit: edit.replace(edit.get(edge.site_ids[0]), labels={}))

    policy = PlacementPolicy(
        min_sites=1,
        max_sites=1,
        sites=SiteSelector(labels="zone in (z0, z1)"),
        preferences=[SiteSelector(site_ids=[edge.site_ids[0]]), SiteSelector()],
    )
    return policy, lose, LossKind.POLICY


async def coverage(edge: Edge) -> tuple[PlacementPolicy, Lose, LossKind]:
    """A region of users moves out of reach of the site that covered it."""
    s0, s1, _ = edge.site_ids

    def spread(edit: Edit) -> str:
        edit.replace(edit.get(s0), position=Position(10.0, 50.0))
        edit.replace(edit.get(s1), position=Position(14.0, 50.0))
        return edit.create(Region, name="users", centre=Position(10.1, 50.0)).id

    users = await edge.change(spread)

    async def lose(edge: Edge) -> None:
        await edge.change(lambda edit: edit.replace(edit.get(users), centre=Position(14.1, 50.0)))

    covers = PlacementPolicy(min_sites=1, max_sites=1, coverage=[Coverage(region_ids=[users], within_km=50.0)])
    return covers, lose, LossKind.LACKING


async def capacity(edge: Edge) -> tuple[PlacementPolicy, Lose, LossKind]:
    """The nodes of a site have shrunk to nothing that would do."""
    site_id = edge.site_ids[0]

    async def lose(edge: Edge) -> None:
        def shrink(edit: Edit) -> None:
            for node in list(each(edit, Node, "site_id", site_id)):
                edit.replace(node, capacity=Resources(cpu_millicores=100, memory_bytes=1 << 20))

        await edge.change(shrink)

    preferences = [SiteSelector(site_ids=[site_id]), SiteSelector()]
    return PlacementPolicy(min_sites=1, max_sites=1, preferences=preferences), lose, LossKind.CAPACITY


def homes(edge: Edge, deployment_id: str) -> set[str]:
    return {one.site_id for one in edge.releases(deployment_id) if one.stays}


@pytest.mark.parametrize("reason", [far, label, coverage, capacity])
async def test_each_reason_under_each_mode(edge, reason) -> None:
    """All four modes at once, of one app each: what one does is no other's."""
    await edge.network(sites=3)
    await edge.version()
    policy, lose, kind = await reason(edge)
    made = {}
    for mode in FailoverMode:
        failover = FailoverPolicy(mode=mode, toleration_seconds=0)
        made[mode], operation = await edge.deploy(mode.name.lower(), policy=policy, failover=failover)
        await edge.succeeded(operation)
    home = edge.site_ids[0]
    assert all(homes(edge, one.id) == {home} for one in made.values())
    await lose(edge)

    def settled() -> bool:
        shown = [edge.deployment(made[mode].id).displacement for mode in SHOWN]
        moved = homes(edge, made[FailoverMode.APPLY].id)
        stands = all(one is not None and one.state is SHOWN[mode] for mode, one in zip(SHOWN, shown, strict=True))
        return stands and home not in moved and len(edge.releases(made[FailoverMode.APPLY].id)) == 1

    await edge.until(settled, what="that each does as its mode says")
    for mode in SHOWN:
        one = edge.deployment(made[mode].id).displacement
        assert [loss.kind for loss in one.losses] == [kind]
        assert get_as(edge.view, Plan, one.plan_id).moves == 1, "the fewest"
        assert homes(edge, made[mode].id) == {home}
    off = edge.deployment(made[FailoverMode.OFF].id)
    assert (off.displacement, off.generation, homes(edge, off.id)) == (None, 1, {home})
    edge.check_books()
