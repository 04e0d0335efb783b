"""What a simulated cluster has: its objects, their replicas, and what it remembers of those that were removed.

One `World` a cluster, whoever is connected to it. It changes on the event loop, each change whole between two awaits, so
that the check of the fence and the change that it allows are one step; real backends get the same from a conditional
write.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Iterator

import msgspec

from drivers.naming import instance_name
from drivers.port import (
    ObservedInstance,
    ObservedRelease,
    Permanent,
    ReleaseWork,
    RemovalWork,
    StaleGeneration,
    Unreachable,
)
from drivers.simulated.journal import Journal
from graph.identifiers import new_ulid
from graph.kinds import InstanceStatus

TOMBSTONES_KEPT = 50_000
COMPACT_FROM_LINES = 50_000
LIFE_BITS = 32
"""Versions begin at the world's opening shifted by so many bits: they rise over restarts though readiness is not kept."""


class SimulatedInstance(msgspec.Struct):
    """One replica."""

    name: str
    node_id: str | None
    generation: int
    ready_at: int
    """UTC milliseconds by the simulated clock."""
    leaving: bool = False
    """Replaced by another one, and kept until that is ready."""


class SimulatedObject(msgspec.Struct):
    """One object of the backend."""

    name: str
    owner: str
    site_id: str
    generation: int
    replicas: int
    content: str
    """What the replicas are made from; another one replaces them."""
    instances: list[SimulatedInstance]
    version: int = 0


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
        for one in self.objects.values():
            one.version = self._next_version()
            self._watch(one)
        self.removed = {name: (generation, self.version) for name, (generation, _) in self.removed.items()}

    def next_call(self, site_id: str) -> int:
        """The number of the next call to a site, from 0."""
        number = self.calls.get(site_id, 0)
        self.calls[site_id] = number + 1
        return number

    async def apply(self, work: ReleaseWork, *, now: int, ready_at: list[int]) -> tuple[bool, ObservedRelease]:
        """Brings the object to the work; says whether that changed anything, and what it is now.

        `ready_at` has the time at which each replica will be ready. Raises StaleGeneration.
        """
        self._check_open()
        self.mature(now)
        found = self.objects.get(work.name)
        self._check_fence(work.name, work.generation)
        if found is not None and found.generation == work.generation:
            await self.journal.flushed()
            return False, _observed(found, now)
        made = SimulatedObject(
            name=work.name,
            owner=work.owner,
            site_id=work.site_id,
            generation=work.generation,
            replicas=work.replicas,
            content=_content(work),
            instances=_replicas(work, found, ready_at),
            version=self._next_version(),
        )
        self.objects.pop(work.name, None)
        self.removed.pop(work.name, None)
        self.objects[work.name] = made
        self._watch(made)
        observed = _observed(made, now)
        self._ring()
        await self.journal.append(_encode(_Line("applied", object=made)))
        return True, observed

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
            if all(one.ready_at <= now for one in found.instances if not one.leaving):
                found.instances = [one for one in found.instances if not one.leaving]
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
            yield _observed(found, now)

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

    def _forget(self, name: str, generation: int) -> None:
        self.objects.pop(name, None)
        self.removed.pop(name, None)
        self.removed[name] = (generation, self._next_version())
        while len(self.removed) > TOMBSTONES_KEPT:
            del self.removed[next(iter(self.removed))]
        self._ring()

    def _watch(self, found: SimulatedObject) -> None:
        for one in found.instances:
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


def _content(work: ReleaseWork) -> str:
    parts = (work.artifact, work.configuration, work.resources)
    return msgspec.json.encode(parts, order="deterministic").decode()


def _replicas(work: ReleaseWork, found: SimulatedObject | None, ready_at: list[int]) -> list[SimulatedInstance]:
    """The replicas on their nodes: those that can stay do, the others stay until what replaces them is ready."""
    spots: list[str | None] = [node for node, count in sorted(work.assignments.items()) for _ in range(count)]
    spots += [None] * (work.replicas - len(spots))
    old = [one for one in found.instances if not one.leaving] if found is not None else []
    staying = old if found is not None and found.content == _content(work) else []
    free: dict[str | None, list[SimulatedInstance]] = {}
    for one in staying:
        free.setdefault(one.node_id, []).append(one)
    kept: list[SimulatedInstance] = []
    for index, node in enumerate(spots[: work.replicas]):
        if free.get(node):
            kept.append(free[node].pop(0))
            continue
        name = instance_name(work.name, generation=work.generation, node=node or "", index=index)
        kept.append(SimulatedInstance(name, node, work.generation, ready_at[index]))
    fresh = [one for one in kept if one.generation == work.generation]
    names = {one.name for one in kept}
    if not fresh:
        return kept
    return kept + [
        SimulatedInstance(one.name, one.node_id, one.generation, one.ready_at, leaving=True)
        for one in old
        if one.name not in names
    ]


def _observed(found: SimulatedObject, now: int) -> ObservedRelease:
    serving = [one for one in found.instances if not one.leaving]
    ready = sum(one.ready_at <= now for one in serving)
    return ObservedRelease(
        name=found.name,
        owner=found.owner,
        site_id=found.site_id,
        generation=found.generation,
        replicas=len(serving),
        ready_replicas=ready,
        version=found.version,
        message=None if ready == len(serving) else f"{ready} of {len(serving)} replicas are ready",
        instances=[
            ObservedInstance(
                name=one.name,
                node_id=one.node_id,
                generation=one.generation,
                status=_status(one, now),
            )
            for one in found.instances
        ],
    )


def _status(one: SimulatedInstance, now: int) -> InstanceStatus:
    if one.leaving:
        return InstanceStatus.TERMINATING
    return InstanceStatus.RUNNING if one.ready_at <= now else InstanceStatus.PENDING
