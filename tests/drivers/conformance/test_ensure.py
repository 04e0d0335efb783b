"""What every driver does alike with what is wanted: idempotent, adopting, put right, whoever asks and however often."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from driverkit.work import NAME, all_of, elsewhere, has_ready, until, work
from drivers.port import InvalidConfiguration, Permanent
from graph.kinds import Artifact, ArtifactType


async def test_what_is_ensured_is_observed_with_its_replicas_on_their_nodes(bed) -> None:
    async with bed.connected() as backend:
        assert (await backend.ensure(work())).changed
        await until(backend, has_ready(NAME, 2))
        found = (await all_of(backend))[NAME]
        assert (found.generation, found.replicas, found.ready_replicas) == (1, 2, 2)
        assert found.site_id == "site_a"
        assert Counter(one.node_id for one in found.instances) == {"node_a1": 1, "node_a2": 1}
        assert {one.generation for one in found.instances} == {1}
        assert all(len(one.name) <= 63 for one in found.instances)


async def test_the_same_work_again_changes_nothing(bed) -> None:
    async with bed.connected() as backend:
        await backend.ensure(work())
        before = await all_of(backend)
        assert not (await backend.ensure(work())).changed
        names = {one.name for one in before[NAME].instances}
        assert {one.name for one in (await all_of(backend))[NAME].instances} == names


async def test_work_at_the_same_time_is_done_once(bed) -> None:
    async with bed.connected() as backend:
        answers = await asyncio.gather(*(backend.ensure(work()) for _ in range(8)))
        assert sum(one.changed for one in answers) == 1
        assert len((await all_of(backend))[NAME].instances) == 2


async def test_two_connections_at_the_same_time_do_it_once(bed) -> None:
    async with bed.connected() as one, bed.connected() as other:
        for generation in range(1, 6):
            calls = [backend.ensure(work(generation)) for backend in (one, other, one, other)]
            answers = await asyncio.gather(*calls)
            assert Counter(answer.changed for answer in answers) == {True: 1, False: 3}
        assert (await all_of(one)).keys() == (await all_of(other)).keys() == {NAME}


async def test_a_newer_generation_keeps_what_can_stay(bed) -> None:
    async with bed.connected() as backend:
        await backend.ensure(work())
        await until(backend, has_ready(NAME, 2))
        grown = await backend.ensure(work(2, replicas=3, assignments={"node_a1": 2, "node_a2": 1}))
        assert grown.changed
        await until(backend, has_ready(NAME, 3))
        found = (await all_of(backend))[NAME]
        assert (found.generation, found.replicas, len(found.instances)) == (2, 3, 3)


async def test_what_another_connection_left_is_adopted(bed) -> None:
    async with bed.connected() as backend:
        await backend.ensure(work())
        names = {one.name for one in (await all_of(backend))[NAME].instances}
    async with bed.connected() as backend:
        assert not (await backend.ensure(work())).changed
        assert {one.name for one in (await all_of(backend))[NAME].instances} == names


async def test_what_a_hand_made_under_the_name_is_adopted(bed) -> None:
    async with bed.connected() as backend:
        await bed.make(NAME, owner="")
        assert NAME not in await all_of(backend)
        assert (await backend.ensure(work())).changed
        await until(backend, has_ready(NAME, 2))
        assert len(await bed.held()) == 1
        assert not (await backend.ensure(work())).changed


@pytest.mark.parametrize("replicas", [3, 1])
async def test_what_a_hand_changed_is_told_as_drift_and_put_right_by_the_same_work(bed, replicas) -> None:
    async with bed.connected() as backend:
        await backend.ensure(work())
        seen = await backend.observe(after=None)
        await bed.change(NAME, replicas=replicas)
        told = await until(backend, lambda seen: bool(seen.releases), after=seen.cursor)
        assert [(one.name, one.generation, one.replicas) for one in told.releases] == [(NAME, 1, replicas)]
        assert [bool(one.drift) for one in told.releases] == [True]
        assert (await backend.ensure(work())).changed
        assert (await bed.held())[NAME].replicas == 2
        assert (await all_of(backend))[NAME].drift is None
        assert not (await backend.ensure(work())).changed


async def test_what_a_hand_made_of_other_parts_is_told_as_drift_and_put_right_by_the_same_work(bed) -> None:
    async with bed.connected() as backend:
        await backend.ensure(work())
        seen = await backend.observe(after=None)
        await bed.spoil(NAME)
        told = await until(backend, lambda seen: bool(seen.releases), after=seen.cursor)
        assert [(one.name, one.generation, bool(one.drift)) for one in told.releases] == [(NAME, 1, True)]
    async with bed.connected() as backend:
        assert (await all_of(backend))[NAME].drift, "who looks for the first time sees it too"
        assert (await backend.ensure(work())).changed
        await until(backend, has_ready(NAME, 2))
        assert (await all_of(backend))[NAME].drift is None
        assert not (await backend.ensure(work())).changed


async def test_what_is_under_way_or_fails_by_itself_is_no_drift(bed) -> None:
    async with bed.unready(), bed.connected() as backend:
        for generation, replicas in ((1, 2), (2, 3), (3, 1)):
            applied = await backend.ensure(work(generation, replicas=replicas, assignments={}))
            assert applied.observed is None or applied.observed.drift is None
            found = (await all_of(backend))[NAME]
            assert (found.generation, found.replicas, found.drift) == (generation, replicas, None)
    async with bed.connected() as backend:
        await until(backend, has_ready(NAME, 1))
        await bed.crash(NAME)
        crashed = (await all_of(backend))[NAME]
        assert (crashed.ready_replicas, crashed.drift) == (0, None)
        await bed.mend(NAME)


async def test_what_a_hand_deleted_is_told_and_made_again(bed) -> None:
    async with bed.connected() as backend:
        await backend.ensure(work())
        seen = await backend.observe(after=None)
        await bed.delete(NAME)
        await until(backend, lambda seen: NAME in seen.gone, after=seen.cursor)
        assert (await backend.ensure(work())).changed
        assert (await bed.held())[NAME].generation == 1


async def test_work_that_can_never_run_is_told_so_and_leaves_nothing(bed) -> None:
    rejected = Artifact(type=ArtifactType.CONTAINER_IMAGE, reference=bed.rejected_reference)
    async with bed.connected() as backend:
        with pytest.raises(Permanent):
            await backend.ensure(work(artifact=rejected))
        assert NAME not in await bed.held()
        assert (await backend.ensure(elsewhere())).changed, "another one is not held up"


async def test_what_needs_a_secret_that_cannot_be_had_is_refused_and_leaves_nothing(bed) -> None:
    wants = {"database": {"password": {"secret": "secret_01M7YQ2Z3B4C5D6E7F8G9HJKMN", "key": "password"}}}
    async with bed.connected() as backend:
        with pytest.raises(Permanent, match="secret_01M7YQ2Z3B4C5D6E7F8G9HJKMN"):
            await backend.ensure(work(configuration=wants))
        assert NAME not in await bed.held()


async def test_a_setting_that_it_does_not_know_is_refused_by_its_name(bed) -> None:
    with pytest.raises(InvalidConfiguration) as refused:
        bed.driver.check({"noSuchSetting": 1})
    assert refused.value.key == "noSuchSetting"
    assert refused.value.path == "input.configuration.noSuchSetting"
