"""What a user does while a process dies: each scenario can be begun again from its top by whoever was not answered.

The part that is of interest begins with `begun()`; what comes before only leads there. Each says what there must be at
the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from driverkit.copies import Copies
from driverkit.order import Order
from faultkit.checks import filed
from faultkit.convergence import CONVERGED_WITHIN_S
from faultkit.user import User
from graph.edit import Edit
from graph.kinds import (
    DeploymentPhase,
    FailoverMode,
    FailoverPolicy,
    ReleasePhase,
    ScalingBehaviour,
    ScalingStep,
    ScalingStepUnit,
)
from graph.kinds.policy import PlacementPolicy
from graph.values import Resources
from lifecyclekit.edge import Edge
from lifecyclekit.scaling import by_requests

Begun = Callable[[], None]
BEHAVIOUR: dict[str, Any] = {"observeEveryMs": 1_000, "latencyMs": 20, "latencyJitterMs": 40, "readyAfterMs": 100}
SMALL = {"resources": Resources(cpu_millicores=20, memory_bytes=1 << 20)}


class Scenario(NamedTuple):
    """What is done, and what there is to be when all of it is done."""

    act: Callable[[User, Begun], Awaitable[None]]
    version: str | None
    """The version that runs at the end; None: nothing does."""
    sites: int
    """At so many sites."""
    replicas: tuple[int, ...] = ()
    """Of the first component, at its sites, in ascending order; empty: one at each."""
    partial: frozenset[str] = frozenset()
    """The keys of changes that end PARTIAL."""
    single: bool = False
    """Whether two copies were never there at once, by what the backend itself has written down."""
    chained: bool = False
    """Whether there is a second component that depends on the first, and left each place before that one did."""


async def make_world(edge: Edge, *, components: int = 1, chained: bool = False) -> None:
    """Three sites under one cluster, and two versions of an app of so many components.

    chained: the second depends on the first, whatever their number.
    """
    needs: dict[str, dict[str, Any]] = {f"c{number}": SMALL for number in range(components)}
    if chained:
        needs["c1"] = {**SMALL, "depends_on": ["c0"]}
    await edge.network(sites=3, nodes=1, **BEHAVIOUR)
    for version in ("1", "2"):
        await edge.version(version, reference=f"shop:{version}", **needs)


def version_id(edge: Edge, name: str) -> str:
    """A version's id."""
    [found] = [one for one in edge.view.ids("AppVersion") if edge.view.get(one).name == name]
    return found


async def over(user: User, operation_id: str) -> None:
    """Waits until an operation has ended and is on record."""
    edge = user.edge
    await edge.until(lambda: edge.view.get(operation_id) is None, what=f"the end of {operation_id}")
    left = 100
    while await filed(edge, operation_id) is None:
        left -= 1
        assert left, f"the record of {operation_id} is lost"
        await asyncio.sleep(0.01)


async def _running(user: User) -> str:
    shop = await user.deploy("shop", sites=user.edge.site_ids[:2])
    await over(user, shop.operation)
    return shop.deployment


async def deploy(user: User, begun: Begun) -> None:
    begun()
    await over(user, (await user.deploy("shop", sites=user.edge.site_ids[:2])).operation)


async def update(user: User, begun: Begun) -> None:
    shop = await _running(user)
    begun()
    await over(user, (await user.update("update", shop, app_version_id=version_id(user.edge, "2"))).operation)


async def cancel(user: User, begun: Begun) -> None:
    """Cancelled in the middle: some of the new version is there already."""
    shop = await _running(user)
    begun()
    updating = await user.update("update", shop, app_version_id=version_id(user.edge, "2"))
    if "cancel" not in user.notes.told:
        edge = user.edge
        await edge.until(
            lambda: (
                edge.view.get(updating.operation) is None
                or any(one.applied_generation >= one.generation for one in edge.releases(shop))
            ),
            what="some of the update",
        )
    await over(user, (await user.cancel("cancel", updating.operation)).operation)


