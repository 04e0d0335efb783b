"""kill -9 of the server at random moments: what was acknowledged is finished, nothing is done twice or left over."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
import structlog.testing

from graph.kinds import Deployment, DeploymentPhase, Operation, OperationStatus, Release
from graph.view import each, get_as
from lifecyclekit.edge import Edge, edge_of
from tests.chaos.lifecycle_victim import CONFIGURATION

ROOT = Path(__file__).parents[2]
SETTLED = (DeploymentPhase.READY, DeploymentPhase.TERMINATED)
GOOD_ENDS = (OperationStatus.SUCCEEDED, OperationStatus.SUPERSEDED, OperationStatus.CANCELLED)


class Victims:
    """Lives of a server, one after the other on the same folder."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self.process = process
        self.folder = folder

    def begin(self, seed: int) -> int:
        return int(self._ask(f"live {self.folder} {seed}"))

    def kill(self, pid: int) -> None:
        os.kill(pid, signal.SIGKILL)
        assert int(self._ask(f"reap {pid}")) == -signal.SIGKILL, "it had ended before it was killed"

    def acknowledged(self) -> list[dict[str, str]]:
        path = self.folder / "acknowledged.jsonl"
        lines = path.read_bytes().splitlines() if path.exists() else []
        return [msgspec.json.decode(line) for line in lines]

    def _ask(self, command: str) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline()


@pytest.fixture
def victims(tmp_path: Path) -> Iterator[Victims]:
    program = [sys.executable, str(Path(__file__).with_name("lifecycle_victim.py"))]
    paths = os.pathsep.join((str(ROOT), str(ROOT / "tests")))
    environment = {**os.environ, "PYTHONPATH": paths, "OPENBLAS_NUM_THREADS": "1"}
    with subprocess.Popen(
        program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment
    ) as process:
        try:
            yield Victims(process, tmp_path)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()


async def settled(edge: Edge) -> None:
    """Waits until every deployment is where it is to be, and every operation has ended."""

    def found() -> bool:
        return not edge.view.count("Operation") and all(
            one.phase in SETTLED and one.operation_id is None for one in each(edge.view, Deployment)
        )

    await edge.until(found, what="rest")


async def check(edge: Edge, acknowledged: list[dict[str, str]]) -> None:
    """The invariants, once all is at rest."""
    edge.check_books()
    for told in acknowledged:
        record = await edge.ledger.store.record("Operation", told["operation"])
        assert record is not None, f"acknowledged and lost: {told}"
        operation = msgspec.json.decode(record.body, type=Operation)
        assert operation.status in GOOD_ENDS, operation
    for deployment in each(edge.view, Deployment):
        for release in each(edge.view, Release, "deployment_id", deployment.id):
            assert release.wanted
            assert get_as(edge.view, Deployment, release.deployment_id) is not None
    for number in range(len(edge.cluster_ids)):
        newest: dict[str, int] = {}
        for what, name, generation in edge.history(number):
            assert generation > newest.get(name, 0), f"{name}: {what} {generation} after {newest[name]}"
            newest[name] = generation


@dataclass
class Toll:
    """What a test of kills did."""

    kills: int = 0
    checks: int = 0
    acknowledged: int = 0
    """Changes that a caller was told of, each found finished."""
    effects: int = 0
    """What the clusters were made to do, none of it twice or out of order."""


async def kills(victims: Victims, *, count: int, seed: int, checked_every: int) -> Toll:
    """Kills so many lives at random moments."""
    dice = random.Random(seed)
    toll = Toll()
    while toll.kills < count:
        for _ in range(min(checked_every, count - toll.kills)):
            pid = victims.begin(dice.getrandbits(30))
            await asyncio.sleep(dice.uniform(0.15, 0.9))
            await asyncio.to_thread(victims.kill, pid)
            toll.kills += 1
        with structlog.testing.capture_logs():
            async with edge_of(victims.folder, data_folder=victims.folder / "world") as edge:
                edge.cluster_ids = list(edge.view.ids("Cluster"))
                for number in range(len(edge.cluster_ids)):
                    await edge.connected(number)
                    await edge.configure(number)
                await settled(edge)
                for number in range(len(edge.cluster_ids)):
                    await edge.connected(number)
                await check(edge, victims.acknowledged())
                toll.checks += 1
                toll.effects = sum(len(edge.history(number)) for number in range(len(edge.cluster_ids)))
                for number in range(len(edge.cluster_ids)):
                    await edge.configure(number, **CONFIGURATION)
    toll.acknowledged = len(victims.acknowledged())
    return toll


async def test_a_killed_server_finishes_what_it_acknowledged(victims) -> None:
    toll = await kills(victims, count=16, seed=3, checked_every=8)
    assert toll.acknowledged > 40


@pytest.mark.chaos
@pytest.mark.parametrize("seed", range(4))
async def test_a_server_killed_many_times_finishes_what_it_acknowledged(victims, report, seed: int) -> None:
    toll = await kills(victims, count=100, seed=seed, checked_every=10)
    report("server with its lifecycle, kill -9", toll)
    assert toll.acknowledged > 250
