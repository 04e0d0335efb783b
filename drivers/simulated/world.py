"""What a simulated cluster has: its objects, their replicas, and what it remembers of those that were removed.

One `World` a cluster, whoever is connected to it. It changes on the event loop, each change whole between two awaits, so
that the check of the fence and the change that it allows are one step; real backends get the same from a conditional
write.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Iterator, Sequence

import msgspec

from drivers.pod_terms import PodTerms
from drivers.port import (
    ObservedRelease,
    Permanent,
    ReleaseWork,
    RemovalWork,
    StaleGeneration,
    Unreachable,
)
from drivers.simulated.journal import Journal
from drivers.simulated.objects import SimulatedObject, made_of, observed, reschedule
from drivers.simulated.scheduler import Scheduler
from graph.identifiers import new_ulid
from graph.kinds import Node

TOMBSTONES_KEPT = 50_000
COMPACT_FROM_LINES = 50_000
LIFE_BITS = 32
"""Versions begin at the world's opening shifted by so many bits: they rise over restarts though readiness is not kept."""


class _Line(msgspec.Struct, omit_defaults=True):
    """One line of the journal."""

    what: str
    """`opened`, `applied`, `removed` or `vanished`."""
    history: str = ""
    object: SimulatedObject | None = None
    name: str = ""
    generation: int = 0