async def abandon(user: User, begun: Begun) -> None:
    """Cancelled while the first calls are under way: nothing of it is known to be there."""
    begun()
    shop = await user.deploy("shop", sites=user.edge.site_ids[:2])
    if "cancel" not in user.notes.told:
        world = await user.edge.connected()
        await user.edge.until(lambda: len(world.calls) == 2, what="calls under way")
    await over(user, (await user.cancel("cancel", shop.operation)).operation)


async def rollback(user: User, begun: Begun) -> None:
    shop = await _running(user)
    await over(user, (await user.update("update", shop, app_version_id=version_id(user.edge, "2"))).operation)
    begun()
    await over(user, (await user.rollback("rollback", shop, 1)).operation)


async def migrate(user: User, begun: Begun) -> None:
    shop = await _running(user)
    begun()
    told = await user.migrate(
        "migrate", shop, app_version_id=version_id(user.edge, "2"), site_ids=user.edge.site_ids[1:]
    )
    await over(user, told.operation)


async def failover(user: User, begun: Begun) -> None:
    """Its site is cut off until it runs elsewhere, and comes back."""
    edge = user.edge
    policy = FailoverPolicy(mode=FailoverMode.APPLY, toleration_seconds=0)
    one = PlacementPolicy(min_sites=1, max_sites=1)
    shop = await user.deploy("shop", policy=one, failover=policy)
    await over(user, shop.operation)
    if "home" not in user.notes.seen:
        [user.notes.seen["home"]] = {each.site_id for each in edge.releases(shop.deployment)}
    home = user.notes.seen["home"]
    begun()
    if "moved" not in user.notes.seen:
        await edge.configure(awaySites=[edge.view.get(home).name], **BEHAVIOUR)
        await edge.until(lambda: _ready_at(edge, shop.deployment) - {home}, what="a copy elsewhere")
        user.notes.seen["moved"] = "yes"
    await _returned(user, shop.deployment, home)


def _ready_at(edge: Edge, deployment: str) -> set[str]:
    releases = edge.releases(deployment)
    return {each.site_id for each in releases if each.wanted and each.phase is ReleasePhase.READY}


async def _returned(user: User, deployment: str, home: str) -> None:
    """The site that was lost answers again; what moved stays where it is by now, and nothing else is left."""
    edge = user.edge
    await edge.configure(**BEHAVIOUR)

    def only_elsewhere() -> bool:
        at = {each.site_id for each in edge.releases(deployment)}
        return len(at) == 1 and at == _ready_at(edge, deployment) and home not in at

    await edge.until(only_elsewhere, what="that the old copy is gone")
    await edge.phase(deployment, DeploymentPhase.READY)


AWAITED_S = 10.0
"""In which a copy that waits for nobody's word has long been elsewhere."""
ONE_COPY = FailoverPolicy(mode=FailoverMode.APPLY, toleration_seconds=0, single=True)


async def single_failover(user: User, begun: Begun) -> None:
    """The site of what must never run twice is cut off; somebody powers it off after a while, and only then says so."""
    edge, seen = user.edge, user.notes.seen
    shop = await user.deploy("shop", policy=PlacementPolicy(min_sites=1, max_sites=1), failover=ONE_COPY)
    await over(user, shop.operation)
    if "home" not in seen:
        [seen["home"]] = {each.site_id for each in edge.releases(shop.deployment)}
    home = seen["home"]
    begun()
    if "moved" not in seen:
        await edge.configure(awaySites=[edge.view.get(home).name], **BEHAVIOUR)
        world = await edge.connected()
        if "powered off" not in seen:
            await asyncio.sleep(AWAITED_S)
            for name in [one.name for one in world.objects.values() if one.site_id == home]:
                await world.vanish(name)
            seen["powered off"] = "yes"
        await user.fence("fence", home)
        await edge.until(lambda: _ready_at(edge, shop.deployment) - {home}, what="a copy elsewhere")
        seen["moved"] = "yes"
    await _returned(user, shop.deployment, home)


async def approve(user: User, begun: Begun) -> None:
    """A change waits, and is begun by who has seen it."""
    shop = await user.deploy("shop", sites=user.edge.site_ids[:2], requires_approval=True)
    await over(user, (await user.approve("approve 1", shop.deployment, 1)).operation)
    begun()
    await user.update("update", shop.deployment, app_version_id=version_id(user.edge, "2"))
    await over(user, (await user.approve("approve 2", shop.deployment, 2)).operation)


