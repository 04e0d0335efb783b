"""Drivers that are wrong in one way each: the negative controls of the conformance kit.

A kit proves nothing that passes whatever a driver does. Each of these is the simulated driver with one promise broken, as
drivers of real backends break them; the kit must fail for each.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec

from driverkit.work import CLUSTER, NAME, STRANGER
from drivers.pod_terms import PodTerms
from drivers.port import (
    Applied,
    Backend,
    ClusterAccess,
    Cursor,
    Observation,
    Permanent,
    ReleaseWork,
    RemovalWork,
    Removed,
    Retryable,
    StaleGeneration,
    Unreachable,
)
from drivers.simulated import SimulatedDriver
from drivers.simulated.world import World

replace = msgspec.structs.replace


class Broken(Backend):
    """A connection that breaks no promise yet."""

    def __init__(self, inner: Backend, world: World, driver: BrokenDriver) -> None:
        self.inner = inner
        self.world = world
        self.driver = driver

    async def ensure(self, work: ReleaseWork) -> Applied:
        return await self.inner.ensure(work)

    async def remove(self, work: RemovalWork) -> Removed:
        return await self.inner.remove(work)

    async def observe(self, *, after: Cursor | None) -> Observation:
        return await self.inner.observe(after=after)


class BrokenDriver:
    """The simulated driver with connections of one broken sort."""

    name = "simulated"

    def __init__(self, simulated: SimulatedDriver, sort: type[Broken]) -> None:
        self.simulated = simulated
        self.sort = sort
        self.artifacts = simulated.artifacts
        self.known: dict[str, int] = {}
        self.connections = itertools.count()
        self.turns = asyncio.Semaphore(64)

    def check(self, configuration: Mapping[str, Any]) -> None:
        if self.sort is not TakesAnySetting:
            self.simulated.check(configuration)

    @contextlib.asynccontextmanager
    async def connect(self, access: ClusterAccess) -> AsyncIterator[Backend]:
        async with self.simulated.connect(access) as inner:
            world = self.simulated.world(access.id)
            assert world is not None
            next(self.connections)
            yield self.sort(inner, world, self)


class NoFence(Broken):
    """Applies and removes whatever comes, as a backend does by itself."""

    async def ensure(self, work: ReleaseWork) -> Applied:
        try:
            return await self.inner.ensure(work)
        except StaleGeneration as stale:
            await self.inner.ensure(replace(work, generation=stale.held + 1))
            self.world.objects[work.name].generation = work.generation
            return Applied(changed=True)

    async def remove(self, work: RemovalWork) -> Removed:
        try:
            return await self.inner.remove(work)
        except StaleGeneration as stale:
            return await self.inner.remove(replace(work, generation=stale.held))


class ForgetsRemovals(Broken):
    """Has the fence only on what is there: the label goes with the object."""

    async def remove(self, work: RemovalWork) -> Removed:
        removed = await self.inner.remove(work)
        self.world.removed.clear()
        return removed


class NotIdempotent(Broken):
    """Creates instead of comparing."""

    async def ensure(self, work: ReleaseWork) -> Applied:
        found = self.world.objects.get(work.name)
        if found is not None and found.owner == work.owner and found.generation == work.generation:
            await self.world.vanish(work.name)
            again = await self.inner.ensure(work)
            self.world.objects[work.name].instances[0].name += f"-{next(self.driver.connections)}"
            return again
        return await self.inner.ensure(work)


class TrustsItsMemory(Broken):
    """Remembers what it did and does not look."""

    async def ensure(self, work: ReleaseWork) -> Applied:
        if self.driver.known.get(work.name) == work.generation:
            return Applied(changed=False)
        applied = await self.inner.ensure(work)
        self.driver.known[work.name] = work.generation
        return applied


class TrustsTheGeneration(Broken):
    """Takes an object of the generation that is asked for to be what is asked for."""

    async def ensure(self, work: ReleaseWork) -> Applied:
        found = self.world.objects.get(work.name)
        if found is not None and (found.owner, found.generation) == (work.owner, work.generation):
            return Applied(changed=False)
        return await self.inner.ensure(work)


class SeesNoDrift(Broken):
    """Looks at what is there and never at whether that is what was applied."""

    async def observe(self, *, after: Cursor | None) -> Observation:
        seen = await self.inner.observe(after=after)
        return replace(seen, releases=[replace(one, drift=None) for one in seen.releases])


class CountsReplicasAlone(Broken):
    """Takes what has as many replicas as were applied to be as applied."""

    async def observe(self, *, after: Cursor | None) -> Observation:
        seen = await self.inner.observe(after=after)
        found = self.world.objects
        return replace(
            seen,
            releases=[
                replace(one, drift=None) if (was := found[one.name].applied) and was.replicas == one.replicas else one
                for one in seen.releases
            ],
        )


class CountsWhatIsReady(Broken):
    """Takes what is under way for a change by hand."""

    async def observe(self, *, after: Cursor | None) -> Observation:
        seen = await self.inner.observe(after=after)
        return replace(
            seen,
            releases=[
                replace(one, drift=f"has {one.ready_replicas} replicas") if one.ready_replicas < one.replicas else one
                for one in seen.releases
            ],
        )


class TakesTwoAtMost(Broken):
    """Has a limit that it does not tell of."""

    async def ensure(self, work: ReleaseWork) -> Applied:
        return await self.inner.ensure(replace(work, replicas=min(work.replicas, 2)))


class WantsItsOwn(Broken):
    """Takes nothing up that it has not made."""

    async def ensure(self, work: ReleaseWork) -> Applied:
        found = self.world.objects.get(work.name)
        if found is not None and found.owner != work.owner:
            raise Permanent(f"{work.name} exists already")
        return await self.inner.ensure(work)


class TakesStrangers(Broken):
    """Looks at names only."""

    async def ensure(self, work: ReleaseWork) -> Applied:
        if work.name in self.world.objects:
            self.world.objects[work.name].owner = work.owner
        return await self.inner.ensure(work)

    async def remove(self, work: RemovalWork) -> Removed:
        if work.name in self.world.objects:
            self.world.objects[work.name].owner = work.owner
        return await self.inner.remove(work)


class CallsAllItsOwn(Broken):
    """Tells every object as the cluster's."""

    async def observe(self, *, after: Cursor | None) -> Observation:
        seen = await self.inner.observe(after=after)
        return replace(seen, releases=[replace(one, owner=CLUSTER) for one in seen.releases])


