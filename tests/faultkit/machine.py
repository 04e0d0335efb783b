"""All verbs and all faults in any order, against an oracle: a Hypothesis state machine over whole lives of a server.

Each step asks for something, lets time pass, or makes something go wrong; a process may die at any point of any step, and
the next one goes on. Now and then everything is put right, and what there is must be what the oracle says.
"""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from drivers.simulated.hand import Changed, change
from faultkit.machine_lives import FOLLOWED, QUIET, SITES, Lived
from faultkit.machine_rest import Checked
from faultkit.oracle import Intent, Shop
from faultkit.user import Told
from graph.edit import Edit
from graph.kinds import DeploymentPhase, FailoverMode, FailoverPolicy, ScalingMetric, ScalingPolicy
from graph.kinds.policy import PlacementPolicy, SiteSelector
from graph.refusal import Refusal

CONTROL_PLANE = "a control plane that hangs"
"""Whatever is asked, nothing is answered; nobody tells the server so, as a change of its configuration would."""
TROUBLES: dict[str, dict[str, Any]] = {
    "none": {},
    "lost replies": {"lostReplyRate": 0.3},
    "refusals": {"failureRate": 0.3, "lostReplyRate": 0.1},
    "outages": {"outageRate": 0.3, "outageCalls": 5},
    "a poison site": {"failingSites": ["s1"]},
    "a site away": {"awaySites": ["s2"]},
    "two sites away": {"awaySites": ["s0", "s3"]},
    "a site that hangs": {"hangingSites": ["s0"]},
    CONTROL_PLANE: {},
    "slow": {"latencyMs": 900, "readyAfterMs": 2_500},
}
ANYWHERE = PlacementPolicy(min_sites=1, max_sites=1)
FAILS_OVER = FailoverPolicy(mode=FailoverMode.APPLY, toleration_seconds=0)
NEVER_TWICE = FailoverPolicy(mode=FailoverMode.APPLY, toleration_seconds=0, single=True)
sites = st.integers(0, SITES - 1)
some_sites = st.sets(sites, min_size=1, max_size=SITES)
number = st.integers(0, 100)


def _somebody(machine: Lived) -> bool:
    """Whether there is a deployment to ask something of."""
    return any(not one.ending for one in machine.shops)


def _fixed(machine: Lived) -> bool:
    """Whether there is one to ask something of that names its sites."""
    return any(not one.ending and not one.wished.anywhere for one in machine.shops)


