"""What a simulated cluster has: its objects, their replicas, and what it remembers of those that were removed.

One `World` a cluster, whoever is connected to it. It changes on the event loop, each change whole between two awaits,
so that the check of the fence and the change that it allows are one step; real backends get the same from a conditional
write.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import msgspec

from drivers.port import (
    DriverProblem,
    ObservedRelease,
    Permanent,
    ReleaseWork,
    RemovalWork,
    StaleGeneration,
    Unreachable,
)
from drivers.simulated.company import Company
from drivers.simulated.effects import EFFECTS_KEPT, EffectLog, Outcome
from drivers.simulated.journal import Journal
from drivers.simulated.lines import Line, decoded, encoded
from drivers.simulated.objects import NEVER, SimulatedObject, observed_of
from drivers.simulated.owners import Owners
from drivers.simulated.quotas import Amount, Quota, Usage
from drivers.simulated.replicas import Start, is_as_wanted, made_of, rescheduled
from drivers.simulated.scheduler import Scheduler
from graph.identifiers import new_ulid
from graph.kinds import Node

TOMBSTONES_KEPT = 50_000
COMPACT_FROM_LINES = 50_000
HAND = "hand"
"""Who did it when it was no driver."""
LIFE_BITS = 32
"""Versions begin at the world's opening shifted by so many bits: they rise over restarts though readiness is not kept."""


