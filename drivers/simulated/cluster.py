"""A simulated cluster: the world behind its delays, limits, failures and outages.

It is the same whether it lives inside the server or in a process of its own; what differs is only how a call gets here
and how its answer goes back. So what becomes of an answer that is lost, or of a call that is never answered, is told to
the caller by an exception, for a process cuts the connection there and a server can only say so.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Final

import msgspec

from drivers.clock import Clock, first_of
from drivers.port import (
    WATCH_S,
    Applied,
    Cursor,
    DriverProblem,
    Observation,
    ObservedRelease,
    Permanent,
    ReleaseWork,
    RemovalWork,
    Removed,
    Retryable,
    Sample,
    StaleGeneration,
    Unreachable,
)
from drivers.simulated.conditions import NODE_AWAY, Conditions
from drivers.simulated.faults import Fault, draws, fault_of
from drivers.simulated.limits import Limits
from drivers.simulated.loads import Serving, samples_of
from drivers.simulated.objects import NEVER, SimulatedObject
from drivers.simulated.planned import PlannedFault, Plans
from drivers.simulated.replicas import Start
from drivers.simulated.settings import Behaviour, Faults, faults_at
from drivers.simulated.world import World
from graph.kinds import InstanceStatus, Node

CANNOT_PULL = "its image cannot be pulled"
NOT_READY = "it does not become ready"


class ReplyLost(Unreachable):
    """What was asked may have been done, and nobody is told."""


class Hanging(Exception):
    """The call is not answered, for as long as the cluster behaves so; nothing was done."""


_TALLIED: Final[dict[type[Exception], str]] = {
    ReplyLost: "lost",
    Unreachable: "away",
    Retryable: "refused",
    Permanent: "rejected",
    StaleGeneration: "stale",
    Hanging: "hung",
}
"""What calls that failed are counted under, beside their verb."""


class SimulatedCluster:
    """What `drivers.port.Backend` asks for, over a `World`, for any number of connections."""

    def __init__(self, world: World, behaviour: Behaviour, *, clock: Clock) -> None:
        self.world = world
        self.plans = Plans()
        self.tallies: Counter[str] = Counter()
        """How many calls there were, by verb, and how many had which fault."""
        self._clock = clock
        self._limits = Limits()
        self._faults: dict[tuple[str, str], Faults] = {}
        self._behaved = asyncio.Event()
        self.behave(behaviour)

    def behave(self, behaviour: Behaviour) -> None:
        """Behaves like this from now on. Calls that hang end, and observers look at once."""
        self.behaviour = behaviour
        self._away_sites = frozenset(behaviour.away_sites)
        self._failing_sites = frozenset(behaviour.failing_sites)
        self._hanging_sites = frozenset(behaviour.hanging_sites)
        self._rejected = frozenset(behaviour.rejected_references)
        self._unpullable = frozenset(behaviour.unpullable_references)
        self._faults.clear()
        self._relieve()
        behaved, self._behaved = self._behaved, asyncio.Event()
        behaved.set()
        self.world.ring()

    def now_ms(self) -> int:
        """UTC milliseconds by the cluster's clock."""
        return self._clock.now_ms() + int(self.behaviour.clock_offset_ms)

    async def until_it_behaves(self) -> None:
        """Returns when the cluster is told to behave in another way."""
        await self._behaved.wait()

    # What a driver asks

    async def ensure(self, work: ReleaseWork, *, nodes: Sequence[Node] = (), by: str = "") -> Applied:
        """As the port says, through the site's faults; `nodes` are those of the site. Raises Hanging as well."""
        async with self._call("ensure", work) as (faults, fault):
            if work.artifact.reference in self._rejected:
                raise Permanent(f"{work.artifact.reference} cannot be fetched: the reference is rejected")
            now = self.now_ms()
            start = self._start(
                faults,
                now,
                name=work.name,
                generation=work.generation,
                count=work.replicas,
                reference=work.artifact.reference,
            )
            changed, observed = await self.world.apply(
                work, now=now, start=start, nodes=nodes, quotas=self.behaviour.quotas, by=by
            )
            if fault.reply_lost:
                raise ReplyLost(f"the reply of site {work.site} was lost")
            return Applied(changed=changed, observed=observed)

    async def remove(self, work: RemovalWork, *, by: str = "") -> Removed:
        """As the port says, through the site's faults. Raises Hanging as well."""
        async with self._call("remove", work) as (_, fault):
            await self.world.remove(work, now=self.now_ms(), by=by)
            if fault.reply_lost:
                raise ReplyLost(f"the reply of site {work.site} was lost")
            return Removed(gone=True)

    async def observe(self, *, after: Cursor | None, conditions: Conditions, owner: str) -> Observation:
        """As the port says; waits for a change for at most `observeEveryMs`. Raises Hanging as well."""
        with self._tallied("observe"):
            self._check_answering()
            world = self.world
            if after is not None and after.history == world.history and world.oldest <= after.version <= world.version:
                await self._wait(after.version, conditions)
                self._check_answering()
                since = after.version
            else:
                since = -1
            now = self.now_ms()
            world.mature(now)
            if self._clock.monotonic() >= conditions.look_due:
                await world.reschedule(owner=owner, nodes_at=conditions.nodes_at, start=self._start_again)
            conditions.look(self.behaviour, now=self._clock.monotonic())
            complete = since < 0
            observation = Observation(
                cursor=Cursor(world.history, world.version),
                complete=complete,
                releases=[
                    self._as_seen(one, conditions)
                    for one in world.observed(since=since, now=now)
                    if one.site_id not in conditions.unseen
                ],
                gone={} if complete else dict(world.gone(since=since)),
                unseen_sites=conditions.unseen,
                sites=conditions.sites(since=since),
                nodes=conditions.nodes(since=since),
                foreign_use=world.owners.foreign_use(owner=owner, since=since),
            )
            # What is reported is in the journal first, so that no kill makes it untrue.
            await world.journal.flushed()
            return observation

    async def samples(self, *, names: Sequence[str] = ()) -> list[Sample]:
        """As the port says. Sites that are away give none. Raises Hanging as well."""
        with self._tallied("samples"):
            self._check_answering()
            now = self.now_ms()
            self.world.mature(now)
            objects = self.world.objects
            found = [objects[name] for name in names if name in objects] if names else objects.values()
            seen = (_serving(one, now) for one in found if not _is_in(self._away_sites, one.site_id, one.site))
            return list(samples_of(self.behaviour.loads, seen, now_ms=now))

    # Its faults

    @contextlib.asynccontextmanager
    async def _call(self, verb: str, work: ReleaseWork | RemovalWork) -> AsyncIterator[tuple[Faults, Fault]]:
        faults = self._faults_at(work.site_id, work.site)
        now = self._clock.monotonic()
        with (
            self._tallied(verb),
            self._limits.call(self.behaviour, faults, site_id=work.site_id, site=work.site, now=now),
        ):
            yield faults, await self._meet(verb, work, faults)

    @contextlib.contextmanager
    def _tallied(self, verb: str) -> Iterator[None]:
        self.tallies[verb] += 1
        try:
            yield
        except (DriverProblem, Hanging) as problem:
            self.tallies[_TALLIED.get(type(problem), "failed")] += 1
            raise

    async def _meet(self, verb: str, work: ReleaseWork | RemovalWork, faults: Faults) -> Fault:
        """What happens to a call before anything is done, and what is to happen after. Raises DriverProblem or Hanging."""
        site_id, site = work.site_id, work.site
        fault = fault_of(faults, site, self.world.next_call(site_id))
        planned = self.plans.next_for(verb, site_id=site_id, site=site, name=work.name)
        if fault.delay_ms:
            await self._clock.sleep(fault.delay_ms / 1000)
        self._check_answering(site_id, site)
        if planned is PlannedFault.HANG:
            raise Hanging
        if planned is PlannedFault.LOSE_CALL:
            raise ReplyLost(f"the call to site {site} was lost")
        if fault.away or planned is PlannedFault.AWAY or _is_in(self._away_sites, site_id, site):
            raise Unreachable(f"site {site} does not answer")
        if fault.refused or planned is PlannedFault.REFUSE or _is_in(self._failing_sites, site_id, site):
            raise Retryable(f"site {site} refused the call for now")
        if planned is PlannedFault.REJECT:
            raise Permanent(f"site {site} refused the call for good")
        return msgspec.structs.replace(fault, reply_lost=True) if planned is PlannedFault.LOSE_REPLY else fault

    def _check_answering(self, *site: str) -> None:
        if self.behaviour.hangs or any(each in self._hanging_sites for each in site):
            raise Hanging

    def _faults_at(self, site_id: str, site: str) -> Faults:
        if not self.behaviour.sites:
            return self.behaviour
        found = self._faults.get((site_id, site))
        if found is None:
            found = self._faults[site_id, site] = faults_at(self.behaviour, site_id=site_id, site=site)
        return found

    def _start(self, faults: Faults, now: int, *, name: str, generation: int, count: int, reference: str) -> Start:
        """When each replica is ready, and why some never are."""
        if reference in self._unpullable:
            return Start([NEVER] * count, CANNOT_PULL)
        ready_at = [now + _ready_after(faults, name, generation * 1_000 + index) for index in range(count)]
        held_back = min(faults.unready_replicas, count)
        if not held_back:
            return Start(ready_at)
        return Start(ready_at[: count - held_back] + [NEVER] * held_back, NOT_READY)

    def _start_again(self, one: SimulatedObject) -> Start:
        """When replicas are ready that waited for a node."""
        return self._start(
            self._faults_at(one.site_id, one.site),
            self.now_ms(),
            name=one.name,
            generation=one.generation,
            count=one.replicas,
            reference=one.reference,
        )

    def _relieve(self) -> None:
        """What kept replicas from being ready may be over: then they come up like new ones."""
        now = self.now_ms()
        for one in list(self.world.objects.values()):
            if not one.trouble:
                continue
            faults = self._faults_at(one.site_id, one.site)
            pulled = one.trouble == CANNOT_PULL and one.reference not in self._unpullable
            if pulled or (one.trouble == NOT_READY and not faults.unready_replicas):
                self.world.relieve(one, ready_at=now + _ready_after(faults, one.name, 0))

    def _as_seen(self, found: ObservedRelease, conditions: Conditions) -> ObservedRelease:
        """The object without what runs on nodes that are away: nobody knows how that is."""
        if not conditions.some_node_is_away or all(conditions.node_answers(one.node_id) for one in found.instances):
            return found
        instances = [
            one
            if conditions.node_answers(one.node_id)
            else msgspec.structs.replace(one, status=InstanceStatus.UNKNOWN, message=NODE_AWAY.reason)
            for one in found.instances
        ]
        running = sum(one.status is InstanceStatus.RUNNING for one in instances)
        return msgspec.structs.replace(
            found,
            instances=instances,
            ready_replicas=running,
            message=f"{running} of {found.replicas} replicas are ready",
        )

    async def _wait(self, version: int, conditions: Conditions) -> None:
        """Until the world has changed since the version, a replica is ready, it is time to look at the sites, or to say
        that it is alive."""
        until = self._clock.monotonic() + WATCH_S
        while True:
            self.world.mature(self.now_ms())
            rest = min(conditions.look_due, until) - self._clock.monotonic()
            if self.world.version > version or rest <= 0 or conditions.behaviour is not self.behaviour:
                return
            due = self.world.next_maturing()
            if due is not None:
                rest = min(rest, (due - self.now_ms()) / 1000)
            sleep = self._clock.sleep(max(rest, 0.001))
            await first_of(self.world.changed(), sleep)


def _is_in(names: frozenset[str], site_id: str, site: str) -> bool:
    return site_id in names or site in names


def _ready_after(faults: Faults, name: str, number: int) -> int:
    """Milliseconds."""
    if not faults.ready_jitter_ms:
        return int(faults.ready_after_ms)
    return int(faults.ready_after_ms + faults.ready_jitter_ms * draws(faults.seed, name, number, "ready")[0])


def _serving(one: SimulatedObject, now: int) -> Serving:
    return Serving(
        name=one.name,
        site_id=one.site_id,
        site=one.site,
        component=one.component,
        ready=[(each.name, each.node_id) for each in one.instances if not each.leaving and each.is_ready(now)],
    )