async def pause(user: User, begun: Begun) -> None:
    """Held in the middle of an update for a minute, and then seen through."""
    shop = await _running(user)
    begun()
    updating = await user.update("update", shop, app_version_id=version_id(user.edge, "2"))
    await user.pause("pause", shop)
    if "resume" not in user.notes.told:
        await asyncio.sleep(60.0)
    resumed = await user.resume("resume", shop)
    await over(user, updating.operation)
    await over(user, resumed.operation)


async def stop(user: User, begun: Begun) -> None:
    """No replica runs, and then all do, where they did."""
    edge = user.edge
    shop = await _running(user)
    begun()
    await over(user, (await user.stop("stop", shop)).operation)
    if "resume" not in user.notes.told:
        assert {one.replicas for one in (await edge.connected()).objects.values()} == {0}
    await over(user, (await user.resume("resume", shop)).operation)


async def add_site(user: User, begun: Begun) -> None:
    shop = await _running(user)
    begun()
    await over(user, (await user.add_sites("add", shop, user.edge.site_ids[2])).operation)


async def remove_site(user: User, begun: Begun) -> None:
    shop = await _running(user)
    begun()
    await over(user, (await user.remove_sites("remove", shop, user.edge.site_ids[0])).operation)


async def adjust_site(user: User, begun: Begun) -> None:
    shop = await _running(user)
    begun()
    await over(user, (await user.adjust_site("adjust", shop, user.edge.site_ids[0], c0=3)).operation)


async def retry(user: User, begun: Begun) -> None:
    """One of two sites refuses until it is given up; it is mended, and tried again."""
    edge = user.edge
    if "given up" not in user.notes.seen:
        await edge.configure(failingSites=["s1"], **BEHAVIOUR)
    edge.deadline_s = 3_600.0
    shop = await user.deploy("shop", sites=edge.site_ids[:2])
    await over(user, shop.operation)
    edge.deadline_s = CONVERGED_WITHIN_S
    user.notes.seen["given up"] = "yes"
    begun()
    await edge.configure(**BEHAVIOUR)
    await over(user, (await user.retry("retry", shop.operation)).operation)


async def drain(user: User, begun: Begun) -> None:
    """It runs elsewhere before it leaves the site."""
    await _drained(user, begun)


async def single_drain(user: User, begun: Begun) -> None:
    """It leaves the site before it runs elsewhere."""
    await _drained(user, begun, failover=ONE_COPY)


async def _drained(user: User, begun: Begun, **wish: Any) -> None:
    edge = user.edge
    shop = await user.deploy("shop", policy=PlacementPolicy(min_sites=1, max_sites=1), **wish)
    await over(user, shop.operation)
    if "home" not in user.notes.seen:
        [user.notes.seen["home"]] = {each.site_id for each in edge.releases(shop.deployment)}
    home = user.notes.seen["home"]
    begun()
    await over(user, (await user.drain("drain", home)).operation)
    assert home not in {each.site_id for each in edge.releases(shop.deployment)}


LOADED = {**BEHAVIOUR, "loads": [{"component": "c0", "requestsPerSecond": [[0, 300]]}]}
STEP_S = 60
"""In which one replica may be added."""
UNSEEN_S = 5
"""For so long at most nobody looks, while one process has died and the next has not begun."""
SCALED_WITHIN_S = 600.0


