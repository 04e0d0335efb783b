"""A simulated backend as a process: what was answered outlives it, and nobody is obeyed who may not ask."""

from __future__ import annotations

import asyncio
import contextlib
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import uvloop

from driverkit.effects import orphans, violations
from driverkit.simulated_process import SimulatedProcess, simulated_process
from driverkit.work import CLUSTER, NAME, FixedInventory, has_ready, removal, until, work
from drivers.port import (
    Backend,
    ClusterAccess,
    DriverProblem,
    InUseElsewhere,
    InvalidConfiguration,
    Permanent,
    Retryable,
    SamplingBackend,
    Unreachable,
)
from drivers.simulated import SimulatedDriver
from drivers.simulated.client import Address, HttpPool
from drivers.simulated.control import ControlRefused
from drivers.simulated.effects import Outcome
from drivers.simulated.planned import PlannedFault
from drivers.simulated.remote import address_of
from drivers.simulated.world import HAND
from graph.kinds import InstanceStatus, Node
from graph.values import Resources, Taint, TaintEffect

NAMES = [f"shop-{number}" for number in range(24)]


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedProcess]:
    with simulated_process(tmp_path_factory.mktemp("simulated")) as process:
        yield process


@pytest.fixture
def own(tmp_path: Path) -> Iterator[SimulatedProcess]:
    """One that the test may kill."""
    with simulated_process(tmp_path) as process:
        yield process


def access(process: SimulatedProcess, cluster: str, **settings: object) -> ClusterAccess:
    return process.access(cluster, id=CLUSTER, inventory=FixedInventory(), **settings)


async def answered(backend: Backend, name: str, generation: int) -> bool:
    """Whether the backend says that it has the generation; it may be killed meanwhile."""
    try:
        await backend.ensure(work(generation, name=name))
    except (Unreachable, Retryable):
        return False
    return True


async def test_what_was_answered_outlives_kill_9_and_nothing_is_done_twice(own: SimulatedProcess) -> None:
    chance = random.Random(5)
    acknowledged: dict[str, int] = {}
    async with own.control("west") as control:
        await control.behave(lostReplyRate=0.2, latencyJitterMs=3)
    for life in range(1, 4):
        async with SimulatedDriver().connect(access(own, "west")) as backend:

            async def drive(name: str, generation: int = life, backend: Backend = backend) -> None:
                for _ in range(3):
                    if await answered(backend, name, generation):
                        acknowledged[name] = generation

            calls = [asyncio.create_task(drive(name)) for name in NAMES]
            await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.sleep(chance.random() * 0.01)
            await asyncio.to_thread(own.kill)
            await asyncio.gather(*calls)
        await asyncio.to_thread(own.start)
        async with own.control("west") as control:
            held = {one.name: one.generation for one in await control.objects()}
            assert {name: held[name] for name in acknowledged if held.get(name, 0) < acknowledged[name]} == {}
    async with own.control("west") as control:
        effects = await control.effects()
        assert violations(effects) == []
        assert orphans(held, wanted=NAMES) == []
        assert {one.name for one in effects if one.outcome is Outcome.DONE} == set(held)
        assert (await control.tallies()) == {}, "tallies are of this life, and nobody has called in it"


async def test_what_it_was_told_to_do_outlives_it(own: SimulatedProcess) -> None:
    async with own.control("west") as control:
        await control.behave(awaySites=["Aveiro"], sites={"Braga": {"latencyMs": 3}})
    own.kill()
    own.start()
    async with SimulatedDriver().connect(access(own, "west")) as backend:
        with pytest.raises(Unreachable, match="Aveiro"):
            await backend.ensure(work())
        assert (await backend.observe(after=None)).unseen_sites == {"site_a"}


class ChangingInventory(FixedInventory):
    """One node at Aveiro, which takes nothing at first."""

    def __init__(self) -> None:
        self.taints = [Taint("maintenance", "", TaintEffect.NO_EXECUTE)]

    def nodes_at(self, site_id: str) -> list[Node]:
        has = Resources(cpu_millicores=4_000, memory_bytes=8 << 30)
        return [Node(id="node_a1", name="a1", site_id="site_a", capacity=has, taints=self.taints)]


