"""What the model lives in: one installation over whole lives of a server, and a user who asks until there is an answer.

A process may die at any point of whatever is done; the next one goes on, and what was being done is done again by it. The
clusters, the users' notes and the oracle's knowledge outlast them all.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, ClassVar

import structlog.testing
from hypothesis.stateful import RuleBasedStateMachine, initialize

from driverkit.copies import Copies
from driverkit.order import Order
from drivers.port import ReleaseWork, RemovalWork
from faultkit.failpoints import Failpoints
from faultkit.lives import Installation
from faultkit.logical_time import LogicalLoop, logical
from faultkit.memory import memory_folder
from faultkit.oracle import Intent, Shop
from faultkit.scenarios import SMALL
from faultkit.user import Notes, Told, User
from graph.edit import Edit
from graph.kinds import Node, NodeStatus, Profile, Release
from graph.kinds.dependencies import Dependency
from graph.refusal import InvalidState, Refusal
from graph.values import HealthStatus
from graph.view import each
from lifecycle.settings import LifecycleSettings
from lifecyclekit.edge import Edge

SITES = 4
SETTINGS = dataclasses.replace(LifecycleSettings(), backoff_cap_s=5.0, call_timeout_s=10.0, reconnect_cap_s=5.0)
"""A call that hangs is given up, and a site that refused or a control plane that hung is tried again, within the time in
which all is to be well."""
QUIET: dict[str, Any] = {
    "observeEveryMs": 1_000,
    "latencyMs": 20,
    "latencyJitterMs": 60,
    "readyAfterMs": 100,
    "readyJitterMs": 400,
    "loads": [{"component": "web", "requestsPerSecond": [[0, 150]]}],
}
FOLLOWED = (2, 3)
"""Replicas where they follow that load, a hundred a replica; three that there were are kept for five minutes."""
LARGE = {"size": "L"}
"""What the profile of that name adds to the values of `web`."""
AFTER_DB = {"dependencies": [Dependency(component="db")]}


class Died(Exception):
    """The process died in the middle of it."""


class Lived(RuleBasedStateMachine):
    """An installation and its users, through all deaths, and what the oracle knows of it."""

    steps: ClassVar[int] = 0
    """Of all machines, for the record."""
    deaths: ClassVar[int] = 0
    copies_moved: ClassVar[int] = 0
    """How often a copy of what must never run twice came to a place."""
    left_in_order: ClassVar[int] = 0
    """How often what another component depends on left a place, after that one."""
    words: ClassVar[int] = 0
    """How often a site was declared lost."""
    hangs: ClassVar[int] = 0
    """How often the control plane hung."""
    late: ClassVar[int] = 0
    """Calls that it did later, for nobody who still waited."""

    def __init__(self) -> None:
        super().__init__()
        self._stack = contextlib.ExitStack()
        self.logs = self._stack.enter_context(structlog.testing.capture_logs())
        self._stack.enter_context(logical(0))
        self.folder = Path(tempfile.mkdtemp(dir=memory_folder()))
        self._stack.callback(shutil.rmtree, self.folder)
        self._runner = self._stack.enter_context(asyncio.Runner(loop_factory=LogicalLoop))
        self.installation = Installation(self.folder, settings=SETTINGS)
        self.notes = Notes({})
        self.shops: list[Shop] = []
        self.calm = True
        """Whether nothing has been wrong with the sites since all was well."""
        self.away: frozenset[str] = frozenset()
        """Sites that have been away since then."""
        self.keys = 0
        self.lacked: frozenset[str] = frozenset()
        """Sites where what was last asked for may have found no room before it was answered."""
        self.late: list[ReleaseWork | RemovalWork] = []
        """Calls of processes that died, which have not arrived yet."""
        self.copies = Copies(of=self._is_single)
        self.order = Order(dependent="web", on="db")

    # Lives

    @initialize()
    def begin(self) -> None:
        self._runner.run(self._live())

        async def make(edge: Edge) -> None:
            await edge.network(sites=SITES, nodes=2, **QUIET)
            await edge.version("1", reference="shop:1", web={**SMALL, **AFTER_DB}, db=SMALL)
            await edge.version("2", reference="shop:2", web={**SMALL, **AFTER_DB}, db=SMALL)

            def profiles(edit: Edit) -> None:
                for one in edge.view.ids("AppVersion"):
                    edit.create(
                        Profile, name="large", app_version_id=one, tenant_id=edge.tenant_id, values={"web": LARGE}
                    )

            await edge.change(profiles)

        self._runner.run(make(self.edge))
        self.installation.know(self.edge)

    async def _live(self) -> None:
        """Begins a life; the one before has ended."""
        self.points = Failpoints()
        self.points.armed = True
        ready: asyncio.Future[Edge] = asyncio.get_running_loop().create_future()

        async def hold(edge: Edge) -> None:
            ready.set_result(edge)
            await asyncio.Event().wait()

        self.life = asyncio.create_task(self.installation.until_death(self.points, hold))
        self.edge = await ready

    async def _until_death(self, work: Awaitable[Any]) -> Any:
        working = asyncio.ensure_future(work)
        dying = asyncio.ensure_future(self.points.dead.wait())
        await asyncio.wait([working, dying], return_when=asyncio.FIRST_COMPLETED)
        dying.cancel()
        if working.done():
            return working.result()
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        await self.life
        self.late += self.points.late
        Lived.deaths += 1
        raise Died

    def do(self, work: Callable[[], Awaitable[Any]]) -> Any:
        """Does something, in another life when the process dies of it; whoever was not answered asks again."""
        while True:
            try:
                return self._runner.run(self._until_death(work()))
            except Died:
                self._runner.run(self._live())

    def ask(self, shop: Shop | None, call: Callable[[User, str], Awaitable[Told]]) -> Told | Refusal:
        """What a user is told."""
        self.keys += 1
        key = f"k{self.keys}"
        lacking = self.lacking()
        try:
            told: Told = self.do(lambda: call(User(self.edge, self.notes), key))
        except Refusal as refusal:
            return refusal
        if shop is not None:
            shop.operations.append(told.operation)
            shop.may_lack |= self.lacking() | lacking
        self.lacked = lacking
        return told

    def lacking(self) -> frozenset[str]:
        """Sites where what is placed now may find no room: those that have been away, are found down, or have no node."""
        nodes = list(each(self.edge.view, Node))
        served = {one.site_id for one in nodes if one.status is not NodeStatus.NOT_READY}
        return self.away.union(self.down(), set(self.edge.site_ids) - served)

    def changed(self, shop: Shop, intent: Intent, call: Callable[[User, str], Awaitable[Told]]) -> None:
        """A change of what is wanted: granted, or refused with nothing done."""
        told = self.ask(shop, call)
        if isinstance(told, Told):
            shop.change(intent)
        elif not shop.ending:
            assert not self.calm or isinstance(told, InvalidState), told

    def down(self) -> list[str]:
        """Sites that the graph knows not to answer."""
        found = (self.edge.site(one) for one in range(SITES))
        return [one.id for one in found if one.health.status is HealthStatus.DOWN]

    def sent_to(self, site: str) -> dict[str, int]:
        """By name the newest generation of what may have been sent to a site by now."""
        return {one.backend_name: one.generation for one in each(self.edge.view, Release, "site_id", site)}

    def _is_single(self, name: str) -> bool:
        return any(one.single and name.startswith(f"{one.name}-") for one in self.shops)

    def places(self, shop: Shop, where: set[int]) -> list[str]:
        """Sites to ask for: of what must never run twice one."""
        found = [self.site(one) for one in sorted(where)]
        return found[:1] if shop.single else found

    def shop(self, which: int, *, alive: bool = True) -> Shop | None:
        found = [one for one in self.shops if not (alive and one.ending)]
        return found[which % len(found)] if found else None

    def site(self, which: int) -> str:
        return self.edge.site_ids[which]

    def version(self, name: str) -> str:
        view = self.edge.view
        [found] = [one for one in view.ids("AppVersion") if view.get(one).name == name]
        return found

    def profile(self, version: str) -> str:
        found = self.edge.view.find("Profile", "large", self.version(version))
        assert found is not None
        return found.id