class World:
    """The state of one simulated cluster."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.history = ""
        self.version = 0
        self.objects: dict[str, SimulatedObject] = {}
        """By name, in the order of their last change."""
        self.removed: dict[str, tuple[int, int]] = {}
        """(generation, version) of removed objects by name, in the order of their removal."""
        self.calls: dict[str, int] = {}
        """How many calls each site has had."""
        self._maturing: list[tuple[int, str]] = []
        self._waiting: dict[str, None] = {}
        """Names of objects with replicas that no node takes."""
        self._on: dict[str, set[str]] = {}
        """Names of objects that have, or had, replicas on a node, by its id."""
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
            try:
                self._replay(msgspec.json.decode(raw, type=_Line))
            except msgspec.DecodeError as problem:
                raise Permanent(f"line {number} of the simulated cluster's journal is damaged: {problem}") from None
        self._opened += 1
        self.version = self._opened << LIFE_BITS
        if not self.history:
            self.history = new_ulid()
        if len(lines) > COMPACT_FROM_LINES and len(lines) > 4 * (len(self.objects) + len(self.removed)):
            await self.journal.replace([_encode(line) for line in self._summary()])
        await self.journal.append(_encode(_Line("opened", history=self.history)))
        for one in list(self.objects.values()):
            one.version = self._next_version()
            self._add(one)
        self.removed = {name: (generation, self.version) for name, (generation, _) in self.removed.items()}

    def next_call(self, site_id: str) -> int:
        """The number of the next call to a site, from 0."""
        number = self.calls.get(site_id, 0)
        self.calls[site_id] = number + 1
        return number

    async def apply(
        self, work: ReleaseWork, *, now: int, ready_at: list[int], nodes: Sequence[Node] = ()
    ) -> tuple[bool, ObservedRelease]:
        """Brings the object to the work; says whether that changed anything, and what it is now.

        `ready_at` has the time at which each replica will be ready, `nodes` are those of its site. Raises StaleGeneration.
        """
        self._check_open()
        self.mature(now)
        found = self.objects.get(work.name)
        self._check_fence(work.name, work.generation)
        if found is not None and found.generation == work.generation:
            await self.journal.flushed()
            return False, observed(found, now)
        scheduler = Scheduler(nodes, work.pods, work.resources, beside=self._beside(work.name))
        made = made_of(work, found, ready_at=ready_at, scheduler=scheduler, version=self._next_version())
        self._drop(work.name)
        self.removed.pop(work.name, None)
        self._add(made)
        seen = observed(made, now)
        self._ring()
        await self.journal.append(_encode(_Line("applied", object=made)))
        return True, seen

    async def reschedule(
        self, *, nodes_at: Callable[[str], Sequence[Node]], ready_at: Callable[[SimulatedObject], list[int]]
    ) -> None:
        """Puts replicas that wait on nodes that take them by now; nodes change, and what was on them goes."""
        changed = []
        for name in list(self._waiting):
            found = self.objects[name]
            nodes = nodes_at(found.site_id)
            scheduler = Scheduler(nodes, found.pods, found.resources, beside=self._beside(name))
            if reschedule(found, scheduler, ready_at=ready_at(found)):
                self._drop(name)
                found.version = self._next_version()
                self._add(found)
                changed.append(_Line("applied", object=found))
        if changed:
            self._ring()
        for line in changed:
            await self.journal.append(_encode(line))

    async def remove(self, work: RemovalWork) -> bool:
        """Removes the object and remembers the generation; says whether there was one. Raises StaleGeneration."""
        self._check_open()
        found = self.objects.get(work.name)
        held = found.generation if found is not None else self.removed.get(work.name, (0, 0))[0]
        if held > work.generation:
            raise StaleGeneration(name=work.name, asked=work.generation, held=held)
        if found is None and work.name in self.removed and held == work.generation:
            await self.journal.flushed()
            return False
        self._forget(work.name, work.generation)
        await self.journal.append(_encode(_Line("removed", name=work.name, generation=work.generation)))
        return found is not None

    async def vanish(self, name: str) -> None:
        """Takes an object away as somebody's hand on the backend would: nothing is remembered of it."""
        if name in self.objects:
            self._forget(name, 0)
            await self.journal.append(_encode(_Line("vanished", name=name)))

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
                        self._on[node_id].discard(name)
            found.version = self._next_version()
            self.objects[name] = self.objects.pop(name)
            grown = True
        if grown:
            self._ring()

    def next_maturing(self) -> int | None:
        """When the next replica will be ready, UTC milliseconds; none: all are."""
        return self._maturing[0][0] if self._maturing else None

    def observed(self, *, since: int, now: int) -> Iterator[ObservedRelease]:
        """The objects that changed after a version, newest first; with -1 all of them."""
        for name in reversed(self.objects):
            found = self.objects[name]
            if found.version <= since:
                return
            yield observed(found, now)

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

    def _check_open(self) -> None:
        """A world that was closed is nobody's any more: another one may have been read from its file."""
        if self.journal.closed:
            raise Unreachable("the connection was closed before the call was done")

    def _check_fence(self, name: str, generation: int) -> None:
        found = self.objects.get(name)
        if found is not None and found.generation > generation:
            raise StaleGeneration(name=name, asked=generation, held=found.generation)
        gone = self.removed.get(name)
        if gone is not None and gone[0] >= generation:
            raise StaleGeneration(name=name, asked=generation, held=gone[0])

    def _beside(self, name: str) -> Callable[[str], Iterator[PodTerms]]:
        def beside(node_id: str) -> Iterator[PodTerms]:
            for other in sorted(self._on.get(node_id, ())):
                if other != name and self.objects[other].is_on(node_id):
                    yield self.objects[other].pods

        return beside

    def _add(self, found: SimulatedObject) -> None:
        self.objects[found.name] = found
        for one in found.instances:
            if one.node_id is not None:
                self._on.setdefault(one.node_id, set()).add(found.name)
        if any(one.waits is not None for one in found.instances):
            self._waiting[found.name] = None
        self._watch(found)

    def _drop(self, name: str) -> None:
        found = self.objects.pop(name, None)
        self._waiting.pop(name, None)
        for node_id in {one.node_id for one in found.instances} if found is not None else ():
            self._on.get(node_id or "", set()).discard(name)

    def _forget(self, name: str, generation: int) -> None:
        self._drop(name)
        self.removed.pop(name, None)
        self.removed[name] = (generation, self._next_version())
        while len(self.removed) > TOMBSTONES_KEPT:
            del self.removed[next(iter(self.removed))]
        self._ring()

    def _watch(self, found: SimulatedObject) -> None:
        for one in found.instances:
            if one.waits is None:
                heapq.heappush(self._maturing, (one.ready_at, found.name))

    def _next_version(self) -> int:
        self.version += 1
        return self.version

    def _ring(self) -> None:
        bell, self._changed = self._changed, asyncio.Event()
        bell.set()

    def _replay(self, line: _Line) -> None:
        if line.what == "opened":
            self._opened += 1
            self.history = line.history
        elif line.what == "applied" and line.object is not None:
            self.removed.pop(line.object.name, None)
            self.objects[line.object.name] = line.object
        elif line.what in ("removed", "vanished"):
            self.objects.pop(line.name, None)
            self.removed.pop(line.name, None)
            self.removed[line.name] = (line.generation, 0)

    def _summary(self) -> Iterator[_Line]:
        for _ in range(self._opened - 1):
            yield _Line("opened", history=self.history)
        for name, (generation, _) in self.removed.items():
            yield _Line("removed", name=name, generation=generation)
        for found in self.objects.values():
            yield _Line("applied", object=found)


def _encode(line: _Line) -> bytes:
    return msgspec.json.encode(line)