@pytest.mark.parametrize("killed", [False, True])
async def test_what_waits_for_a_node_is_put_on_one_when_the_driver_tells_of_it(
    own: SimulatedProcess, killed: bool
) -> None:
    inventory = ChangingInventory()
    async with own.control("west") as control:
        await control.behave(observeEveryMs=20)
    reached = own.access("west", id=CLUSTER, inventory=inventory)
    async with SimulatedDriver().connect(reached) as backend:
        await backend.ensure(work(replicas=1, assignments={}, nodes={}))
        seen = await backend.observe(after=None)
        told = "0 of 1 nodes take it: 1 has taint maintenance:NO_EXECUTE"
        assert [(one.node_id, one.message) for one in seen.releases[0].instances] == [(None, told)]
        if killed:
            own.kill()
            own.start()
            with contextlib.suppress(Unreachable):  # what was kept of the connection to the first one
                await backend.observe(after=None)
        inventory.taints = []
        after = None if killed else seen.cursor
        ready = await until(backend, has_ready(NAME, 1), after=after)
        assert [(one.node_id, one.status) for one in ready.releases[0].instances] == [
            ("node_a1", InstanceStatus.RUNNING)
        ]


async def test_a_backend_that_ends_lets_go_of_its_files_and_a_second_one_stands_by(own: SimulatedProcess) -> None:
    async with SimulatedDriver().connect(access(own, "west")) as backend:
        await backend.ensure(work())
        assert own.folder is not None
        second = SimulatedProcess(own.folder).start()
        try:
            with pytest.raises(InUseElsewhere):
                async with SimulatedDriver().connect(access(second, "west")):
                    pass
            assert own.stop() == 0
            async with SimulatedDriver().connect(access(second, "west")) as other:
                assert not (await other.ensure(work())).changed
        finally:
            second.kill()


async def test_a_socket_is_served_in_memory_and_for_its_own_user_alone() -> None:
    with tempfile.TemporaryDirectory(prefix="edge") as folder:
        process = SimulatedProcess(None, socket=Path(folder) / "edge.sock").start()
        try:
            assert process.endpoint == f"unix:{folder}/edge.sock"
            assert (Path(folder) / "edge.sock").stat().st_mode & 0o777 == 0o600
            async with SimulatedDriver().connect(access(process, "west")) as backend:
                assert (await backend.ensure(work())).changed
            process.kill()
            process.start()  # in the place of the socket that the first one has left
            async with SimulatedDriver().connect(access(process, "west")) as backend:
                assert (await backend.ensure(work())).changed, "it was in memory"
        finally:
            process.kill()


def test_it_is_reached_on_the_loop_that_the_server_runs_on(process: SimulatedProcess) -> None:
    async def reach() -> bool:
        async with SimulatedDriver().connect(access(process, "loop")) as backend:
            return (await backend.ensure(work())).changed

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(reach())


async def test_clusters_do_not_know_each_other(process: SimulatedProcess) -> None:
    driver = SimulatedDriver()
    async with driver.connect(access(process, "one")) as one, driver.connect(access(process, "two")) as two:
        await one.ensure(work())
        assert (await two.observe(after=None)).releases == []
        assert (await two.ensure(work())).changed


async def test_who_has_not_the_token_is_refused(process: SimulatedProcess) -> None:
    stranger = SimulatedProcess(process.folder)
    stranger.endpoint, stranger.token = process.endpoint, "guessed"
    with pytest.raises(Permanent, match="token"):
        async with SimulatedDriver().connect(access(stranger, "west")):
            pass
    async with stranger.control("west") as control:
        with pytest.raises(ControlRefused, match="401"):
            await control.behave(hangs=True)


async def test_a_secret_without_a_token_is_refused_by_its_cluster(process: SimulatedProcess) -> None:
    stranger = SimulatedProcess(process.folder)
    stranger.endpoint, stranger.token = process.endpoint, "not one\r\nword: x"
    with pytest.raises(Permanent, match="token"):
        async with SimulatedDriver().connect(access(stranger, "west")):
            pass