class Lives(Checked):
    """Every verb and every fault."""

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
        shop.may_lack = self.lacking() | self.lacked
        shop.change(Intent("1", frozenset(at)))
        self.shops.append(shop)

    @precondition(lambda self: sum(not one.ending for one in self.shops) < 3)
    @rule(single=st.booleans())
    def deploy_anywhere(self, single: bool) -> None:
        """At one site, which may be lost."""
        name, failover = f"d{len(self.shops)}", NEVER_TWICE if single else FAILS_OVER
        told = self.ask(
            None,
            lambda user, key: user.deploy(
                key, name=name, policy=ANYWHERE, failover=failover, app_version_id=self.version("1")
            ),
        )
        if isinstance(told, Refusal):
            assert not self.calm, told
            return
        shop = Shop(name, told.deployment, gated=False, operations=[told.operation], moves=True, single=single)
        shop.change(Intent("1", frozenset(), anywhere=True))
        self.shops.append(shop)

    @precondition(_somebody)
    @rule(which=number, large=st.booleans())
    def change_profile(self, which: int, large: bool) -> None:
        if (shop := self.shop(which)) is not None:
            intent = dataclasses.replace(shop.wished, profile="large" if large else None)
            chosen = self.profile(shop.wished.version) if large else None
            self.changed(shop, intent, lambda user, key: user.update(key, shop.id, profile_id=chosen))

    @precondition(lambda self: any(not one.ending and not one.gated and not one.scaled for one in self.shops))
    @rule(which=number)
    def follow_the_load(self, which: int) -> None:
        found = [one for one in self.shops if not one.ending and not one.gated and not one.scaled]
        shop = found[which % len(found)]
        self.do(lambda: self._follow_the_load(shop))
        shop.scaled = True

    async def _follow_the_load(self, shop: Shop) -> None:
        def make(edit: Edit) -> None:
            if edit.find("ScalingPolicy", "web", shop.id) is None:
                edit.create(
                    ScalingPolicy,
                    tenant_id=self.edge.tenant_id,
                    deployment_id=shop.id,
                    name="web",
                    component="web",
                    metric=ScalingMetric.REQUESTS_PER_SECOND,
                    target=100.0,
                    max_replicas=max(FOLLOWED),
                )

        await self.edge.change(make)

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
            at = self.places(shop, where)
            policy = PlacementPolicy(everywhere=True, sites=SiteSelector(site_ids=at))
            intent = shop.wished.with_sites(frozenset(at))
            self.changed(shop, intent, lambda user, key: user.update(key, shop.id, policy=policy))

    @precondition(_somebody)
    @rule(which=number, replicas=st.integers(1, 3))
    def scale(self, which: int, replicas: int) -> None:
        if (shop := self.shop(which)) is not None and not shop.scaled:
            intent = dataclasses.replace(shop.wished, replicas=replicas)
            self.changed(shop, intent, lambda user, key: user.scale(key, shop.id, web=replicas))

    @precondition(_fixed)
    @rule(which=number, where=sites)
    def add_site(self, which: int, where: int) -> None:
        if (shop := self.shop(which)) is not None and not (shop.wished.anywhere or shop.single):
            at = self.site(where)
            intent = shop.wished.with_sites(shop.wished.sites | {at})
            self.changed(shop, intent, lambda user, key: user.add_sites(key, shop.id, at))

    @precondition(_fixed)
    @rule(which=number, where=sites)
    def remove_site(self, which: int, where: int) -> None:
        if (shop := self.shop(which)) is not None and not shop.wished.anywhere:
            at = self.site(where)
            self.changed(shop, shop.wished.without(at), lambda user, key: user.remove_sites(key, shop.id, at))

    @precondition(_fixed)
    @rule(which=number, where=sites, replicas=st.one_of(st.none(), st.integers(1, 3)))
    def adjust_site(self, which: int, where: int, replicas: int | None) -> None:
        if (shop := self.shop(which)) is not None and not (shop.wished.anywhere or shop.scaled):
            at = self.site(where)
            given = {} if replicas is None else {"web": replicas}
            intent = shop.wished.adjusted_at(at, replicas)
            self.changed(shop, intent, lambda user, key: user.adjust_site(key, shop.id, at, **given))

    @precondition(_somebody)
    @rule(which=number, where=some_sites, version=st.sampled_from([None, "1", "2"]))
    def migrate(self, which: int, where: set[int], version: str | None) -> None:
        if (shop := self.shop(which)) is not None:
            at = self.places(shop, where)
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
            if deployment.revision_number in shop.revisions:
                return  # nothing but what waited was taken back
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
        if trouble == CONTROL_PLANE:
            self.away = frozenset(self.edge.site_ids)
            self.installation.hanging.begin()
            Lived.hangs += 1
            return
        self.installation.hanging.end()
        kinds = ("awaySites", "hangingSites", "failingSites")
        names = [name for kind in kinds for name in TROUBLES[trouble].get(kind, [])]
        self.away |= {self.edge.site_ids[int(one.removeprefix("s"))] for one in names}
        self.do(lambda: self.edge.configure(**QUIET | TROUBLES[trouble]))

    @precondition(lambda self: bool(self.down()))
    @rule(which=number, powered_off=st.booleans())
    def is_declared_lost(self, which: int, powered_off: bool) -> None:
        """Somebody says that nothing runs any more at a site that is away, which may be wrong."""
        down = self.down()
        site = down[which % len(down)]
        world = self.edge.driver.world(self.edge.cluster_ids[0])
        if powered_off and world is not None:
            for name in [one.name for one in world.objects.values() if one.site_id == site]:
                self._runner.run(self._spoil(name, replicas=None))
        if isinstance(self.ask(None, lambda user, key: user.fence(key, site)), Told):
            self.copies.declare_lost(self.sent_to(site))
            Lived.words += 1

    @precondition(_somebody)
    @rule(which=number)
    def vanishes(self, which: int) -> None:
        """Somebody deletes an object by hand, or gives it other replicas."""
        world = self.edge.driver.world(self.edge.cluster_ids[0])
        if world is not None and world.objects:
            name = sorted(world.objects)[which % len(world.objects)]
            self._runner.run(self._spoil(name, replicas=None if which % 2 else which % 5))

    async def _spoil(self, name: str, *, replicas: int | None) -> None:
        now = self.installation.clusters_clock.now_ms()
        if replicas is None:
            await self.edge.world().vanish(name, now=now)
        else:
            await change(self.edge.world(), name, Changed(replicas=replicas), now=now)

    @rule(hours=st.sampled_from([-1, 0, 1]))
    def clock_jumps(self, hours: int) -> None:
        self.installation.clock.ahead_ms = hours * 3_600_000
