"""What every driver does alike: idempotent, fenced, adopting, observable."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from drivers.pod_terms import ARCH, RELEASE, PodTerms
from drivers.port import (
    Cursor,
    DriverProblem,
    InvalidConfiguration,
    Observation,
    ObservedRelease,
    Permanent,
    ReleaseWork,
    RemovalWork,
    StaleGeneration,
    Unreachable,
)
from graph.kinds import Artifact, ArtifactType, InstanceStatus
from graph.kinds.policy import Toleration, TolerationOperator
from graph.selectors import parse_selector
from graph.values import Resources

NAME = "shop-frontend-abcdefabcdef"


def work(generation: int = 1, **changed: Any) -> ReleaseWork:
    fields: dict[str, Any] = {
        "name": NAME,
        "owner": "cluster_conformance",
        "release_id": "release_1",
        "deployment_id": "deployment_1",
        "tenant_id": "tenant_1",
        "component": "frontend",
        "site_id": "site_a",
        "site": "Aveiro",
        "generation": generation,
        "replicas": 2,
        "artifact": Artifact(type=ArtifactType.CONTAINER_IMAGE, reference="registry.example/shop:1"),
        "resources": Resources(cpu_millicores=100, memory_bytes=1 << 20),
        "assignments": {"node_a1": 1, "node_a2": 1},
        "nodes": {"node_a1": "a1", "node_a2": "a2"},
    }
    return ReleaseWork(**{**fields, **changed})


def removal(generation: int, name: str = NAME) -> RemovalWork:
    return RemovalWork(name=name, owner="cluster_conformance", site_id="site_a", site="Aveiro", generation=generation)


async def all_of(backend) -> dict[str, ObservedRelease]:
    observation = await backend.observe(after=None)
    assert observation.complete
    return {one.name: one for one in observation.releases}


async def until(backend, found, *, after: Cursor | None = None) -> Observation:
    async with asyncio.timeout(10):
        while True:
            observation = await backend.observe(after=after)
            if found(observation):
                return observation
            after = observation.cursor


async def test_what_is_ensured_is_observed_with_its_replicas_on_their_nodes(bed) -> None:
    async with bed.connected() as backend:
        assert (await backend.ensure(work())).changed
        await until(backend, lambda seen: any(one.ready_replicas == 2 for one in seen.releases))
        found = (await all_of(backend))[NAME]
        assert (found.generation, found.replicas, found.ready_replicas) == (1, 2, 2)
        assert (found.owner, found.site_id) == ("cluster_conformance", "site_a")
        assert sorted(one.node_id for one in found.instances) == ["node_a1", "node_a2"]
        assert {one.generation for one in found.instances} == {1}
        assert all(len(one.name) <= 63 for one in found.instances)


async def test_the_same_work_again_changes_nothing(bed) -> None:
    async with bed.connected() as backend:
        await backend.ensure(work())
        before = await all_of(backend)
        again = await backend.ensure(work())
        assert not again.changed
        names = {one.name for one in before[NAME].instances}
        assert {one.name for one in (await all_of(backend))[NAME].instances} == names


async def test_work_at_the_same_time_is_done_once(bed) -> None:
    async with bed.connected() as backend:
        answers = await asyncio.gather(*(backend.ensure(work()) for _ in range(8)))
        assert sum(one.changed for one in answers) == 1
        assert len((await all_of(backend))[NAME].instances) == 2


async def test_an_older_generation_is_refused(bed) -> None:
    async with bed.connected() as backend:
        await backend.ensure(work(3, replicas=1, assignments={"node_a1": 1}))
        with pytest.raises(StaleGeneration) as refused:
            await backend.ensure(work(2))
        assert refused.value.held == 3
        with pytest.raises(StaleGeneration):
            await backend.remove(removal(2))
        assert (await all_of(backend))[NAME].replicas == 1


async def test_older_work_does_not_bring_back_what_was_removed(bed) -> None:
    async with bed.connected() as backend:
        await backend.ensure(work(1))
        await backend.remove(removal(2))
        for late in (1, 2):
            with pytest.raises(StaleGeneration):
                await backend.ensure(work(late))
        assert NAME not in await all_of(backend)
        assert (await backend.ensure(work(3))).changed


async def test_removal_of_what_is_not_there_is_done(bed) -> None:
    async with bed.connected() as backend:
        assert (await backend.remove(removal(1, "never-there-aaaaaaaaaaaa"))).gone
        await backend.ensure(work(1))
        await backend.remove(removal(2))
        assert (await backend.remove(removal(2))).gone


async def test_what_another_connection_left_is_adopted(bed) -> None:
    async with bed.connected() as backend:
        await backend.ensure(work())
        names = {one.name for one in (await all_of(backend))[NAME].instances}
    async with bed.connected() as backend:
        assert not (await backend.ensure(work())).changed
        assert {one.name for one in (await all_of(backend))[NAME].instances} == names
        with pytest.raises(StaleGeneration):
            await backend.remove(removal(0))


async def test_a_lost_reply_is_told_as_unknown_and_a_repeat_finds_the_work_done(bed) -> None:
    async with bed.connected(**bed.losing_replies()) as backend:
        with pytest.raises(Unreachable):
            await backend.ensure(work())
    async with bed.connected() as backend:
        assert not (await backend.ensure(work())).changed


async def test_a_site_that_is_away_fails_alone_and_what_is_there_is_not_told_gone(bed) -> None:
    async with bed.connected() as backend:
        await backend.ensure(work())
    other = work(name="shop-frontend-bbbbbbbbbbbb", site_id="site_b", site="Braga", assignments={"node_b1": 2})
    async with bed.connected(**bed.away("Aveiro")) as backend:
        with pytest.raises(Unreachable, match="Aveiro"):
            await backend.ensure(work(2))
        assert (await backend.ensure(other)).changed
        seen = await backend.observe(after=None)
        assert seen.unseen_sites == {"site_a"}
        assert NAME not in seen.gone
        assert (seen.sites["site_a"].ready, seen.sites["site_b"].ready) == (False, True)
        assert seen.sites["site_a"].reason


GPU = Toleration(key="dedicated", operator=TolerationOperator.EXISTS)
ITSELF = parse_selector(f"{RELEASE}={NAME}")
OTHERS = parse_selector(f"{RELEASE},{RELEASE}!={NAME}")


def pods(**terms: Any) -> PodTerms:
    return PodTerms(labels={RELEASE: NAME}, **terms)


@pytest.mark.parametrize(
    ("terms", "nodes"),
    [
        ({}, {"node_a1", "node_a2"}),
        ({"tolerations": [GPU]}, {"node_a1", "node_a2", "node_a3"}),
        ({"tolerations": [GPU], "node_affinity": parse_selector(f"{ARCH}=arm64")}, {"node_a3"}),
        ({"node_affinity": parse_selector("disk in (ssd,nvme)")}, {"node_a1"}),
        ({"node_affinity": parse_selector("disk!=ssd")}, {"node_a2"}),
        ({"anti_affinity": [ITSELF]}, {"node_a1", "node_a2"}),
    ],
)
async def test_replicas_run_on_the_nodes_that_their_terms_allow_and_on_no_other(bed, terms, nodes) -> None:
    async with bed.connected() as backend:
        await backend.ensure(work(replicas=len(nodes), assignments={}, pods=pods(**terms)))
        await until(backend, lambda seen: any(one.ready_replicas == len(nodes) for one in seen.releases))
        found = {one.node_id for one in (await all_of(backend))[NAME].instances}
        assert found == nodes if "anti_affinity" in terms else found <= nodes


async def test_a_replica_that_no_node_takes_waits_and_says_why(bed) -> None:
    async with bed.connected() as backend:
        await backend.ensure(work(replicas=3, assignments={}, pods=pods(anti_affinity=[ITSELF])))
        await until(backend, lambda seen: any(one.ready_replicas == 2 for one in seen.releases))
        found = (await all_of(backend))[NAME]
        waiting = [one for one in found.instances if one.status is InstanceStatus.PENDING]
        assert [one.node_id for one in waiting] == [None]
        assert waiting[0].message
        assert waiting[0].message in (found.message or "")


async def test_a_node_that_does_not_take_what_was_assigned_to_it_is_not_used(bed) -> None:
    async with bed.connected() as backend:
        await backend.ensure(work(assignments={"node_a1": 1, "node_a3": 1}, nodes={}, pods=pods()))
        await until(backend, lambda seen: any(one.ready_replicas == 1 for one in seen.releases))
        found = (await all_of(backend))[NAME]
        assert (found.replicas, found.ready_replicas) == (2, 1)
        assert {one.node_id for one in found.instances} == {"node_a1", None}


async def test_nobody_comes_beside_what_keeps_its_nodes_to_itself(bed) -> None:
    other = "shop-backend-bbbbbbbbbbbb"
    async with bed.connected() as backend:
        alone = pods(anti_affinity=[OTHERS])
        await backend.ensure(work(replicas=1, assignments={"node_a1": 1}, nodes={}, pods=alone))
        theirs = PodTerms(labels={RELEASE: other})
        await backend.ensure(work(name=other, replicas=2, assignments={}, pods=theirs))
        found = await all_of(backend)
        assert {one.node_id for one in found[other].instances} == {"node_a2"}
        await backend.ensure(work(2, replicas=2, assignments={}, pods=alone))
        found = await all_of(backend)
        running = [one.node_id for one in found[NAME].instances if one.status is not InstanceStatus.TERMINATING]
        assert running == ["node_a1", "node_a1"]


async def test_work_that_can_never_run_is_told_so_and_leaves_nothing(bed) -> None:
    async with bed.connected() as backend:
        with pytest.raises(Permanent):
            await backend.ensure(
                work(artifact=Artifact(type=ArtifactType.CONTAINER_IMAGE, reference=bed.rejected_reference))
            )
        assert NAME not in await all_of(backend)


async def test_a_call_that_is_cancelled_can_be_made_again(bed) -> None:
    async with bed.connected(**bed.slow()) as backend:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await backend.ensure(work())
        await backend.ensure(work())
        assert len((await all_of(backend))[NAME].instances) == 2


async def test_a_call_that_outlives_its_connection_is_not_told_as_done(bed) -> None:
    async with bed.connected(**bed.slow()) as backend:
        await backend.ensure(work())
    async with bed.connected(**bed.slow()) as old:
        call = asyncio.ensure_future(old.remove(removal(2)))
        await asyncio.sleep(0.01)
    async with bed.connected() as new:
        [answer] = await asyncio.gather(call, return_exceptions=True)
        assert NAME not in await all_of(new) or isinstance(answer, DriverProblem)


async def test_observation_resumes_after_its_cursor(bed) -> None:
    async with bed.connected() as backend:
        await backend.ensure(work())
        first = await until(backend, lambda seen: any(one.ready_replicas == 2 for one in seen.releases))
        other = work(name="shop-frontend-bbbbbbbbbbbb", replicas=1, assignments={})
        await backend.ensure(other)
        later = await until(backend, lambda seen: bool(seen.releases), after=first.cursor)
        assert not later.complete
        assert {one.name for one in later.releases} == {other.name}
        await backend.remove(removal(2))
        gone = await until(backend, lambda seen: bool(seen.gone), after=later.cursor)
        assert set(gone.gone) == {NAME}
        assert gone.gone[NAME] > later.cursor.version


async def test_a_cursor_of_another_history_is_answered_with_all(bed) -> None:
    async with bed.connected() as backend:
        await backend.ensure(work())
        assert (await backend.observe(after=Cursor("another", 1 << 60))).complete


async def test_versions_rise_over_connections(bed) -> None:
    async with bed.connected() as backend:
        await backend.ensure(work())
        before = (await backend.observe(after=None)).cursor
    async with bed.connected() as backend:
        await backend.ensure(work(2))
        after = await backend.observe(after=None)
        assert after.cursor.history == before.history
        assert after.releases[0].version > before.version


async def test_quiet_observation_returns_within_seconds(bed) -> None:
    async with bed.connected() as backend:
        first = await backend.observe(after=None)
        async with asyncio.timeout(10):
            quiet = await backend.observe(after=first.cursor)
        assert (list(quiet.releases), quiet.gone) == ([], {})


async def test_a_setting_that_it_does_not_know_is_refused_by_its_name(bed) -> None:
    with pytest.raises(InvalidConfiguration) as refused:
        bed.driver.check({"noSuchSetting": 1})
    assert refused.value.key == "noSuchSetting"
    assert refused.value.path == "input.configuration.noSuchSetting"