async def test_a_backend_that_is_not_there_is_told_so() -> None:
    gone = SimulatedProcess(None, socket=Path("/nowhere/edge.sock"))
    gone.endpoint = "unix:/nowhere/edge.sock"
    with pytest.raises(Unreachable, match=r"/nowhere/edge\.sock"):
        async with SimulatedDriver().connect(access(gone, "west")):
            pass


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://192.0.2.1:8790",
        "http://169.254.169.254/latest/meta-data",
        "https://127.0.0.1:8790",
        "http://127.0.0.1:8790/other",
        "http://user:word@127.0.0.1:8790",
        "http://127.0.0.1:99999",
        "http://127.0.0.1.nip.example:8790",
        "unix:relative.sock",
        "file:///etc/passwd",
        "",
    ],
)
def test_an_endpoint_beyond_this_machine_is_refused(endpoint: str) -> None:
    with pytest.raises(InvalidConfiguration):
        address_of(endpoint)


def test_endpoints_of_this_machine_are_taken() -> None:
    assert address_of("http://127.0.0.1:99") == Address(host="127.0.0.1", port=99)
    assert address_of("http://[::1]:99/") == Address(host="::1", port=99)
    assert address_of("http://localhost") == Address(host="localhost", port=8790)
    assert address_of("unix:/run/edge.sock") == Address(path=Path("/run/edge.sock"))


async def test_faults_are_not_for_the_client_to_choose(process: SimulatedProcess) -> None:
    with pytest.raises(InvalidConfiguration) as refused:
        async with SimulatedDriver().connect(access(process, "west", latencyMs=5)):
            pass
    assert refused.value.key == "latencyMs"


async def test_a_planned_fault_hits_the_call_that_it_is_for_and_no_other(process: SimulatedProcess) -> None:
    async with process.control("plans") as control, SimulatedDriver().connect(access(process, "plans")) as backend:
        await control.plan(PlannedFault.LOSE_REPLY, verb="ensure", skip=1)
        await control.plan(PlannedFault.LOSE_CALL, verb="remove")
        await control.plan(PlannedFault.REFUSE, name="other")
        assert (await backend.ensure(work())).changed
        with pytest.raises(Unreachable):
            await backend.ensure(work(2))
        assert not (await backend.ensure(work(2))).changed, "it was done, and the plan is spent"
        with pytest.raises(Unreachable):
            await backend.remove(removal(3))
        assert [one.name for one in await control.objects()] == [NAME], "that call never came"
        assert (await backend.remove(removal(3))).gone
        with pytest.raises(Retryable):
            await backend.ensure(work(name="other"))
        assert (await backend.ensure(work(name="other"))).changed
        tallies = await control.tallies()
        assert (tallies["ensure"], tallies["remove"], tallies["lost"], tallies["refused"]) == (5, 2, 2, 1)


async def test_who_called_stands_on_each_effect(process: SimulatedProcess) -> None:
    driver = SimulatedDriver()
    async with process.control("who") as control:
        for _ in range(2):
            async with driver.connect(access(process, "who")) as backend:
                await backend.ensure(work())
        await control.change(NAME, replicas=1)
        async with driver.connect(access(process, "who")) as backend:
            await backend.ensure(work())
        effects = await control.effects()
        assert [(one.what, one.outcome, one.generation) for one in effects] == [
            ("applied", Outcome.DONE, 1),
            ("applied", Outcome.NOTHING, 1),
            ("changed", Outcome.DONE, 1),
            ("applied", Outcome.DONE, 1),
        ]
        assert len({one.by for one in effects}) == 4
        assert effects[2].by == HAND
        assert violations(effects) == [], "what a hand changed is due again"
        assert (await control.effects(after=effects[2].number)) == effects[3:]


async def test_a_backend_that_hangs_can_be_told_to_answer(process: SimulatedProcess) -> None:
    async with process.control("hangs") as control, SimulatedDriver().connect(access(process, "hangs")) as backend:
        await control.behave(hangs=True)
        calls = [asyncio.create_task(backend.ensure(work())), asyncio.create_task(backend.observe(after=None))]
        async with asyncio.timeout(60):
            while (await control.tallies()).get("hung", 0) < 2:
                await asyncio.sleep(0.01)
        assert not any(call.done() for call in calls)
        await control.behave(hangs=None)
        ended = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(one) for one in ended] == [Unreachable, Unreachable]
        assert await control.objects() == []
        assert (await backend.ensure(work())).changed