class FailsOnAbsent(Broken):
    """Passes on a backend's 404."""

    async def remove(self, work: RemovalWork) -> Removed:
        if work.name not in self.world.objects:
            raise Permanent(f"{work.name} was not found")
        return await self.inner.remove(work)


class KeepsNoGrave(Broken):
    """Does nothing for a removal of what is not there, and remembers nothing of it."""

    async def remove(self, work: RemovalWork) -> Removed:
        return await self.inner.remove(work) if work.name in self.world.objects else Removed(gone=True)


class TriesForever(Broken):
    """Calls every refusal one for now."""

    async def ensure(self, work: ReleaseWork) -> Applied:
        try:
            return await self.inner.ensure(work)
        except Permanent as problem:
            raise Retryable(str(problem)) from None


class TellsLostAsDone(Broken):
    """Takes no answer for a yes."""

    async def ensure(self, work: ReleaseWork) -> Applied:
        try:
            return await self.inner.ensure(work)
        except Unreachable:
            return Applied(changed=True)

    async def remove(self, work: RemovalWork) -> Removed:
        try:
            return await self.inner.remove(work)
        except Unreachable:
            return Removed(gone=True)


class LosesWithTheReply(Broken):
    """Undoes what it cannot confirm."""

    async def ensure(self, work: ReleaseWork) -> Applied:
        try:
            return await self.inner.ensure(work)
        except Unreachable:
            await self.world.vanish(work.name)
            raise


class TellsAwayAsGone(Broken):
    """Takes what it cannot see for what is not there."""

    async def observe(self, *, after: Cursor | None) -> Observation:
        seen = await self.inner.observe(after=after)
        gone = {NAME: seen.cursor.version} if seen.unseen_sites else {}
        return replace(seen, unseen_sites=frozenset(), gone={**seen.gone, **gone})


class SeesNoReturn(Broken):
    """Tells that a site went, and never that it is back."""

    async def observe(self, *, after: Cursor | None) -> Observation:
        seen = await self.inner.observe(after=after)
        self.driver.known.update(dict.fromkeys(seen.unseen_sites, 1))
        return replace(seen, unseen_sites=seen.unseen_sites | frozenset(self.driver.known))