class World:
    """The state of one simulated cluster."""

    def __init__(self, journal: Journal, *, effects_kept: int = EFFECTS_KEPT) -> None:
        self.journal = journal
        self.history = ""
        self.version = 0
        self.objects: dict[str, SimulatedObject] = {}
        """By name, in the order of their last change."""
        self.removed: dict[str, tuple[int, int]] = {}
        """(generation, version) of removed objects by name, in the order of their removal."""
        self.calls: dict[str, int] = {}
        """How many calls each site has had."""
        self.effects = EffectLog(effects_kept)
        self.usage = Usage()
        self.owners = Owners()
        self.behaviour = b""
        """How the cluster was last told to behave, when it is the journal that keeps it; JSON."""
        self.oldest = 0
        """Removals up to this version are forgotten: who has seen no more than that is to look at everything."""
        self._company = Company(self.objects)
        self._maturing: list[tuple[int, str]] = []
        self._changed = asyncio.Event()
        self._opened = 0

    async def open(self) -> None:
        """Reads the journal. Raises InUseElsewhere when another process has it, Permanent when it cannot be read."""
        try:
            await self._open()
        except BaseException:
            await self.journal.close()
            raise

    async def _open(self) -> None:
        lines = await self.journal.open()
        for number, raw in enumerate(lines, 1):
            self._replay(decoded(raw, number=number))
        self._opened += 1
        self.version = self._opened << LIFE_BITS
        self.effects.begin(self.version)
        if not self.history:
            self.history = new_ulid()
        lasting = len(self.objects) + len(self.removed) + sum(1 for _ in self.effects.lasting())
        if len(lines) > COMPACT_FROM_LINES and len(lines) > 4 * lasting:
            await self.journal.replace([encoded(line) for line in self._summary()])
        await self.journal.append(encoded(Line("opened", history=self.history)))
        for one in self.objects.values():
            one.version = self.next_version()
            self._watch(one)
            self._count(one)
            self._company.add(one)
        self.removed = {name: (generation, self.version) for name, (generation, _) in self.removed.items()}

    def next_call(self, site_id: str) -> int:
        """The number of the next call to a site, from 0."""
        number = self.calls.get(site_id, 0)
        self.calls[site_id] = number + 1
        return number

    async def apply(
        self,
        work: ReleaseWork,
        *,
        now: int,
        start: Start,
        nodes: Sequence[Node] = (),
        quotas: Sequence[Quota] = (),
        by: str = "",
    ) -> tuple[bool, ObservedRelease]:
        """Brings the object to the work; says whether that changed anything, and what it is now.

        `nodes` are those of its site. What has the generation already is put right where a hand has changed it. Raises
        StaleGeneration, Permanent when the name is somebody else's, or Retryable when it is over a quota.
        """
        self._check_open()
        self.mature(now)
        found = self.objects.get(work.name)
        note = partial(self.effects.note, "applied", work, now=now, by=by, replicas=work.replicas)
        try:
            self._check_owner(work)
            self._check_fence(work.name, work.generation)
            if found is not None and is_as_wanted(found, work):
                note(outcome=Outcome.NOTHING)
                await self.journal.flushed()
                return False, observed_of(found, now)
            self.usage.check(quotas, work, held=found.amount if found is not None else Amount())
        except DriverProblem as problem:
            note(outcome=Outcome.REFUSED, reason=str(problem))
            raise
        scheduler = Scheduler(nodes, work.pods, work.resources, beside=self._company.beside(work.name))
        made = made_of(work, found, start=start, scheduler=scheduler, version=self.next_version())
        self.removed.pop(work.name, None)
        self._put(made)
        observed = observed_of(made, now)
        effect = note()
        self.ring()
        await self.journal.append(encoded(Line("applied", object=made, effect=effect)))
        return True, observed

    async def reschedule(
        self, *, owner: str, nodes_at: Callable[[str], Sequence[Node]], start: Callable[[SimulatedObject], Start]
    ) -> None:
        """Puts an owner's replicas that wait on nodes that take them by now; nodes change, and what was on them goes.

        Of a site of which no nodes are known nothing is tried.
        """
        changed = []
        for found in self._company.waiting(owner=owner):
            nodes = nodes_at(found.site_id)
            if not nodes:
                continue
            scheduler = Scheduler(nodes, found.pods, found.resources, beside=self._company.beside(found.name))
            put = rescheduled(found, scheduler, start=start(found))
            if put is not None:
                put.version = self.next_version()
                self._put(put)
                changed.append(Line("applied", object=put))
        if changed:
            self.ring()
        for line in changed:
            await self.journal.append(encoded(line))

    async def remove(self, work: RemovalWork, *, now: int = 0, by: str = "") -> bool:
        """Removes the object and remembers the generation; says whether there was one. Raises StaleGeneration.

        What somebody else has made under the name stays: the owner has nothing there.
        """
        self._check_open()
        found = self.objects.get(work.name)
        held = found.generation if found is not None else self.removed.get(work.name, (0, 0))[0]
        foreign = found is not None and found.owner not in ("", work.owner)
        if foreign or (found is None and work.name in self.removed and held == work.generation):
            self.effects.note("removed", work, now=now, by=by, outcome=Outcome.NOTHING)
            await self.journal.flushed()
            return False
        if held > work.generation:
            stale = StaleGeneration(name=work.name, asked=work.generation, held=held)
            self.effects.note("removed", work, now=now, by=by, outcome=Outcome.REFUSED, reason=str(stale))
            raise stale
        self._forget(work.name, work.generation)
        outcome = Outcome.DONE if found is not None else Outcome.NOTHING
        effect = self.effects.note("removed", work, now=now, by=by, outcome=outcome)
        await self.journal.append(encoded(Line("removed", name=work.name, generation=work.generation, effect=effect)))
        return found is not None

    async def vanish(self, name: str, *, now: int = 0) -> None:
        """Takes an object away as somebody's hand on the backend would: nothing is remembered of it."""
        found = self.objects.get(name)
        if found is not None:
            self._forget(name, 0)
            effect = self.effects.note("vanished", found, now=now, by=HAND)
            await self.journal.append(encoded(Line("vanished", name=name, effect=effect)))

    async def rewrite(self, changed: SimulatedObject, *, what: str, now: int) -> None:
        """Puts an object in the place of the one of its name, by hand and past the fence: drift."""
        self._check_open()
        changed.version = self.next_version()
        self.removed.pop(changed.name, None)
        self._put(changed)
        self.ring()
        effect = self.effects.note(what, changed, now=now, by=HAND, replicas=changed.replicas)
        await self.journal.append(encoded(Line("changed", object=changed, effect=effect)))

    async def keep_behaviour(self, behaviour: bytes) -> None:
        """Writes down how the cluster is to behave, JSON, for its next life."""
        self._check_open()
        self.behaviour = behaviour
        await self.journal.append(encoded(Line("behaves", behaviour=msgspec.Raw(behaviour))))

    def mature(self, now: int) -> None:
        """Makes ready what is ready by `now`."""
        grown = False
        while self._maturing and self._maturing[0][0] <= now:
            _, name = heapq.heappop(self._maturing)
            found = self.objects.get(name)
            if found is None:
                continue
            if all(one.is_ready(now) for one in found.serving()):
                left = {one.node_id for one in found.instances if one.leaving and one.node_id is not None}
                found.instances = found.serving()
                for node_id in left:
                    if not found.is_on(node_id):
                        self._company.leave(name, node_id)
            found.version = self.next_version()
            self.owners.note(found, version=self.version)
            self.objects[name] = self.objects.pop(name)
            grown = True
        if grown:
            self.ring()

    def relieve(self, one: SimulatedObject, *, ready_at: int) -> None:
        """What kept replicas from ever being ready is over; they are at `ready_at`."""
        for each in one.instances:
            if each.ready_at == NEVER:
                each.ready_at = ready_at
        one.trouble = ""
        one.version = self.next_version()
        self.objects[one.name] = self.objects.pop(one.name)
        self._watch(one)
        self.ring()

    def next_maturing(self) -> int | None:
        """When the next replica will be ready, UTC milliseconds; none: all are."""
        return self._maturing[0][0] if self._maturing else None

    def observed(self, *, since: int, now: int) -> Iterator[ObservedRelease]:
        """The objects that changed after a version, newest first; with -1 all of them."""
        for name in reversed(self.objects):
            found = self.objects[name]
            if found.version <= since:
                return
            yield observed_of(found, now)

    def gone(self, *, since: int) -> Iterator[tuple[str, int]]:
        """Names of objects that went after a version, with their versions, newest first."""
        for name in reversed(self.removed):
            version = self.removed[name][1]
            if version <= since:
                return
            yield name, version

    async def changed(self) -> None:
        """Returns at the next change."""
        await self._changed.wait()

    def next_version(self) -> int:
        """The number of the next change."""
        self.version += 1
        return self.version

    def ring(self) -> None:
        """Wakes whoever waits for a change."""
        bell, self._changed = self._changed, asyncio.Event()
        bell.set()

    def _check_open(self) -> None:
        """A world that was closed is nobody's any more: another one may have been read from its file."""
        if self.journal.closed:
            raise Unreachable("the connection was closed before the call was done")

    def _check_owner(self, work: ReleaseWork) -> None:
        """What is nobody's is adopted; what is somebody else's is not touched."""
        found = self.objects.get(work.name)
        if found is not None and found.owner not in ("", work.owner):
            raise Permanent(
                f"{work.name} exists at site {found.site or found.site_id} and is not ours: remove or rename it"
            )

    def _check_fence(self, name: str, generation: int) -> None:
        found = self.objects.get(name)
        if found is not None and found.generation > generation:
            raise StaleGeneration(name=name, asked=generation, held=found.generation)
        gone = self.removed.get(name)
        if gone is not None and gone[0] >= generation:
            raise StaleGeneration(name=name, asked=generation, held=gone[0])

    def _put(self, made: SimulatedObject) -> None:
        found = self.objects.pop(made.name, None)
        if found is not None:
            self._count(found, times=-1)
            self._company.drop(found)
        self._count(made)
        self._company.add(made)
        self.objects[made.name] = made
        self._watch(made)

    def _forget(self, name: str, generation: int) -> None:
        found = self.objects.pop(name, None)
        self.removed.pop(name, None)
        self.removed[name] = (generation, self.next_version())
        if found is not None:
            self._count(found, times=-1)
            self._company.drop(found)
            self.owners.drop(name, version=self.version)
        while len(self.removed) > TOMBSTONES_KEPT:
            oldest = next(iter(self.removed))
            self.oldest = self.removed.pop(oldest)[1]
        self.ring()

    def _count(self, one: SimulatedObject, *, times: int = 1) -> None:
        self.usage.add(one.amount, tenant_id=one.tenant_id, site_id=one.site_id, times=times)
        if times > 0:
            self.owners.note(one, version=self.version)

    def _watch(self, found: SimulatedObject) -> None:
        for one in found.instances:
            if one.waits is None and one.ready_at != NEVER:
                heapq.heappush(self._maturing, (one.ready_at, found.name))

    def _replay(self, line: Line) -> None:
        if line.what == "opened":
            self._opened += 1
            self.history = line.history
        elif line.what in ("applied", "changed") and line.object is not None:
            self.removed.pop(line.object.name, None)
            self.objects[line.object.name] = line.object
        elif line.what in ("removed", "vanished"):
            self.objects.pop(line.name, None)
            self.removed.pop(line.name, None)
            self.removed[line.name] = (line.generation, 0)
        elif line.what == "behaves":
            self.behaviour = bytes(line.behaviour)
        if line.effect is not None:
            self.effects.add(line.effect)

    def _summary(self) -> Iterator[Line]:
        for _ in range(self._opened - 1):
            yield Line("opened", history=self.history)
        for name, (generation, _) in self.removed.items():
            yield Line("removed", name=name, generation=generation)
        for found in self.objects.values():
            yield Line("applied", object=found)
        if self.behaviour:
            yield Line("behaves", behaviour=msgspec.Raw(self.behaviour))
        for effect in self.effects.lasting():
            yield Line("told", effect=effect)