async def test_a_limit_is_told_with_when_to_try_again(process: SimulatedProcess) -> None:
    async with process.control("limits") as control, SimulatedDriver().connect(access(process, "limits")) as backend:
        await control.behave(sites={"Aveiro": {"callsPerSecond": 0.001}})
        assert (await backend.ensure(work())).changed
        with pytest.raises(Retryable, match=r"site Aveiro takes 0\.001 calls a second") as refused:
            await backend.ensure(work(2))
        assert refused.value.retry_after_s is not None
        assert 900 < refused.value.retry_after_s <= 1_000


async def test_more_calls_than_connections_wait_for_their_turn(process: SimulatedProcess) -> None:
    async with process.control("turns") as control:
        await control.behave(clusterCallsAtOnce=3, latencyMs=5)
        async with SimulatedDriver().connect(access(process, "turns", connections=2)) as backend:
            answers = await asyncio.gather(*(backend.ensure(work(name=name)) for name in NAMES))
            assert all(one.changed for one in answers)


async def test_samples_come_over_the_wire(process: SimulatedProcess) -> None:
    async with process.control("load") as control, SimulatedDriver().connect(access(process, "load")) as backend:
        await control.behave(loads=[{"requestsPerSecond": [[0, 90]], "cpuMillicoresPerRequest": 2}])
        await backend.ensure(work())
        assert isinstance(backend, SamplingBackend)
        whole, *each = await backend.samples(names=[NAME, "not-there"])
        assert (whole.instance, whole.requests_per_second) == (None, 90)
        assert [(one.requests_per_second, one.cpu_millicores) for one in each] == [(45, 90), (45, 90)]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/v1/clusters/west/ensure", b"{", 400),
        ("POST", "/v1/clusters/west/ensure", b'{"name": 3}', 400),
        ("POST", "/v1/clusters/a%2Fb/ensure", b"{}", 404),
        ("PUT", "/v1/clusters/-west/behaviour", b"{}", 400),
        ("PUT", "/v1/clusters/west/behaviour", b'{"latency": 1}', 400),
        ("PUT", "/v1/clusters/west/behaviour", b'{"sites": {"x": {"awaySites": []}}}', 400),
        ("POST", "/v1/clusters/west/plans", b'{"fault": "NONE"}', 400),
        ("DELETE", "/v1/clusters/west/objects/none", b"", 404),
        ("GET", "/v1/clusters/west/effects?after=-1", b"", 400),
        ("GET", "/v1/nothing", b"", 404),
    ],
)
async def test_a_wrong_request_is_refused_and_nothing_breaks(
    process: SimulatedProcess, method: str, path: str, body: bytes, status: int
) -> None:
    pool = HttpPool(address_of(process.endpoint), connections=1, headers={"authorization": f"Bearer {process.token}"})
    try:
        answer = await pool.request(method, path, body, timeout_s=60)
        assert answer.status == status, answer.body
        assert (await pool.request("GET", "/healthz", b"", timeout_s=60)).status == 200
    finally:
        pool.close()


async def test_a_server_that_is_no_simulated_backend_is_told_without_what_it_said() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecret")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        other = SimulatedProcess(None, socket=Path("/unused"))
        other.endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(DriverProblem) as told:
            async with SimulatedDriver().connect(access(other, "west")):
                pass
        assert "secret" not in str(told.value)
        assert "200" in str(told.value)


async def test_many_objects_are_observed_step_by_step(process: SimulatedProcess) -> None:
    async with process.control("many") as control, SimulatedDriver().connect(access(process, "many")) as backend:
        for start in range(0, 2_000, 250):
            await asyncio.gather(*(backend.ensure(work(name=f"o-{number}")) for number in range(start, start + 250)))
        await until(backend, has_ready("o-1999", 2))
        whole = await backend.observe(after=None)
        assert len(whole.releases) == 2_000
        await control.vanish("o-7")
        gone = await until(backend, lambda seen: bool(seen.gone), after=whole.cursor)
        assert (set(gone.gone), gone.complete) == ({"o-7"}, False)
        assert len(msgspec.json.encode(gone)) < 1_000
        await control.crash("o-8", forMs=None)
        crashed = await until(backend, lambda seen: bool(seen.releases), after=gone.cursor)
        assert [(one.name, one.ready_replicas) for one in crashed.releases] == [("o-8", 1)]
