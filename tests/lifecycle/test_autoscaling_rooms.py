"""Room for more: as many as fit at each site, by few decisions, and never more of them than there may be."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from drivers.registry import DriverRegistry
from graph.kinds import DeploymentPhase, Node, ScalingLimit, SiteScaling
from graph.values import Resources
from graph.view import each
from lifecycle import autoscaling_rooms
from lifecycle.autoscaling_index import Scaled
from lifecycle.autoscaling_rooms import Rooms, rooms_for
from lifecycle.placing import Placing
from lifecycle.share import Share
from lifecyclekit.scaling import Loop
from placement.projection import Projection


class Counted(Placing):
    """Decisions, counted."""

    def __init__(self, edge) -> None:
        projection = Projection(edge.ledger.view)
        edge.ledger.view.follow(projection)
        super().__init__(projection, DriverRegistry.of(edge.driver), at_once=1)
        self.decisions = 0

    async def choose(self, *given: Any, **more: Any) -> Any:
        self.decisions += 1
        return await super().choose(*given, **more)


async def shop(edge, room: list[int]) -> str:
    """A deployment with one replica at each site, whose node has room for so many."""
    await edge.network(sites=len(room), nodes=1)

    def shrink(edit) -> None:
        for node in each(edit, Node):
            count = room[edge.site_ids.index(node.site_id)]
            edit.replace(node, capacity=Resources(cpu_millicores=500 * count, memory_bytes=8 << 30))

    await edge.change(shrink)
    await edge.version()
    deployment, operation = await edge.deploy()
    await edge.succeeded(operation)
    await Loop(edge).policy(deployment.id, max_replicas=1_000)
    return deployment.id


async def looked(edge, wanted: int, *, looks: int = 1_000) -> tuple[Rooms, list[int | None], Counted]:
    """What was found, and by site how many have room."""
    placing, scaled = Counted(edge), Scaled(edge.view)
    targets = scaled.targets(Share())
    found = await rooms_for(placing, edge.view, [(one, wanted) for one in targets], staying=scaled.staying, looks=looks)
    assert found.looks == placing.decisions <= looks
    by_site = {one.release.site_id: found.by_key.get(one.key) for one in targets}
    for room in by_site.values():
        if room is not None and room.replicas > 1:
            assert sum(sum(part.assignments.values()) for part in room.placed.components) == room.replicas
    return found, [None if by_site[one] is None else by_site[one].replicas for one in edge.site_ids], placing


@pytest.mark.parametrize(
    ("room", "wanted", "decisions"),
    [
        pytest.param([8, 8, 8, 8], 5, 1, id="all-have-room"),
        pytest.param([4] * 8, 9, 5, id="none-has-room-for-all"),
        pytest.param([1] * 8, 9, 5, id="all-are-full"),
        pytest.param([8, 3, 8, 3, 8, 3], 7, 6, id="some-are-full"),
        pytest.param([1, 2, 3, 4, 5, 6, 7, 8], 8, 20, id="each-has-another-room"),
        pytest.param([6], 900, 12, id="one-that-is-far-from-having-room"),
    ],
)
async def test_each_site_gets_as_many_as_fit_by_few_decisions(edge, room, wanted: int, decisions: int) -> None:
    await shop(edge, room)
    found, replicas, placing = await looked(edge, wanted)
    assert replicas == [min(one, wanted) for one in room]
    assert placing.decisions <= decisions
    assert [one.why is None for one in found.by_key.values()] == [
        one.replicas == wanted for one in found.by_key.values()
    ]


async def test_no_more_is_decided_than_may_be_and_what_was_found_by_then_counts(edge) -> None:
    await shop(edge, [1, 2, 3, 4, 5, 6, 7, 8])
    for looks in range(20):
        _, replicas, _ = await looked(edge, 8, looks=looks)
        assert all(one is None or one <= number for number, one in enumerate(replicas, 1))
    assert replicas == [1, 2, 3, 4, 5, 6, 7, 8]


async def test_why_there_is_no_room_is_told_of_each_site(edge) -> None:
    await shop(edge, [2, 4])
    found, _, _ = await looked(edge, 6)
    assert len({one.why for one in found.by_key.values()}) == 2
    assert all("millicores" in one.why for one in found.by_key.values())


async def test_a_deployment_that_is_full_everywhere_leaves_the_others_their_looks(edge, monkeypatch) -> None:
    await edge.network(sites=4, nodes=1)
    await edge.version()
    ids = []
    for name in ("a", "b", "c"):
        deployment, operation = await edge.deploy(name)
        await edge.succeeded(operation)
        ids.append(deployment.id)
    loop = Loop(edge)
    for one in ids:
        await loop.policy(one, max_replicas=20)
    settings = loop.scaler._settings
    monkeypatch.setattr(loop.scaler, "_settings", type(settings)(scaling_looks=24, samples_stale_s=1e9))
    await loop.load(every=400)
    for _ in range(30):
        await loop.round()
    # A node takes 8 of 500 millicores: what there is is used up, and whoever has less than it asks for is told why.
    total = [sum(loop.replicas(one)[f"s{number}"] for one in ids) for number in range(4)]
    assert total == [8, 8, 8, 8]
    for one in ids:
        await edge.phase(one, DeploymentPhase.READY)
    edge.check_books()
    assert ScalingLimit.ROOM in [one.limited_by for one in each(edge.view, SiteScaling)]


async def test_why_a_site_is_refused_is_worded_beside_the_event_loop(edge, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = []
    word = autoscaling_rooms.refusals_at

    def noted(*given: Any) -> Any:
        threads.append(threading.get_ident())
        return word(*given)

    monkeypatch.setattr(autoscaling_rooms, "refusals_at", noted)
    await shop(edge, [1, 4])
    _, replicas, _ = await looked(edge, 3)
    assert replicas == [1, 3]
    assert threads
    assert threading.get_ident() not in threads