async def autoscale(user: User, begun: Begun) -> None:
    """The load of three replicas comes to one, and its policy adds one a minute at each site."""
    edge = user.edge
    shop = await _running(user)

    def follow(edit: Edit) -> None:
        if edit.find("ScalingPolicy", "c0", shop) is None:
            by_requests(
                edit,
                edge.tenant_id,
                shop,
                component="c0",
                max_replicas=9,
                scale_up=ScalingBehaviour(
                    steps=[ScalingStep(unit=ScalingStepUnit.PODS, value=1, period_s=STEP_S)],
                ),
            )

    await edge.change(follow)
    await edge.configure(**LOADED)
    begun()
    seen = user.notes.seen

    def has_three() -> bool:
        """Notes when each site is first seen to have another number, by a clock that is always right."""
        followed = [one for one in edge.releases(shop) if edge.view.get(one.component_id).name == "c0"]
        for one in followed:
            seen.setdefault(f"{one.site_id} has {one.replicas}", str(asyncio.get_running_loop().time()))
        return [one.replicas for one in followed] == [3, 3]

    async with asyncio.timeout(SCALED_WITHIN_S):
        while not has_three():
            await asyncio.sleep(0.5)
    await edge.phase(shop, DeploymentPhase.READY)
    told = [one.message.split(" replicas")[0] for one in await edge.events(shop) if one.reason == "Scaled"]
    assert sorted(told) == [f"c0 at site s{site}: {step}" for site in (0, 1) for step in ("1 -> 2", "2 -> 3")]
    for site in edge.site_ids[:2]:
        passed = float(seen[f"{site} has 3"]) - float(seen[f"{site} has 2"])
        assert passed >= STEP_S - UNSEEN_S, f"a step was taken twice in its period: after {passed:g} s"


async def terminate(user: User, begun: Begun) -> None:
    shop = await _running(user)
    begun()
    await over(user, (await user.terminate("terminate", shop, delete=True)).operation)


SCENARIOS = {
    "deploy": Scenario(deploy, "1", 2),
    "update": Scenario(update, "2", 2),
    "cancel": Scenario(cancel, "1", 2),
    "abandon": Scenario(abandon, None, 0),
    "rollback": Scenario(rollback, "1", 2),
    "migrate": Scenario(migrate, "2", 2),
    "failover": Scenario(failover, "1", 1),
    "terminate": Scenario(terminate, None, 0),
    "autoscale": Scenario(autoscale, "1", 2, replicas=(3, 3)),
    "approve": Scenario(approve, "2", 2),
    "pause": Scenario(pause, "2", 2),
    "stop": Scenario(stop, "1", 2),
    "add a site": Scenario(add_site, "1", 3),
    "remove a site": Scenario(remove_site, "1", 1),
    "adjust a site": Scenario(adjust_site, "1", 2, replicas=(1, 3)),
    "retry": Scenario(retry, "1", 2, partial=frozenset({"shop"})),
    "drain": Scenario(drain, "1", 1),
    "drain, dependents first": Scenario(drain, "1", 1, chained=True),
    "failover, dependents first": Scenario(failover, "1", 1, chained=True),
    "single failover with fence": Scenario(single_failover, "1", 1, single=True),
    "single drain": Scenario(single_drain, "1", 1, single=True),
}


def check_end(edge: Edge, scenario: Scenario) -> None:
    """What the scenario has led to."""
    if scenario.single:
        found = Copies().read(edge.world().effects.after(0))
        assert not found, "; ".join(found)
    if scenario.chained:
        order = Order(dependent="c1", on="c0")
        early = order.read(edge.world().effects.after(0))
        assert not early, "; ".join(early)
        assert order.removed, "nothing has left"
    deployments = [edge.deployment(one) for one in edge.view.ids("Deployment")]
    if scenario.version is None:
        assert all(one is not None and one.phase is DeploymentPhase.TERMINATED for one in deployments)
        assert not edge.world().objects
        return
    [shop] = deployments
    assert shop is not None
    assert shop.phase is DeploymentPhase.READY
    assert shop.app_version_id == version_id(edge, scenario.version)
    releases = edge.releases(shop.id)
    assert len({one.site_id for one in releases}) == scenario.sites
    components = edge.view.count("Component", "app_version_id", shop.app_version_id)
    assert len(releases) == components * scenario.sites
    objects = edge.world().objects
    assert {one.reference for one in objects.values()} == {f"shop:{scenario.version}"}
    first = [one for one in releases if edge.view.get(one.component_id).name == "c0"]
    replicas = sorted(objects[one.backend_name].replicas for one in first)
    assert replicas == list(scenario.replicas or [1] * scenario.sites)
