"""What somebody's hand does to a simulated cluster, past every driver: drift, strangers, and instances that crash.

A hand knows no generation and asks no fence; each of these is in the log of effects as its own.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from drivers.naming import instance_name
from drivers.simulated.objects import NEVER, Form, SimulatedInstance, SimulatedObject
from drivers.simulated.world import World
from graph.values import Resources

_Name = Annotated[str, msgspec.Meta(max_length=2048)]
_Count = Annotated[int, msgspec.Meta(ge=0, le=10_000)]
_Amount = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]


class NoSuchObject(Exception):
    """There is nothing of that name to lay a hand on."""


class Made(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """An object made by hand. Without an owner it is nobody's; with another one it is a stranger's."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=63)]
    site_id: Annotated[str, msgspec.Meta(min_length=1, max_length=2048)]
    site: _Name = ""
    owner: _Name = ""
    tenant_id: _Name = ""
    generation: _Amount = 0
    node_ids: Annotated[tuple[_Name | None, ...], msgspec.Meta(max_length=10_000)] = (None,)
    """Where its replicas are, one each; null: anywhere."""
    cpu_millicores: _Amount = 0
    """Of one replica, as `memoryBytes`."""
    memory_bytes: _Amount = 0


class Changed(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A change by hand; what is not given stays."""

    replicas: _Count | None = None
    """More than there are run anywhere at the site."""
    generation: _Amount | None = None
    """What the object says that it is."""
    content: Annotated[str, msgspec.Meta(max_length=10_000)] | None = None
    """What its replicas are made from: any word that is another."""


class Crash(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The end of instances."""

    instance: _Name = ""
    """Its name; empty: the object's first one."""
    for_ms: Annotated[int, msgspec.Meta(ge=0, le=2**40)] | None = 0
    """It is ready again after so long; null: never by itself."""


async def make(world: World, made: Made, *, now: int) -> None:
    """Makes an object, ready at once, in the place of what has its name."""
    instances = [
        SimulatedInstance(
            instance_name(made.name, generation=made.generation, node=node or "", index=index),
            node,
            made.generation,
            now,
        )
        for index, node in enumerate(made.node_ids)
    ]
    found = world.objects.get(made.name)
    one = SimulatedObject(
        name=made.name,
        owner=made.owner,
        site_id=made.site_id,
        generation=made.generation,
        replicas=len(instances),
        content="",
        instances=instances,
        site=made.site,
        tenant_id=made.tenant_id,
        resources=Resources(cpu_millicores=made.cpu_millicores, memory_bytes=made.memory_bytes),
        applied=_as_applied(found) if found is not None and found.owner == made.owner else None,
    )
    await world.rewrite(one, what="made", now=now)


async def change(world: World, name: str, changed: Changed, *, now: int) -> None:
    """Changes an object. Raises NoSuchObject."""
    found = _found(world, name)
    instances = [one for one in found.instances if not one.leaving]
    replicas = found.replicas if changed.replicas is None else changed.replicas
    generation = found.generation if changed.generation is None else changed.generation
    instances = instances[:replicas] + [
        SimulatedInstance(instance_name(name, generation=generation, node="hand", index=index), None, generation, now)
        for index in range(len(instances), replicas)
    ]
    one = msgspec.structs.replace(
        found,
        replicas=replicas,
        generation=generation,
        content=found.content if changed.content is None else changed.content,
        instances=instances,
        applied=_as_applied(found),
    )
    await world.rewrite(one, what="changed", now=now)


async def crash(world: World, name: str, crashed: Crash, *, now: int) -> None:
    """Ends an instance; its backend starts it again after a time, or cannot. Raises NoSuchObject."""
    found = _found(world, name)
    serving = [one for one in found.instances if not one.leaving]
    hit = next((one for one in serving if crashed.instance in ("", one.name)), None)
    if hit is None:
        raise NoSuchObject(f"{name} has no instance {crashed.instance}".rstrip())
    ready_at = NEVER if crashed.for_ms is None else now + crashed.for_ms
    again = msgspec.structs.replace(hit, ready_at=ready_at)
    instances = [again if one is hit else one for one in found.instances]
    trouble = f"{hit.name} crashed" if ready_at == NEVER else found.trouble
    await world.rewrite(msgspec.structs.replace(found, instances=instances, trouble=trouble), what="crashed", now=now)


async def vanish(world: World, name: str, *, now: int) -> None:
    """Takes an object away. Raises NoSuchObject."""
    _found(world, name)
    await world.vanish(name, now=now)


def _as_applied(found: SimulatedObject) -> Form | None:
    """What a driver applied before any hand was there; nothing, of what is nobody's."""
    return found.applied or (found.form if found.owner else None)


def _found(world: World, name: str) -> SimulatedObject:
    found = world.objects.get(name)
    if found is None:
        raise NoSuchObject(f"there is no object {name}")
    return found
