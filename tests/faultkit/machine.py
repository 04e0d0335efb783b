"""All verbs and all faults in any order, against an oracle: a Hypothesis state machine over whole lives of a server.

Each step asks for something, lets time pass, or makes something go wrong; a process may die at any point of any step, and
the next one goes on. Now and then everything is put right, and what there is must be what the oracle says.
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

import msgspec
import structlog.testing
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from faultkit.checks import check_effects, filed
from faultkit.failpoints import Failpoints
from faultkit.lives import CONVERGED_WITHIN_S, Installation
from faultkit.logical_time import LogicalLoop, logical
from faultkit.memory import memory_folder
from faultkit.oracle import Intent, Shop
from faultkit.scenarios import SMALL
from faultkit.user import Notes, Told, User
from graph.kinds import GIVEN_UP, DeploymentPhase, DeploymentRevision, Operation, OperationStatus
from graph.kinds.dependencies import Dependency
from graph.kinds.policy import PlacementPolicy, SiteSelector
from graph.refusal import InvalidState, Refusal
from graph.store import RecordPage
from lifecycle.settings import LifecycleSettings
from lifecyclekit.edge import Edge

SITES = 4
SETTINGS = dataclasses.replace(LifecycleSettings(), backoff_cap_s=5.0, call_timeout_s=10.0)
"""A call that hangs is given up, and a site that refused is tried again, within the time in which all is to be well."""
QUIET: dict[str, Any] = {
    "observeEveryMs": 1_000,
    "latencyMs": 20,
    "latencyJitterMs": 60,
    "readyAfterMs": 100,
    "readyJitterMs": 400,
}
TROUBLES: dict[str, dict[str, Any]] = {
    "none": {},
    "lost replies": {"lostReplyRate": 0.3},
    "refusals": {"failureRate": 0.3, "lostReplyRate": 0.1},
    "outages": {"outageRate": 0.3, "outageCalls": 5},
    "a poison site": {"failingSites": ["s1"]},
    "a site away": {"awaySites": ["s2"]},
    "a site that hangs": {"hangingSites": ["s0"]},
    "slow": {"latencyMs": 900, "readyAfterMs": 2_500},
}
ENDS = frozenset(OperationStatus) - {OperationStatus.RUNNING, OperationStatus.CANCELLING}
sites = st.integers(0, SITES - 1)
some_sites = st.sets(sites, min_size=1, max_size=SITES)
number = st.integers(0, 100)


def _somebody(machine: Lives) -> bool:
    """Whether there is a deployment to ask something of."""
    return any(not one.ending for one in machine.shops)


class Died(Exception):
    """The process died in the middle of it."""


class Lives(RuleBasedStateMachine):
    """An installation, its users, its faults, and the oracle."""

    steps: ClassVar[int] = 0
    """Of all machines, for the record."""
    deaths: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self._stack = contextlib.ExitStack()
        self._stack.enter_context(structlog.testing.capture_logs())
        self._stack.enter_context(logical(0))
        self.folder = Path(tempfile.mkdtemp(dir=memory_folder()))
        self._stack.callback(shutil.rmtree, self.folder)
        self._runner = self._stack.enter_context(asyncio.Runner(loop_factory=LogicalLoop))
        self.installation = Installation(self.folder, settings=SETTINGS)
        self.notes = Notes({})
        self.shops: list[Shop] = []
        self.calm = True
        """Whether nothing has been wrong with the sites since all was well."""
        self.keys = 0

    # Lives

    @initialize()
    def begin(self) -> None:
        self._runner.run(self._live())

        async def make(edge: Edge) -> None:
            await edge.network(sites=SITES, nodes=2, **QUIET)
            await edge.version("1", reference="shop:1", web={**SMALL, **AFTER_DB}, db=SMALL)
            await edge.version("2", reference="shop:2", web={**SMALL, **AFTER_DB}, db=SMALL)

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
        Lives.deaths += 1
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
        try:
            told: Told = self.do(lambda: call(User(self.edge, self.notes), key))
        except Refusal as refusal:
            return refusal
        if shop is not None:
            shop.operations.append(told.operation)
        return told

    def changed(self, shop: Shop, intent: Intent, call: Callable[[User, str], Awaitable[Told]]) -> None:
        """A change of what is wanted: granted, or refused with nothing done."""
        told = self.ask(shop, call)
        if isinstance(told, Told):
            shop.change(intent)
        elif not shop.ending:
            assert not self.calm or isinstance(told, InvalidState), told

    def shop(self, which: int, *, alive: bool = True) -> Shop | None:
        found = [one for one in self.shops if not (alive and one.ending)]
        return found[which % len(found)] if found else None

    def site(self, which: int) -> str:
        return self.edge.site_ids[which]

    def version(self, name: str) -> str:
        view = self.edge.view
        [found] = [one for one in view.ids("AppVersion") if view.get(one).name == name]
        return found

    # Verbs

    @precondition(lambda self: sum(not one.ending for one in self.shops) < 3)
    @rule(where=some_sites, gated=st.booleans())
    def deploy(self, where: set[int], gated: bool) -> None:
        name, at = f"d{len(self.shops)}", [self.site(one) for one in sorted(where)]
        gated = gated and len(self.shops) % 2 == 1
        told = self.ask(
            None,
            lambda user, key: user.deploy(
                key, name=name, sites=at, app_version_id=self.version("1"), requires_approval=gated
            ),
        )
        if isinstance(told, Refusal):
            assert not self.calm, told
            return
        shop = Shop(name, told.deployment, gated, operations=[told.operation])
        shop.change(Intent("1", frozenset(at)))
        self.shops.append(shop)

    @precondition(_somebody)
    @rule(which=number, version=st.sampled_from(["1", "2"]))
    def update_version(self, which: int, version: str) -> None:
        if (shop := self.shop(which)) is not None:
            intent = dataclasses.replace(shop.wished, version=version)
            chosen = self.version(version)
            self.changed(shop, intent, lambda user, key: user.update(key, shop.id, app_version_id=chosen))

    @precondition(_somebody)
    @rule(which=number, where=some_sites)
    def update_sites(self, which: int, where: set[int]) -> None:
        if (shop := self.shop(which)) is not None:
            at = [self.site(one) for one in sorted(where)]
            policy = PlacementPolicy(everywhere=True, sites=SiteSelector(site_ids=at))
            intent = shop.wished.with_sites(frozenset(at))
            self.changed(shop, intent, lambda user, key: user.update(key, shop.id, policy=policy))

    @precondition(_somebody)
    @rule(which=number, replicas=st.integers(1, 3))
    def scale(self, which: int, replicas: int) -> None:
        if (shop := self.shop(which)) is not None:
            intent = dataclasses.replace(shop.wished, replicas=replicas)
            self.changed(shop, intent, lambda user, key: user.scale(key, shop.id, web=replicas))

    @precondition(_somebody)
    @rule(which=number, where=sites)
    def add_site(self, which: int, where: int) -> None:
        if (shop := self.shop(which)) is not None:
            at = self.site(where)
            intent = shop.wished.with_sites(shop.wished.sites | {at})
            self.changed(shop, intent, lambda user, key: user.add_sites(key, shop.id, at))

    @precondition(_somebody)
    @rule(which=number, where=sites)
    def remove_site(self, which: int, where: int) -> None:
        if (shop := self.shop(which)) is not None:
            at = self.site(where)
            self.changed(shop, shop.wished.without(at), lambda user, key: user.remove_sites(key, shop.id, at))

    @precondition(_somebody)
    @rule(which=number, where=sites, replicas=st.one_of(st.none(), st.integers(1, 3)))
    def adjust_site(self, which: int, where: int, replicas: int | None) -> None:
        if (shop := self.shop(which)) is not None:
            at = self.site(where)
            given = {} if replicas is None else {"web": replicas}
            intent = shop.wished.adjusted_at(at, replicas)
            self.changed(shop, intent, lambda user, key: user.adjust_site(key, shop.id, at, **given))

    @precondition(_somebody)
    @rule(which=number, where=some_sites, version=st.sampled_from([None, "1", "2"]))
    def migrate(self, which: int, where: set[int], version: str | None) -> None:
        if (shop := self.shop(which)) is not None:
            at = [self.site(one) for one in sorted(where)]
            intent = shop.wished.with_sites(frozenset(at))
            target: dict[str, Any] = {"site_ids": at}
            if version is not None:
                intent = dataclasses.replace(intent, version=version)
                target["app_version_id"] = self.version(version)
            self.changed(shop, intent, lambda user, key: user.migrate(key, shop.id, **target))

    @precondition(_somebody)
    @rule(which=number, to=number)
    def roll_back(self, which: int, to: int) -> None:
        if (shop := self.shop(which)) is not None:
            revision = 1 + to % shop.newest
            intent = shop.revisions[revision]
            self.changed(shop, intent, lambda user, key: user.rollback(key, shop.id, revision))

    @precondition(_somebody)
    @rule(which=number)
    def pause(self, which: int) -> None:
        if (shop := self.shop(which)) is not None and isinstance(
            self.ask(None, lambda user, key: user.pause(key, shop.id)), Told
        ):
            shop.paused = True

    @precondition(_somebody)
    @rule(which=number)
    def stop(self, which: int) -> None:
        if (shop := self.shop(which)) is not None and isinstance(
            self.ask(shop, lambda user, key: user.stop(key, shop.id)), Told
        ):
            shop.stopped, shop.paused = True, False

    @precondition(_somebody)
    @rule(which=number)
    def resume(self, which: int) -> None:
        if (shop := self.shop(which)) is not None and isinstance(
            self.ask(shop, lambda user, key: user.resume(key, shop.id)), Told
        ):
            shop.stopped = shop.paused = False

    @precondition(lambda self: any(one.pending is not None and not one.ending for one in self.shops))
    @rule(which=number, right=st.integers(0, 3))
    def approve(self, which: int, right: int) -> None:
        waiting = [one for one in self.shops if one.pending is not None and not one.ending]
        shop = waiting[which % len(waiting)]
        assert shop.pending is not None
        asked = shop.pending if right else shop.pending - 1
        if isinstance(self.ask(shop, lambda user, key: user.approve(key, shop.id, asked)), Told):
            assert asked == shop.pending, "what was not seen was approved"
            shop.approve()

    @precondition(_somebody)
    @rule(which=number, delete=st.booleans(), really=st.integers(0, 2))
    def terminate(self, which: int, delete: bool, really: int) -> None:
        if (shop := self.shop(which)) is not None and not really:
            told = self.ask(shop, lambda user, key: user.terminate(key, shop.id, delete=delete))
            assert isinstance(told, Told), told
            shop.terminate(delete=delete)

    @precondition(_somebody)
    @rule(which=number, last=st.integers(1, 2))
    def cancel(self, which: int, last: int) -> None:
        shop = self.shop(which)
        if shop is None or len(shop.operations) < last:
            return
        operation = shop.operations[-last]
        good = self._good(shop)
        told = self.ask(shop, lambda user, key: user.cancel(key, operation))
        if isinstance(told, Told):
            self._cancelled(shop, operation, {good, self._good(shop)})

    def _good(self, shop: Shop) -> int | None:
        deployment = self.edge.deployment(shop.id)
        return deployment.good.revision_number if deployment is not None and deployment.good is not None else None

    def _cancelled(self, shop: Shop, operation: str, good: set[int | None]) -> None:
        """What a cancellation has led to: the oracle knows where it may go back to, not when it was last observed."""
        deployment = self.edge.deployment(shop.id)
        if deployment is None or deployment.phase in (DeploymentPhase.TERMINATING, DeploymentPhase.TERMINATED):
            assert shop.current is None or None in good, "it was good and is gone"
            shop.terminate(delete=False)
            return
        if shop.pending is not None and deployment.proposal is None:
            shop.withdraw()
            return
        if deployment.revision_number in shop.revisions:
            return  # it was being cancelled already
        assert deployment.revision_number == shop.newest + 1
        back = next(one for one in good if one is not None)
        shop.revisions[deployment.revision_number] = shop.revisions[back]
        shop.current = deployment.revision_number

    @precondition(_somebody)
    @rule(which=number)
    def retry(self, which: int) -> None:
        if (shop := self.shop(which, alive=False)) is not None and shop.operations:
            self.ask(shop, lambda user, key: user.retry(key, shop.operations[-1]))

    # What goes wrong

    @rule(seconds=st.sampled_from([0.02, 0.1, 0.5, 2.0, 10.0, 70.0]))
    def time_passes(self, seconds: float) -> None:
        self.do(lambda: asyncio.sleep(seconds))

    @rule(points=st.integers(1, 25))
    def dies_soon(self, points: int) -> None:
        self.points.die_at = len(self.points.passed) + points

    @rule(trouble=st.sampled_from(sorted(TROUBLES)))
    def goes_wrong(self, trouble: str) -> None:
        self.calm = False
        self.do(lambda: self.edge.configure(**QUIET | TROUBLES[trouble]))

    @precondition(_somebody)
    @rule(which=number)
    def vanishes(self, which: int) -> None:
        """Somebody deletes an object by hand."""
        world = self.edge.driver.world(self.edge.cluster_ids[0])
        if world is not None and world.objects:
            name = sorted(world.objects)[which % len(world.objects)]
            self._runner.run(self._vanish(name))

    async def _vanish(self, name: str) -> None:
        await self.edge.world().vanish(name, now=self.installation.clusters_clock.now_ms())

    @rule(hours=st.sampled_from([-1, 0, 1]))
    def clock_jumps(self, hours: int) -> None:
        self.installation.clock.ahead_ms = hours * 3_600_000

    # What must hold

    @invariant()
    def nothing_is_done_twice_or_over_something_newer(self) -> None:
        Lives.steps += 1
        if getattr(self, "edge", None) is not None and self.edge.driver.world(self.edge.cluster_ids[0]) is not None:
            check_effects(self.edge)

    @rule()
    def comes_to_rest(self) -> None:
        """Everything is put right; what there is within the time is what the oracle says."""
        self.points.die_at = None
        self.do(lambda: self.edge.configure(**QUIET))
        self._runner.run(self.edge.connected())
        self._runner.run(asyncio.sleep(0.5))
        for _ in range(3):
            self._try_again()
            self._runner.run(self._rest())
            if not any(one.phase in GIVEN_UP for shop in self.shops for one in self.edge.releases(shop.id)):
                break
        for shop in self.shops:
            self._runner.run(self._check(shop))
        names = {one.backend_name for shop in self.shops for one in self.edge.releases(shop.id)}
        assert set(self.edge.world().objects) <= names, "orphans"
        self.calm = True

    def _try_again(self) -> None:
        for shop in self.shops:
            given_up = {one.operation_id for one in self.edge.releases(shop.id) if one.phase in GIVEN_UP}
            for operation in sorted(one for one in given_up if one is not None):
                if not shop.paused:
                    self.ask(shop, lambda user, key, operation=operation: user.retry(key, operation))

    async def _rest(self) -> None:
        edge = self.edge
        edge.deadline_s = CONVERGED_WITHIN_S
        await edge.until(lambda: all(self._rests(shop) for shop in self.shops), what="rest")

    def _rests(self, shop: Shop) -> bool:
        deployment = self.edge.deployment(shop.id)
        releases = self.edge.releases(shop.id)
        if shop.ending:
            return deployment is None or deployment.phase is DeploymentPhase.TERMINATED
        assert deployment is not None, f"{shop.name} is lost"
        if any(one.phase in GIVEN_UP for one in releases):
            return True
        if shop.paused:
            return deployment.phase in (DeploymentPhase.PAUSED, DeploymentPhase.PENDING_APPROVAL)
        if shop.pending is not None:
            return deployment.phase is DeploymentPhase.PENDING_APPROVAL and deployment.operation_id is None
        wanted = DeploymentPhase.STOPPED if shop.stopped else DeploymentPhase.READY
        return deployment.phase is wanted and deployment.operation_id is None

    async def _check(self, shop: Shop) -> None:
        edge, deployment = self.edge, self.edge.deployment(shop.id)
        for operation in shop.operations:
            running = edge.view.get(operation)
            over = await filed(edge, operation)
            assert over is not None or isinstance(running, Operation), f"{operation} was acknowledged and is lost"
            assert over is None or over.status in ENDS
        if shop.ending:
            assert not edge.releases(shop.id)
            assert deployment is None or not shop.deleted
            return
        assert deployment is not None
        proposed = deployment.proposal.number if deployment.proposal is not None else None
        assert proposed == shop.pending, f"{proposed} waits for approval, not {shop.pending}"
        page = RecordPage(collection="DeploymentRevision", subject_id=shop.id, limit=1_000)
        records = [
            msgspec.json.decode(one.body, type=DeploymentRevision) for one in await edge.ledger.store.records(page)
        ]
        assert sorted(one.number for one in records) == sorted(shop.revisions), "its past differs"
        for one in records:
            known = shop.revisions[one.number]
            assert edge.view.get(one.app_version_id).name == known.version, (one, known)
            assert one.replicas.get("web", 1) == known.replicas, (one, known)
        if shop.paused:
            return
        self._check_backend(shop)

    def _check_backend(self, shop: Shop) -> None:
        wanted = shop.wanted
        runs = wanted.runs() if wanted is not None else {}
        world = self.edge.world()
        for name, replicas in (("web", None), ("db", 1)):
            releases = {
                one.site_id: one
                for one in self.edge.releases(shop.id)
                if self.edge.view.get(one.component_id).name == name
            }
            assert set(releases) == set(runs), f"{shop.name}: {name} is at {sorted(releases)}, not at {sorted(runs)}"
            for site, one in releases.items():
                found = world.objects[one.backend_name]
                count = 0 if shop.stopped else runs[site] if replicas is None else replicas
                assert (found.replicas, found.generation) == (count, one.generation), (shop.name, name, found, count)
                assert wanted is not None
                assert found.reference == f"shop:{wanted.version}", (shop.name, name, found.reference)

    def teardown(self) -> None:
        try:
            if getattr(self, "edge", None) is not None:
                self.comes_to_rest()
        finally:
            self._stack.close()


AFTER_DB = {"dependencies": [Dependency(component="db")]}

__all__ = ["Lives"]
