"""The object that a work asks for: which of its replicas stay, which are new, and on which nodes those go."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from drivers.naming import instance_name
from drivers.port import ReleaseWork
from drivers.simulated.objects import SimulatedInstance, SimulatedObject
from drivers.simulated.scheduler import Scheduler


class Start(msgspec.Struct, frozen=True):
    """When new replicas of an object are ready, if they are put on their nodes now."""

    ready_at: Sequence[int]
    """Of each replica, UTC milliseconds by the simulated clock, or `NEVER`."""
    trouble: str = ""
    """Why some never are."""


def made_of(
    work: ReleaseWork, found: SimulatedObject | None, *, start: Start, scheduler: Scheduler, version: int
) -> SimulatedObject:
    """The object that a work asks for, in the place of the one that was found."""
    return SimulatedObject(
        name=work.name,
        owner=work.owner,
        site_id=work.site_id,
        generation=work.generation,
        replicas=work.replicas,
        content=_content(work),
        instances=_replicas(work, found, ready_at=start.ready_at, scheduler=scheduler),
        version=version,
        site=work.site,
        tenant_id=work.tenant_id,
        component=work.component,
        reference=work.artifact.reference,
        resources=work.resources,
        pods=work.pods,
        trouble=start.trouble,
    )


def is_as_wanted(found: SimulatedObject, work: ReleaseWork) -> bool:
    """Whether the object is what this very work made it; a hand may have changed it since."""
    return found.generation == work.generation and found.replicas == work.replicas and found.content == _content(work)


def rescheduled(found: SimulatedObject, scheduler: Scheduler, *, start: Start) -> SimulatedObject | None:
    """The object with the replicas that wait on nodes that take them by now; None: nothing is different."""
    serving = found.serving()
    for one in serving:
        if one.waits is None:
            scheduler.take(one.node_id)
    put = []
    for index, one in enumerate(serving):
        if one.waits is None:
            put.append(one)
            continue
        node_id, waits = scheduler.put(one.assigned)
        put.append(msgspec.structs.replace(one, node_id=node_id, waits=waits, ready_at=start.ready_at[index]))
    if all(before.waits == after.waits for before, after in zip(serving, put, strict=True)):
        return None
    leaving = [one for one in found.instances if one.leaving]
    return msgspec.structs.replace(found, instances=put + leaving, trouble=start.trouble or found.trouble)


def _content(work: ReleaseWork) -> str:
    parts = (work.artifact, work.configuration, work.resources, work.pods)
    return msgspec.json.encode(parts, order="deterministic").decode()


def _replicas(
    work: ReleaseWork, found: SimulatedObject | None, *, ready_at: Sequence[int], scheduler: Scheduler
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