class OneFailsAll(Broken):
    """Gives up on the cluster when a site of it does not answer."""

    async def ensure(self, work: ReleaseWork) -> Applied:
        if (await self.inner.observe(after=None)).unseen_sites:
            raise Unreachable("the cluster does not answer: Aveiro is away")
        return await self.inner.ensure(work)


class LeaksTurns(Broken):
    """Takes a turn for each call and gives it back only when the call ends well."""

    async def ensure(self, work: ReleaseWork) -> Applied:
        async with asyncio.timeout(1):
            await self.driver.turns.acquire()
        applied = await self.inner.ensure(work)
        self.driver.turns.release()
        return applied


class SwallowsCancellation(Broken):
    """Ends a call that is given up as if it were done."""

    async def ensure(self, work: ReleaseWork) -> Applied:
        try:
            return await self.inner.ensure(work)
        except asyncio.CancelledError:
            return Applied(changed=True)


class HoldsAfterGivingUp(Broken):
    """Does half of a call that is given up: the object is there and can never be brought further."""

    async def ensure(self, work: ReleaseWork) -> Applied:
        if work.name in self.driver.known:
            raise Retryable("another operation is in progress")
        self.driver.known[work.name] = work.generation
        applied = await self.inner.ensure(work)
        del self.driver.known[work.name]
        return applied


class LosesItsPlace(Broken):
    """Begins every observation anew."""

    async def observe(self, *, after: Cursor | None) -> Observation:
        return replace(await self.inner.observe(after=None), complete=after is None)


class SkipsChanges(Broken):
    """Gives a cursor ahead of what it tells."""

    async def observe(self, *, after: Cursor | None) -> Observation:
        seen = await self.inner.observe(after=after)
        return seen if after is None else replace(seen, releases=[], gone={})


class ForgetsWhatWent(Broken):
    """Tells what is there, and not what is no longer."""

    async def observe(self, *, after: Cursor | None) -> Observation:
        return replace(await self.inner.observe(after=after), gone={})


class KnowsEveryCursor(Broken):
    """Takes any cursor for one of its own."""

    async def observe(self, *, after: Cursor | None) -> Observation:
        seen = await self.inner.observe(after=after)
        return seen if after is None else replace(seen, complete=False, releases=[])


class CountsFromOne(Broken):
    """Numbers what it sees by the connection."""

    async def observe(self, *, after: Cursor | None) -> Observation:
        seen = await self.inner.observe(after=None if after is None else replace(after, version=self.world.version))
        return replace(
            seen,
            cursor=replace(seen.cursor, version=1),
            releases=[replace(one, version=1) for one in seen.releases],
        )


class WaitsForever(Broken):
    """Returns when something changed and not before."""

    async def observe(self, *, after: Cursor | None) -> Observation:
        while True:
            seen = await self.inner.observe(after=after)
            if after is None or seen.releases or seen.gone:
                return seen


class HopesForTheBest(Broken):
    """Tells what was asked as what is there."""

    async def ensure(self, work: ReleaseWork) -> Applied:
        applied = await self.inner.ensure(work)
        observed = applied.observed
        return replace(applied, observed=observed and replace(observed, ready_replicas=observed.replicas))

    async def observe(self, *, after: Cursor | None) -> Observation:
        seen = await self.inner.observe(after=after)
        return replace(seen, releases=[replace(one, ready_replicas=one.replicas) for one in seen.releases])


class TakesAnySetting(Broken):
    """Lets a misspelt setting pass."""


class RunsAnywhere(Broken):
    """Puts all replicas on the first node, whatever they were assigned to."""

    async def ensure(self, work: ReleaseWork) -> Applied:
        return await self.inner.ensure(replace(work, assignments={"node_a1": work.replicas}))


class KeepsToNoTerms(Broken):
    """Does not tell the backend which nodes count."""

    async def ensure(self, work: ReleaseWork) -> Applied:
        return await self.inner.ensure(replace(work, pods=PodTerms()))


class TakesReferencesAsTheyAre(Broken):
    """Hands a backend the reference to a secret in the place of what it stands for."""

    async def ensure(self, work: ReleaseWork) -> Applied:
        return await self.inner.ensure(replace(work, configuration={}))


class OwnedByNobody(Broken):
    """Does not mark what it makes."""

    async def ensure(self, work: ReleaseWork) -> Applied:
        applied = await self.inner.ensure(work)
        self.world.objects[work.name].owner = STRANGER
        return applied
