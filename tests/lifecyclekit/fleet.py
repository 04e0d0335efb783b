"""`edgeatlas worker` processes over a real Neo4j and a real NATS, before simulated clusters in a process of their own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from beds.parts import watchdog
from drivers.simulated.control import Control
from drivers.simulated.effects import Effect
from graph.stores.neo4j import Neo4jStore
from lifecyclekit.edge import Edge, edge_of
from lifecyclekit.peers import reached

ROOT = Path(__file__).parents[2]


class Process:
    """A command of the product, killed with this process."""

    def __init__(self, folder: Path, name: str, *arguments: str, **variables: str) -> None:
        self.log = folder / f"{name}.log"
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "OPENBLAS_NUM_THREADS": "1",
            "XDG_CONFIG_HOME": str(folder / "config"),
            "XDG_DATA_HOME": str(folder / "data"),
            **variables,
        }
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "server.cli", *arguments],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._watchdog = watchdog(self.process.pid)

    def said(self, text: str) -> bool:
        """Whether it wrote this; fails when it has ended."""
        told = self.log.read_text(errors="replace")
        assert self.process.poll() is None, told[-3_000:]
        return text in told

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL)

    def terminate(self) -> int:
        """SIGTERM; gives the exit status."""
        return self._end(signal.SIGTERM)

    def _end(self, number: int) -> int:
        if self.process.poll() is None:
            os.kill(self.process.pid, number)
        status = self.process.wait(60)
        self._watchdog.kill()
        self._watchdog.communicate()
        return status


class Fleet:
    """Workers, the clusters, and `edge` to ask for things: it works on nothing itself."""

    def __init__(self, folder: Path, edge: Edge, store: str, nats: str, endpoint: str) -> None:
        self.folder, self.edge, self.store, self.nats, self.endpoint = folder, edge, store, nats, endpoint
        self.workers: list[Process] = []
        self._begun = 0

    async def begin(self, count: int, *flags: str) -> list[Process]:
        """Starts workers; returns when each has loaded the graph and has its share."""
        user_and_password = self.store.removeprefix("bolt://").rpartition("@")[0]
        user, _, password = user_and_password.partition(":")
        url = f"bolt://{user}@{self.store.rpartition('@')[2]}"
        made = []
        for _ in range(count):
            self._begun += 1
            made.append(
                Process(
                    self.folder,
                    f"worker{self._begun}",
                    "worker",
                    *("--store", url, "--nats", self.nats, *flags),
                    EDGEATLAS_STORE_PASSWORD=password,
                )
            )
        self.workers += made
        await reached(lambda: all(one.said("share.changed") for one in made), what="their shares", within_s=180)
        return made

    async def effects(self) -> list[Effect]:
        """What was done to all clusters, in order a cluster."""
        found = []
        for cluster_id in self.edge.cluster_ids:
            control = Control(self.endpoint, cluster_id)
            try:
                found += await control.effects()
            finally:
                control.close()
        return found

    async def behave(self, **settings) -> None:
        """Sets how all clusters behave."""
        for cluster_id in self.edge.cluster_ids:
            control = Control(self.endpoint, cluster_id)
            try:
                await control.behave(**settings)
            finally:
                control.close()


@contextlib.asynccontextmanager
async def fleet_of(folder: Path, neo4j_server, nats_server) -> AsyncIterator[Fleet]:
    """An installation without workers yet; the Neo4j server is emptied."""
    neo4j_server.empty()
    socket = folder / "edge.sock"
    clusters = Process(folder, "simulate", "simulate", "--socket", str(socket), "--folder", str(folder / "edge"))
    await reached(socket.exists, what="the simulated backend", within_s=60)
    async with edge_of(folder, store=Neo4jStore(neo4j_server.store), running=False) as edge:
        edge.deadline_s = 180.0
        fleet = Fleet(folder, edge, neo4j_server.store, nats_server.url, f"unix:{socket}")
        try:
            yield fleet
        finally:
            for one in fleet.workers:
                await asyncio.to_thread(one.kill)
            clusters.kill()
