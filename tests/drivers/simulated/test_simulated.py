"""The simulated backend: faults by function, state that survives, settings that are checked."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.clock import SystemClock
from drivers.pod_terms import RELEASE, PodTerms
from drivers.port import (
    Backend,
    ClusterAccess,
    InUseElsewhere,
    InvalidConfiguration,
    Permanent,
    ReleaseWork,
    RemovalWork,
    Retryable,
    Unreachable,
)
from drivers.simulated import SimulatedDriver, SimulatedSettings, journal_path, settings_of
from drivers.simulated.faults import fault_of, is_away
from drivers.simulated.loads import Load
from graph.kinds import Artifact, ArtifactType, InstanceStatus, Node
from graph.selectors import parse_selector
from graph.values import Resources, Taint, TaintEffect

CLUSTER = "cluster_1"


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


class Inventory:
    stamp = 1

    def __init__(self, sites: int = 2, *, standing: Sequence[Node] = ()) -> None:
        self.count = sites
        self.standing = list(standing)

    def sites(self) -> Mapping[str, str]:
        return {f"site_{number}": f"s{number}" for number in range(self.count)}

    def nodes(self) -> Mapping[str, tuple[str, str]]:
        return {f"node_{number}": (f"n{number}", f"site_{number}") for number in range(self.count)}

    def nodes_at(self, site_id: str) -> list[Node]:
        return [one for one in self.standing if one.site_id == site_id]


@contextlib.asynccontextmanager
async def connected(
    driver: SimulatedDriver,
    *,
    folder: Path | None = None,
    clock: Any = None,
    inventory: Inventory | None = None,
    **configuration: Any,
) -> AsyncIterator[Backend]:
    access = ClusterAccess(
        id=CLUSTER,
        name="lab",
        endpoint=None,
        configuration={"observeEveryMs": 20, **configuration},
        clock=clock or SystemClock(),
        inventory=inventory or Inventory(),
        data_folder=folder,
    )
    async with driver.connect(access) as backend:
        yield backend


def work(generation: int = 1, *, name: str = "shop-a", site: int = 0, **changed: Any) -> ReleaseWork:
    fields: dict[str, Any] = {
        "name": name,
        "owner": CLUSTER,
        "release_id": "release_1",
        "deployment_id": "deployment_1",
        "tenant_id": "tenant_1",
        "component": "a",
        "site_id": f"site_{site}",
        "site": f"s{site}",
        "generation": generation,
        "replicas": 2,
        "artifact": Artifact(type=ArtifactType.CONTAINER_IMAGE, reference="shop:1"),
        "resources": Resources(cpu_millicores=100, memory_bytes=1 << 20),
    }
    return ReleaseWork(**{**fields, **changed})


SETTINGS = SimulatedSettings(seed=7, failure_rate=0.3, lost_reply_rate=0.2, outage_rate=0.2, outage_calls=4)


@given(st.integers(0, 10_000), st.text(max_size=20))
def test_a_fault_is_a_function_of_seed_site_and_call(call: int, site: str) -> None:
    assert fault_of(SETTINGS, site, call) == fault_of(SETTINGS, site, call)


def test_faults_come_at_their_rates_and_differ_by_site_and_seed() -> None:
    one = [fault_of(SETTINGS, "site_1", number) for number in range(4_000)]
    assert 0.25 < sum(fault.refused for fault in one) / 4_000 < 0.35
    assert 0.15 < sum(fault.reply_lost for fault in one) / 4_000 < 0.25
    assert 0.12 < sum(fault.away for fault in one) / 4_000 < 0.28
    assert one != [fault_of(SETTINGS, "site_2", number) for number in range(4_000)]
    other_seed = SimulatedSettings(seed=8, failure_rate=0.3, lost_reply_rate=0.2, outage_rate=0.2, outage_calls=4)
    assert one != [fault_of(other_seed, "site_1", number) for number in range(4_000)]


def test_an_outage_lasts_whole_windows() -> None:
    for window in range(200):
        states = {is_away(SETTINGS, "site_1", window * 4 + call) for call in range(4)}
        assert len(states) == 1


async def test_the_faults_met_are_those_of_the_function() -> None:
    settings = {"seed": 7, "failureRate": 0.3, "lostReplyRate": 0.2}
    met = []
    async with connected(SimulatedDriver(), clock=ManualClock(), **settings) as backend:
        for generation in range(1, 60):
            try:
                await backend.ensure(work(generation))
                met.append("done")
            except Retryable:
                met.append("refused")
            except Unreachable:
                met.append("lost")
    function = settings_of({**settings, "observeEveryMs": 20})
    said = [fault_of(function, "s0", number) for number in range(59)]
    assert met == ["refused" if one.refused else "lost" if one.reply_lost else "done" for one in said]
    assert {"done", "refused", "lost"} == set(met)


async def test_state_survives_the_server_and_a_line_cut_short_is_dropped(tmp_path: Path) -> None:
    async with connected(SimulatedDriver(), folder=tmp_path) as backend:
        await backend.ensure(work())
        await backend.ensure(work(4, name="shop-b"))
    path = journal_path(tmp_path, CLUSTER)
    assert path is not None
    with path.open("ab") as file:
        file.write(b'{"what":"removed","name":"shop-a","gener')
    async with connected(SimulatedDriver(), folder=tmp_path) as backend:
        found = {one.name: one.generation for one in (await backend.observe(after=None)).releases}
        assert found == {"shop-a": 1, "shop-b": 4}


async def test_a_damaged_journal_is_a_typed_error_and_is_let_go(tmp_path: Path) -> None:
    path = journal_path(tmp_path, CLUSTER)
    assert path is not None
    path.parent.mkdir()
    path.write_text('{"what": 3}\n')
    for _ in range(2):
        with pytest.raises(Permanent, match="line 1"):
            async with connected(SimulatedDriver(), folder=tmp_path):
                pass


async def test_one_process_at_a_time_holds_a_cluster(tmp_path: Path) -> None:
    async with connected(SimulatedDriver(), folder=tmp_path):
        with pytest.raises(InUseElsewhere):
            async with connected(SimulatedDriver(), folder=tmp_path):
                pass
    async with connected(SimulatedDriver(), folder=tmp_path):
        pass


async def test_a_connection_that_is_given_up_lets_go_of_the_file(tmp_path: Path) -> None:
    async def hold() -> None:
        async with connected(SimulatedDriver(), folder=tmp_path):
            await asyncio.sleep(60)

    for turns in range(12):
        task = asyncio.create_task(hold())
        for _ in range(turns):
            await asyncio.sleep(0.0005)
        task.cancel()
        await asyncio.wait([task])
        async with connected(SimulatedDriver(), folder=tmp_path):
            pass


async def test_connections_of_one_driver_share_the_world(tmp_path: Path) -> None:
    driver = SimulatedDriver()
    async with connected(driver, folder=tmp_path) as one, connected(driver, folder=tmp_path) as other:
        await one.ensure(work())
        assert not (await other.ensure(work())).changed
    assert driver.world(CLUSTER) is None


async def test_replicas_are_ready_after_their_time_and_the_old_ones_stay_until_then() -> None:
    clock = ManualClock()
    async with connected(SimulatedDriver(), clock=clock, readyAfterMs=5_000) as backend:
        await backend.ensure(work(assignments={"node_0": 2}))
        first = await backend.observe(after=None)
        assert first.releases[0].ready_replicas == 0
        assert first.releases[0].message == "0 of 2 replicas are ready"
        clock.ms += 5_000
        ready = await backend.observe(after=first.cursor)
        assert ready.releases[0].ready_replicas == 2
        await backend.ensure(work(2, assignments={"node_1": 2}))
        moving = (await backend.observe(after=None)).releases[0]
        assert (moving.generation, moving.ready_replicas) == (2, 0)
        assert (
            sorted((one.node_id, one.status) for one in moving.instances if one.node_id == "node_0")
            == [("node_0", InstanceStatus.TERMINATING)] * 2
        )
        clock.ms += 5_000
        moved = (await backend.observe(after=None)).releases[0]
        assert {one.node_id for one in moved.instances} == {"node_1"}


async def test_scaling_keeps_the_replicas_that_can_stay() -> None:
    async with connected(SimulatedDriver(), clock=ManualClock()) as backend:
        await backend.ensure(work(assignments={"node_0": 2}))
        before = {one.name for one in (await backend.observe(after=None)).releases[0].instances}
        await backend.ensure(work(2, replicas=3, assignments={"node_0": 3}))
        after = {one.name for one in (await backend.observe(after=None)).releases[0].instances}
        assert len(after) == 3
        assert before < after
        await backend.ensure(work(3, replicas=1, assignments={"node_0": 1}))
        assert {one.name for one in (await backend.observe(after=None)).releases[0].instances} < after


async def test_what_somebody_deletes_by_hand_is_told_gone_and_can_be_made_again() -> None:
    driver = SimulatedDriver()
    async with connected(driver) as backend:
        await backend.ensure(work())
        seen = await backend.observe(after=None)
        world = driver.world(CLUSTER)
        assert world is not None
        await world.vanish("shop-a")
        assert "shop-a" in (await backend.observe(after=seen.cursor)).gone
        assert (await backend.ensure(work())).changed


def a_node(number: int, **fields: Any) -> Node:
    has = Resources(cpu_millicores=250, memory_bytes=1 << 30)
    return Node(id=f"node_{number}", name=f"n{number}", site_id="site_0", **{"capacity": has, **fields})


async def test_a_replica_that_waits_is_put_on_a_node_once_one_takes_it() -> None:
    clock, taint = ManualClock(), Taint("maintenance", "", TaintEffect.NO_EXECUTE)
    inventory = Inventory(standing=[a_node(0, taints=[taint]), a_node(1, schedulable=False)])
    async with connected(SimulatedDriver(), clock=clock, inventory=inventory, readyAfterMs=1_000) as backend:
        await backend.ensure(work(replicas=1))
        waiting = await backend.observe(after=None)
        told = "0 of 2 nodes take it: 1 has taint maintenance:NO_EXECUTE, 1 is cordoned"
        assert waiting.releases[0].message == f"0 of 1 replicas are ready: {told}"
        assert [(one.node_id, one.message) for one in waiting.releases[0].instances] == [(None, told)]
        clock.ms += 5_000
        quiet = await backend.observe(after=waiting.cursor)
        assert list(quiet.releases) == []
        inventory.standing[0] = a_node(0)
        put = await backend.observe(after=quiet.cursor)
        assert [(one.node_id, one.status) for one in put.releases[0].instances] == [("node_0", InstanceStatus.PENDING)]
        clock.ms += 1_000
        ready = await backend.observe(after=put.cursor)
        assert (ready.releases[0].ready_replicas, ready.releases[0].message) == (1, None)


async def test_what_waits_survives_the_server(tmp_path: Path) -> None:
    inventory = Inventory(standing=[a_node(0, taints=[Taint("a", "b", TaintEffect.NO_SCHEDULE)])])
    async with connected(SimulatedDriver(), folder=tmp_path, inventory=inventory) as backend:
        await backend.ensure(work(replicas=1))
    inventory.standing[0] = a_node(0)
    async with connected(SimulatedDriver(), folder=tmp_path, inventory=inventory) as backend:
        assert [one.node_id for one in (await backend.observe(after=None)).releases[0].instances] == ["node_0"]


async def test_a_node_that_is_left_is_free_for_others_and_one_that_is_too_small_takes_nothing() -> None:
    clock = ManualClock()
    inventory = Inventory(standing=[a_node(0), a_node(1, capacity=Resources(cpu_millicores=50, memory_bytes=1))])
    alone = PodTerms(labels={RELEASE: "shop-a"}, anti_affinity=[parse_selector(f"{RELEASE},{RELEASE}!=shop-a")])
    other = PodTerms(labels={RELEASE: "shop-b"})
    async with connected(SimulatedDriver(), clock=clock, inventory=inventory) as backend:
        await backend.ensure(work(replicas=1, pods=alone))
        await backend.ensure(work(name="shop-b", replicas=1, pods=other))
        seen = await backend.observe(after=None)
        assert {one.name: one.message for one in seen.releases} == {
            "shop-a": None,
            "shop-b": "0 of 1 replicas are ready: 0 of 2 nodes take it: "
            "1 does not have what it needs, 1 is for others alone",
        }
        await backend.remove(RemovalWork(name="shop-a", owner=CLUSTER, site_id="site_0", site="s0", generation=2))
        clock.ms += 1_000
        after = await backend.observe(after=seen.cursor)
        assert [(one.name, [each.node_id for each in one.instances]) for one in after.releases] == [
            ("shop-b", ["node_0"])
        ]


async def test_what_runs_stays_where_it_is_when_its_node_changes() -> None:
    inventory = Inventory(standing=[a_node(0)])
    async with connected(SimulatedDriver(), clock=ManualClock(), inventory=inventory) as backend:
        await backend.ensure(work(replicas=1))
        inventory.standing[0] = a_node(0, taints=[Taint("a", "", TaintEffect.NO_SCHEDULE)])
        await backend.ensure(work(2, replicas=2))
        found = (await backend.observe(after=None)).releases[0].instances
        assert [(one.node_id, one.generation) for one in found] == [("node_0", 1), (None, 2)]


async def test_outages_begin_and_end_by_being_looked_at() -> None:
    clock = ManualClock()
    states: list[bool] = []
    async with connected(SimulatedDriver(), clock=clock, outageRate=0.4, outageCalls=3, seed=3) as backend:
        seen = await backend.observe(after=None)
        for _ in range(60):
            seen = await backend.observe(after=seen.cursor)
            states.append("site_0" in seen.unseen_sites)
    settings = settings_of({"outageRate": 0.4, "outageCalls": 3, "seed": 3})
    assert states == [is_away(settings, "s0", number) for number in range(1, 61)]
    assert {True, False} == set(states)


async def test_away_nodes_are_told_with_their_reason() -> None:
    async with connected(SimulatedDriver(), awayNodes=["n1"], awaySites=["site_0"]) as backend:
        seen = await backend.observe(after=None)
        assert {node: condition.reason for node, condition in seen.nodes.items()} == {
            "node_0": "its site does not answer",
            "node_1": "the node does not answer",
        }


async def test_a_site_that_fails_refuses_every_call_and_the_others_do_not() -> None:
    async with connected(SimulatedDriver(), failingSites=["s0"]) as backend:
        with pytest.raises(Retryable):
            await backend.ensure(work())
        await backend.ensure(work(site=1, name="shop-b"))


@pytest.mark.parametrize(
    ("configuration", "key"),
    [
        ({"latencyMs": -1}, "latencyMs"),
        ({"latencyMs": "5"}, "latencyMs"),
        ({"failureRate": 1.5}, "failureRate"),
        ({"outageCalls": 0}, "outageCalls"),
        ({"awaySites": "s1"}, "awaySites"),
        ({"awaySites": [""]}, "awaySites[0]"),
        ({"latency_ms": 5}, "latency_ms"),
        ({"observeEveryMs": 0}, "observeEveryMs"),
        ({"seed": 2**60}, "seed"),
    ],
)
def test_a_wrong_setting_is_refused_by_its_key(configuration: dict[str, Any], key: str) -> None:
    with pytest.raises(InvalidConfiguration) as refused:
        settings_of(configuration)
    assert refused.value.key == key


def test_every_setting_is_on_the_page() -> None:
    page = (Path(__file__).parents[3] / "docs" / "simulated.md").read_text()
    cells = re.findall(r"^\| (`[^|]+`) \|", page, re.MULTILINE)
    documented = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    assert documented == {*SimulatedSettings.__struct_encode_fields__, *Load.__struct_encode_fields__}
