"""The beds of the driver conformance kit: each driver brings a bed that makes clusters and knows how to spoil them.

A new driver adds one class with the methods of `SimulatedBed` and its name to `BEDS`; every test of the kit then runs over
its real backend.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from drivers.clock import SystemClock
from drivers.counted import CallReports, CountedDriver
from drivers.port import Backend, ClusterAccess, Driver
from drivers.simulated import SimulatedDriver
from graph.kinds import Node
from graph.values import Resources, Taint, TaintEffect

CLUSTER = "cluster_conformance"
SITES = {"site_a": "Aveiro", "site_b": "Braga"}
HAS = Resources(cpu_millicores=4_000, memory_bytes=8 << 30)
NODES = [
    Node(id="node_a1", name="a1", site_id="site_a", labels={"disk": "ssd"}, capacity=HAS),
    Node(id="node_a2", name="a2", site_id="site_a", labels={"disk": "hdd"}, capacity=HAS),
    Node(
        id="node_a3",
        name="a3",
        site_id="site_a",
        arch="arm64",
        capacity=HAS,
        taints=[Taint("dedicated", "gpu", TaintEffect.NO_SCHEDULE)],
    ),
    Node(id="node_b1", name="b1", site_id="site_b", capacity=HAS),
]
"""What a bed's sites have: `node_a3` takes only what tolerates its taint."""


class FixedInventory:
    stamp = 1

    def sites(self) -> Mapping[str, str]:
        return SITES

    def nodes(self) -> Mapping[str, tuple[str, str]]:
        return {one.id: (one.name, one.site_id) for one in NODES}

    def nodes_at(self, site_id: str) -> list[Node]:
        return [one for one in NODES if one.site_id == site_id]


class SimulatedBed:
    """Simulated clusters, in memory or in a folder."""

    rejected_reference = "registry.example/none:1"
    """A package that the backend will never run."""

    def __init__(self, folder: Path | None, *, driver: Driver | None = None) -> None:
        self.folder = folder
        self.driver = driver or SimulatedDriver()

    @contextlib.asynccontextmanager
    async def connected(self, **configuration: Any) -> AsyncIterator[Backend]:
        """A connection; a second one sees what the first one left."""
        given = {"observeEveryMs": 20, "rejectedReferences": [self.rejected_reference], **configuration}
        access = ClusterAccess(
            id=CLUSTER,
            name="conformance",
            endpoint=None,
            configuration=given,
            clock=SystemClock(),
            inventory=FixedInventory(),
            data_folder=self.folder,
        )
        async with self.driver.connect(access) as backend:
            yield backend

    def away(self, *sites: str) -> dict[str, Any]:
        """The configuration under which these sites do not answer."""
        return {"awaySites": list(sites)}

    def slow(self) -> dict[str, Any]:
        """The configuration under which calls take long enough to be cancelled in the middle."""
        return {"latencyMs": 200}

    def losing_replies(self) -> dict[str, Any]:
        """The configuration under which every reply is lost after the work was done."""
        return {"lostReplyRate": 1.0}


BEDS: dict[str, Callable[[Path], SimulatedBed]] = {
    "simulated": lambda folder: SimulatedBed(None),
    "simulated-folder": SimulatedBed,
    "simulated-counted": lambda folder: SimulatedBed(
        folder, driver=CountedDriver(SimulatedDriver(), reports=CallReports())
    ),
}


@pytest.fixture(params=sorted(BEDS))
def bed(request: pytest.FixtureRequest, tmp_path: Path) -> SimulatedBed:
    return BEDS[request.param](tmp_path)
