"""The objects of a simulated cluster and their replicas, as they are kept in its journal and as they are reported.

What is left out has its default, so that a journal of before is read by a version that keeps more.
"""

from __future__ import annotations

import msgspec

from drivers.naming import instance_name
from drivers.pod_terms import PodTerms
from drivers.port import ObservedInstance, ObservedRelease, ReleaseWork
from drivers.simulated.scheduler import Scheduler
from graph.kinds import InstanceStatus
from graph.values import NO_RESOURCES, Resources


class SimulatedInstance(msgspec.Struct, omit_defaults=True):
    """One replica."""

    name: str
    node_id: str | None
    generation: int
    ready_at: int
    """UTC milliseconds by the simulated clock; not before it is on a node."""
    leaving: bool = False
    """Replaced by another one, and kept until that is ready."""
    waits: str | None = None
    """Why no node takes it."""
    assigned: str | None = None
    """With `waits`: the one node that it may be on; none: any at its site."""

    def is_ready(self, now: int) -> bool:
        """Whether it is ready by a time."""
        return self.waits is None and self.ready_at <= now


class SimulatedObject(msgspec.Struct, omit_defaults=True):
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
    pods: PodTerms = PodTerms()
    resources: Resources = NO_RESOURCES

    def serving(self) -> list[SimulatedInstance]:
        """The replicas that are to stay."""
        return [one for one in self.instances if not one.leaving]

    def is_on(self, node_id: str) -> bool:
        """Whether a replica that is to stay is on a node."""
        return any(one.node_id == node_id and not one.leaving for one in self.instances)


def made_of(
    work: ReleaseWork, found: SimulatedObject | None, *, ready_at: list[int], scheduler: Scheduler, version: int
) -> SimulatedObject:
    """The object that a work asks for, in the place of the one that was found."""
    return SimulatedObject(
        name=work.name,
        owner=work.owner,
        site_id=work.site_id,
        generation=work.generation,
        replicas=work.replicas,
        content=_content(work),
        instances=_replicas(work, found, ready_at=ready_at, scheduler=scheduler),
        version=version,
        pods=work.pods,
        resources=work.resources,
    )


def reschedule(found: SimulatedObject, scheduler: Scheduler, *, ready_at: list[int]) -> bool:
    """Puts the replicas that wait on nodes that take them by now; says whether anything changed."""
    changed = False
    for one in found.serving():
        if one.waits is None:
            scheduler.take(one.node_id)
    for index, one in enumerate(found.serving()):
        if one.waits is not None:
            before, spot = one.waits, scheduler.put(one.assigned)
            one.node_id, one.waits = spot
            one.ready_at = ready_at[index]
            changed = changed or one.waits != before
    return changed


def observed(found: SimulatedObject, now: int) -> ObservedRelease:
    """What is reported of an object."""
    serving = found.serving()
    ready = sum(one.is_ready(now) for one in serving)
    waits = next((f": {one.waits}" for one in serving if one.waits is not None), "")
    return ObservedRelease(
        name=found.name,
        owner=found.owner,
        site_id=found.site_id,
        generation=found.generation,
        replicas=len(serving),
        ready_replicas=ready,
        version=found.version,
        message=None if ready == len(serving) else f"{ready} of {len(serving)} replicas are ready{waits}",
        instances=[
            ObservedInstance(
                name=one.name,
                node_id=one.node_id,
                generation=one.generation,
                status=_status(one, now),
                message=one.waits,
            )
            for one in found.instances
        ],
    )


def _status(one: SimulatedInstance, now: int) -> InstanceStatus:
    if one.leaving:
        return InstanceStatus.TERMINATING
    return InstanceStatus.RUNNING if one.is_ready(now) else InstanceStatus.PENDING


def _content(work: ReleaseWork) -> str:
    parts = (work.artifact, work.configuration, work.resources, work.pods)
    return msgspec.json.encode(parts, order="deterministic").decode()


def _replicas(
    work: ReleaseWork, found: SimulatedObject | None, *, ready_at: list[int], scheduler: Scheduler
) -> list[SimulatedInstance]:
    """The replicas on their nodes: those that can stay do, the others stay until what replaces them is ready."""
    wanted: list[str | None] = [node for node, count in sorted(work.assignments.items()) for _ in range(count)]
    wanted = (wanted + [None] * (work.replicas - len(wanted)))[: work.replicas]
    old = found.serving() if found is not None else []
    stays = [one for one in old if one.waits is None] if found is not None and found.content == _content(work) else []
    kept = _kept(wanted, stays)
    for one in kept.values():
        scheduler.take(one.node_id)
    made = []
    for index, node in enumerate(wanted):
        if index in kept:
            made.append(kept[index])
            continue
        name = instance_name(work.name, generation=work.generation, node=node or "", index=index)
        on, waits = scheduler.put(node)
        assigned = node if waits is not None else None
        made.append(SimulatedInstance(name, on, work.generation, ready_at[index], waits=waits, assigned=assigned))
    if len(kept) == len(made):
        return made
    names = {one.name for one in made}
    return made + [
        SimulatedInstance(one.name, one.node_id, one.generation, one.ready_at, leaving=True)
        for one in old
        if one.name not in names and one.waits is None
    ]


def _kept(wanted: list[str | None], stays: list[SimulatedInstance]) -> dict[int, SimulatedInstance]:
    """Which replica that runs is which of those that are wanted: on the node that it is on, else anywhere."""
    free: dict[str | None, list[SimulatedInstance]] = {}
    for one in stays:
        free.setdefault(one.node_id, []).append(one)
    kept = {}
    for index, node in enumerate(wanted):
        if node is not None and free.get(node):
            kept[index] = free[node].pop(0)
    rest = [one for listed in free.values() for one in listed]
    for index, node in enumerate(wanted):
        if node is None and rest:
            kept[index] = rest.pop(0)
    return kept
