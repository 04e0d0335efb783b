"""How a simulated cluster misbehaves: each trouble by itself, with the reason that it gives, and that it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from driverkit.work import CLUSTER, NAME, NODES, OTHER, STRANGER, FixedInventory, elsewhere, removal, work
from drivers.port import Cursor, Observation, Permanent, Retryable, StaleGeneration, Unreachable
from drivers.simulated import hand
from drivers.simulated.cluster import Hanging, ReplyLost, SimulatedCluster
from drivers.simulated.conditions import Conditions
from drivers.simulated.effects import EffectLog, Outcome
from drivers.simulated.journal import Journal
from drivers.simulated.planned import MOST, Plan, PlannedFault, Plans
from drivers.simulated.replicas import Start
from drivers.simulated.settings import behaviour_of
from drivers.simulated.world import World
from graph.kinds import Artifact, ArtifactType, InstanceStatus
from graph.values import Resources


class ManualClock:
    """Time that passes only when somebody sleeps, and then at once."""

    def __init__(self) -> None:
        self.ms = 1_000_000.0

    def now_ms(self) -> int:
        return int(self.ms)

    def monotonic(self) -> float:
        return self.ms / 1000

    async def sleep(self, seconds: float) -> None:
        self.ms += seconds * 1000
        await asyncio.sleep(0)


class Lab:
    """A cluster in memory, with somebody who observes it."""

    def __init__(self, cluster: SimulatedCluster, clock: ManualClock) -> None:
        self.cluster = cluster
        self.clock = clock
        self.inventory = FixedInventory()
        self.conditions = Conditions(cluster.world, self.inventory)

    async def observe(self, after: Cursor | None = None) -> Observation:
        return await self.cluster.observe(after=after, conditions=self.conditions, owner=CLUSTER)

    def behave(self, **settings: Any) -> None:
        self.cluster.behave(behaviour_of(settings))

    async def only(self, name: str = NAME) -> Any:
        return next(one for one in (await self.observe()).releases if one.name == name)


async def lab_of(**settings: Any) -> Lab:
    clock = ManualClock()
    world = World(Journal(None))
    await world.open()
    return Lab(SimulatedCluster(world, behaviour_of(settings), clock=clock), clock)


def using(reference: str) -> Artifact:
    return Artifact(type=ArtifactType.CONTAINER_IMAGE, reference=reference)


async def test_an_image_that_cannot_be_pulled_fails_its_replicas_until_it_can() -> None:
    lab = await lab_of(unpullableReferences=["shop:broken"], readyAfterMs=500)
    await lab.cluster.ensure(work(artifact=using("shop:broken")))
    found = await lab.only()
    assert (found.ready_replicas, found.message) == (0, "0 of 2 replicas are ready: its image cannot be pulled")
    assert {(one.status, one.message) for one in found.instances} == {
        (InstanceStatus.FAILED, "its image cannot be pulled")
    }
    seen = await lab.observe()
    lab.behave(readyAfterMs=500)
    lab.clock.ms += 500
    later = await lab.observe(seen.cursor)
    assert [(one.ready_replicas, one.message) for one in later.releases] == [(2, None)]


async def test_some_replicas_that_are_never_ready_are_told_and_come_up_when_it_is_over() -> None:
    lab = await lab_of(sites={"Aveiro": {"unreadyReplicas": 1}})
    await lab.cluster.ensure(work())
    await lab.cluster.ensure(elsewhere())
    found = await lab.only()
    assert (found.ready_replicas, found.replicas) == (1, 2)
    assert found.message == "1 of 2 replicas are ready: it does not become ready"
    assert (await lab.only(OTHER)).ready_replicas == 2, "Braga is not told so"
    lab.behave()
    assert (await lab.only()).ready_replicas == 2


async def test_an_instance_that_crashes_is_back_after_its_time_or_never() -> None:
    lab = await lab_of()
    await lab.cluster.ensure(work())
    name = (await lab.only()).instances[1].name
    await hand.crash(lab.cluster.world, NAME, hand.Crash(instance=name, for_ms=300), now=lab.cluster.now_ms())
    down = await lab.only()
    assert [one.status for one in down.instances] == [InstanceStatus.RUNNING, InstanceStatus.PENDING]
    lab.clock.ms += 300
    assert (await lab.only()).ready_replicas == 2
    await hand.crash(lab.cluster.world, NAME, hand.Crash(for_ms=None), now=lab.cluster.now_ms())
    lab.clock.ms += 10**9
    assert (await lab.only()).message.endswith("crashed")
    lab.behave()
    assert (await lab.only()).ready_replicas == 1, "no setting has broken it, so none mends it"
    with pytest.raises(hand.NoSuchObject):
        await hand.crash(lab.cluster.world, NAME, hand.Crash(instance="none"), now=0)


@pytest.mark.parametrize(
    ("quota", "reason"),
    [
        (
            {"tenant": "tenant_1", "site": "Aveiro", "objects": 1},
            "tenant tenant_1 at site Aveiro: objects 1, others have 1",
        ),
        ({"tenant": "tenant_1", "replicas": 3}, "tenant tenant_1 at all sites: replicas 3, others have 2"),
        ({"site": "site_a", "cpuMillicores": 399}, "all tenants at site Aveiro: cpu_millicores 399, others have 200"),
        ({"memoryBytes": 3 << 20}, "all tenants at all sites: memory_bytes 3145728, others have 2097152"),
    ],
)
async def test_what_is_over_a_quota_is_refused_for_now_with_the_numbers(quota: Mapping[str, Any], reason: str) -> None:
    lab = await lab_of(quotas=[quota])
    await lab.cluster.ensure(work())
    with pytest.raises(Retryable, match=f"{OTHER} is over the quota of {reason}"):
        await lab.cluster.ensure(work(name=OTHER))
    assert not (await lab.cluster.ensure(work())).changed, "what is there already stays"
    await lab.cluster.remove(removal(2))
    assert (await lab.cluster.ensure(work(name=OTHER))).changed, "there is room again"


@pytest.mark.parametrize("quota", [{"tenant": "tenant_2", "objects": 0}, {"site": "Braga", "replicas": 0}])
async def test_a_quota_of_others_is_none(quota: Mapping[str, Any]) -> None:
    lab = await lab_of(quotas=[quota])
    assert (await lab.cluster.ensure(work())).changed


async def test_an_object_grows_within_its_quota_and_may_always_shrink() -> None:
    lab = await lab_of(quotas=[{"tenant": "tenant_1", "replicas": 3}])
    await lab.cluster.ensure(work(replicas=3))
    with pytest.raises(Retryable):
        await lab.cluster.ensure(work(2, replicas=4))
    lab.behave(quotas=[{"tenant": "tenant_1", "replicas": 1}])
    assert (await lab.cluster.ensure(work(3, replicas=2))).changed


async def test_a_site_takes_so_many_calls_at_once_and_the_others_their_own() -> None:
    lab = await lab_of(callsAtOnce=2, latencyMs=10)
    calls = [lab.cluster.ensure(work(name=f"a-{number}")) for number in range(4)]
    calls += [lab.cluster.ensure(elsewhere(name="b"))]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert [isinstance(one, Retryable) for one in answers] == [False, False, True, True, False]
    assert str(answers[2]) == "site Aveiro takes 2 calls at the same time"
    assert (await lab.cluster.ensure(work())).changed


async def test_a_cluster_takes_so_many_calls_a_second() -> None:
    lab = await lab_of(clusterCallsPerSecond=2)
    for number in range(2):
        await lab.cluster.ensure(work(name=f"a-{number}"))
    with pytest.raises(Retryable, match="the cluster takes 2 calls a second") as refused:
        await lab.cluster.ensure(elsewhere())
    assert refused.value.retry_after_s == pytest.approx(0.5)
    lab.clock.ms += 500
    await lab.cluster.ensure(elsewhere())
    with pytest.raises(Retryable):
        await lab.cluster.ensure(work())


async def test_a_hanging_site_hangs_alone_and_nothing_is_done() -> None:
    lab = await lab_of(hangingSites=["site_a"])
    with pytest.raises(Hanging):
        await lab.cluster.ensure(work())
    assert (await lab.cluster.ensure(elsewhere())).changed
    assert [one.name for one in (await lab.observe()).releases] == [OTHER]
    lab.behave(hangs=True)
    for call in (lab.observe(), lab.cluster.samples(), lab.cluster.remove(removal(1))):
        with pytest.raises(Hanging):
            await call


async def test_settings_of_a_site_are_by_its_id_before_its_name() -> None:
    lab = await lab_of(failureRate=1, sites={"Aveiro": {"failureRate": 0, "latencyMs": 70}, "site_a": {"latencyMs": 9}})
    before = lab.clock.ms
    await lab.cluster.ensure(work())
    assert lab.clock.ms - before == 9
    with pytest.raises(Retryable):
        await lab.cluster.ensure(elsewhere())


async def test_a_clock_that_is_wrong_changes_no_order() -> None:
    lab = await lab_of()
    await lab.cluster.ensure(work())
    lab.behave(clockOffsetMs=-3_600_000)
    await lab.cluster.ensure(work(2))
    with pytest.raises(StaleGeneration):
        await lab.cluster.ensure(work())
    effects = list(lab.cluster.world.effects.after(0))
    assert [one.outcome for one in effects] == [Outcome.DONE, Outcome.DONE, Outcome.REFUSED]
    assert effects[1].at_ms < effects[0].at_ms
    assert effects[0].number < effects[1].number < effects[2].number
    assert (await lab.only()).generation == 2


@pytest.mark.parametrize(
    ("fault", "raised", "there"),
    [
        (PlannedFault.LOSE_REPLY, ReplyLost, True),
        (PlannedFault.LOSE_CALL, ReplyLost, False),
        (PlannedFault.HANG, Hanging, False),
        (PlannedFault.REFUSE, Retryable, False),
        (PlannedFault.REJECT, Permanent, False),
        (PlannedFault.AWAY, Unreachable, False),
    ],
)
async def test_each_planned_fault_is_what_it_says(fault: PlannedFault, raised: type[Exception], there: bool) -> None:
    lab = await lab_of()
    lab.cluster.plans.add(Plan(fault=fault, site="Aveiro"))
    assert (await lab.cluster.ensure(elsewhere())).changed, "it is for another site"
    with pytest.raises(raised):
        await lab.cluster.ensure(work())
    assert (NAME in lab.cluster.world.objects) is there
    assert (await lab.cluster.ensure(work())).changed is not there


def test_plans_are_counted_and_bounded() -> None:
    plans = Plans()
    plan = Plan(fault=PlannedFault.REFUSE, verb="remove", skip=1, count=2)
    plans.add(plan)
    calls = [plans.next_for(verb, site_id="s", site="S", name="n") for verb in ("ensure", *["remove"] * 4)]
    assert calls == [None, None, PlannedFault.REFUSE, PlannedFault.REFUSE, None]
    assert (plan.count, plans.waiting) == (2, []), "what was given is not touched"
    for _ in range(MOST):
        plans.add(plan)
    with pytest.raises(ValueError, match=str(MOST)):
        plans.add(plan)


async def test_what_strangers_take_of_nodes_is_told_when_it_changes() -> None:
    lab = await lab_of()
    await lab.cluster.ensure(work())
    seen = await lab.observe()
    assert seen.foreign_use == {}
    made = hand.Made(
        name="x", owner=STRANGER, site_id="site_a", node_ids=("node_a1", "node_a1", None), cpu_millicores=300
    )
    await hand.make(lab.cluster.world, made, now=0)
    later = await lab.observe(seen.cursor)
    assert later.foreign_use == {"node_a1": Resources(cpu_millicores=600)}
    await lab.cluster.ensure(work(2))
    again = await lab.observe(later.cursor)
    assert again.foreign_use is None, "it is as it was told last"
    await hand.vanish(lab.cluster.world, "x", now=0)
    assert (await lab.observe(again.cursor)).foreign_use == {}


async def test_sites_and_nodes_are_told_when_they_change_to_any_cursor() -> None:
    lab = await lab_of()
    first = await lab.observe()
    assert (set(first.sites), set(first.nodes)) == ({"site_a", "site_b"}, {one.id for one in NODES})
    lab.behave(awayNodes=["a1"])
    second = await lab.observe(first.cursor)
    assert {node: one.ready for node, one in second.nodes.items()} == {"node_a1": False}
    assert second.sites == {}
    lab.behave(awaySites=["Braga"])
    third = await lab.observe(second.cursor)
    assert {node: one.ready for node, one in third.nodes.items()} == {"node_a1": True, "node_b1": False}
    assert third.unseen_sites == {"site_b"}
    late = await lab.observe(first.cursor)
    assert (set(late.sites), set(late.nodes)) == ({"site_b"}, {"node_a1", "node_b1"})


async def test_what_came_to_an_inventory_is_told_alone() -> None:
    lab = await lab_of()
    first = await lab.observe()
    nodes = {**FixedInventory().nodes(), "node_b2": ("b2", "site_b")}
    lab.inventory.nodes = lambda: nodes  # type: ignore[method-assign]  # a network that grows
    lab.inventory.stamp = 2
    assert set((await lab.observe(first.cursor)).nodes) == {"node_b2"}
    del nodes["node_a1"]
    lab.inventory.stamp = 3
    later = await lab.observe(first.cursor)
    assert set(later.nodes) == {"node_b2"}
    assert set((await lab.observe()).nodes) == {"node_a2", "node_a3", "node_b1", "node_b2"}


async def test_who_has_seen_less_than_what_is_forgotten_is_told_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivers.simulated.world.TOMBSTONES_KEPT", 3)
    lab = await lab_of()
    first = await lab.observe()
    for number in range(5):
        await lab.cluster.remove(removal(1, f"gone-{number}"))
    assert (await lab.observe(first.cursor)).complete
    second = await lab.observe()
    await lab.cluster.remove(removal(1, "gone-5"))
    step = await lab.observe(second.cursor)
    assert (step.complete, set(step.gone)) == (False, {"gone-5"})


def test_effects_beyond_what_is_kept_push_out_the_oldest() -> None:
    log = EffectLog(3)
    for generation in range(1, 6):
        log.note("applied", work(generation), now=0, by="")
    assert [one.generation for one in log.after(0)] == [3, 4, 5]
    assert log.pushed_out == 2
    assert [one.generation for one in log.after(4)] == [5]


async def test_a_full_disk_is_no_answer_and_what_was_answered_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "world.jsonl"
    world = World(Journal(path))
    await world.open()
    cluster = SimulatedCluster(world, behaviour_of({}), clock=ManualClock())
    await cluster.ensure(work())
    before = path.read_bytes()
    descriptor = world.journal._fd
    with open("/dev/full", "wb", buffering=0) as full:
        world.journal._fd = full.fileno()
        with pytest.raises(Unreachable, match="No space left"):
            await cluster.ensure(work(2))
        with pytest.raises(Unreachable, match="No space left"):
            await cluster.ensure(work(2))
        world.journal._fd = descriptor
    with pytest.raises(Unreachable):
        await cluster.ensure(work(2))
    await world.journal.close()
    assert path.read_bytes() == before
    again = World(Journal(path))
    await again.open()
    assert again.objects[NAME].generation == 1
    await again.journal.close()


async def test_effects_and_behaviour_outlive_a_file_that_is_made_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drivers.simulated.world.COMPACT_FROM_LINES", 20)
    path = tmp_path / "world.jsonl"
    world = World(Journal(path), effects_kept=4)
    await world.open()
    await world.keep_behaviour(b'{"seed":3}')
    for generation in range(1, 60):
        await world.apply(work(generation), now=generation, start=Start([0, 0]))
    told = list(world.effects.after(0))
    await world.journal.close()
    for _ in range(2):
        world = World(Journal(path), effects_kept=4)
        await world.open()
        assert list(world.effects.after(0)) == told
        assert world.behaviour == b'{"seed":3}'
        assert world.objects[NAME].generation == 59
        await world.journal.close()
    assert len(path.read_bytes().splitlines()) < 20
