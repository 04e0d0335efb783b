"""Changes that are taken back at any moment of them: cancelled, or rolled back, by a user who then sees what was promised.

Many deployments at once in one world, each with its own change, its own moment and its own end; replies are lost meanwhile.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from pathlib import Path

from faultkit.checks import check, rest
from faultkit.lives import Installation
from faultkit.scenarios import SMALL, over, version_id
from faultkit.user import Notes, User
from graph.kinds import Deployment, DeploymentPhase
from graph.refusal import InvalidState
from lifecyclekit.edge import Edge

SITES = 4
BEHAVIOUR = {
    "observeEveryMs": 1_000,
    "latencyMs": 20,
    "latencyJitterMs": 200,
    "readyAfterMs": 50,
    "readyJitterMs": 400,
    "lostReplyRate": 0.3,
}
LONGEST_S = 2.0
"""After which the change is over by itself, more often than not."""


@dataclass(frozen=True)
class End:
    """What must be in the end."""

    version: str
    sites: frozenset[str]
    replicas: int


@dataclass
class Toll:
    """What a test of moments did."""

    moments: int = 0
    cancelled: int = 0
    rolled_back: int = 0
    too_late: int = 0
    """Cancellations of what was over: the change stays."""


class Moments:
    """So many deployments of one installation, each changed and taken back."""

    def __init__(self, edge: Edge, dice: random.Random, toll: Toll) -> None:
        self.edge = edge
        self.dice = dice
        self.toll = toll
        self.user = User(edge, Notes({}))

    async def all(self, count: int) -> None:
        await self.edge.network(sites=SITES, nodes=1, **BEHAVIOUR)
        for version in ("1", "2"):
            await self.edge.version(version, reference=f"shop:{version}", web=SMALL)
        ends = await asyncio.gather(*(self._one(f"d{number}") for number in range(count)))
        await rest(self.edge)
        await check(self.edge, self.user.notes.told)
        for shop, end in ends:
            check_end(self.edge, shop, end)

    async def _one(self, name: str) -> tuple[str, End]:
        edge, user, dice = self.edge, self.user, self.dice
        before = End("1", frozenset(dice.sample(edge.site_ids, 2)), 1)
        told = await user.deploy(name, sites=sorted(before.sites), app_version_id=version_id(edge, "1"))
        shop = told.deployment
        await over(user, told.operation)
        after, operation = await self._change(name, shop, before)
        await asyncio.sleep(dice.uniform(0.0, LONGEST_S))
        self.toll.moments += 1
        if dice.random() < 0.5:
            await user.rollback(f"{name} back", shop, 1)
            self.toll.rolled_back += 1
            return shop, before
        try:
            await user.cancel(f"{name} cancel", operation)
        except InvalidState:
            self.toll.too_late += 1
            return shop, after
        self.toll.cancelled += 1
        return shop, before

    async def _change(self, name: str, shop: str, before: End) -> tuple[End, str]:
        edge, user, dice = self.edge, self.user, self.dice
        what = dice.choice(["update", "scale", "migrate", "migrate"])
        key = f"{name} {what}"
        if what == "update":
            told = await user.update(key, shop, app_version_id=version_id(edge, "2"))
            return End("2", before.sites, 1), told.operation
        if what == "scale":
            told = await user.scale(key, shop, web=3)
            return End("1", before.sites, 3), told.operation
        others = frozenset(edge.site_ids) - before.sites
        told = await user.migrate(key, shop, site_ids=sorted(others))
        return End("1", others, 1), told.operation


def check_end(edge: Edge, shop: str, end: End) -> None:
    """What was asked for last is what is wanted, and what the backends have."""
    deployment = edge.deployment(shop)
    assert deployment is not None
    assert deployment.phase is DeploymentPhase.READY, deployment
    found = as_it_is(edge, deployment)
    assert found == end, f"{deployment.name} is {found}, asked for was {end}"
    assert edge.view.get(deployment.app_version_id).name == end.version


def as_it_is(edge: Edge, deployment: Deployment) -> End:
    """What the backends have of a deployment of one component."""
    names = {one.backend_name for one in edge.releases(deployment.id)}
    objects = [one for name, one in edge.world().objects.items() if name in names]
    sites = frozenset(one.site_id for one in objects)
    assert len(sites) == len(objects), f"{deployment.name} is twice at a site"
    versions = sorted({one.reference.removeprefix("shop:") for one in objects})
    # Where they differ no number is right: one that nobody asks for stands for them.
    replicas = {one.replicas for one in objects}
    return End(" and ".join(versions), sites, replicas.pop() if len(replicas) == 1 else -len(replicas))


async def taken_back(folder: Path, *, count: int, seed: int, toll: Toll) -> None:
    """Has so many changes taken back in one world."""
    async with Installation(folder).life() as edge:
        await Moments(edge, random.Random(seed), toll).all(count)
