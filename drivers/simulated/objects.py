"""What a simulated cluster has: objects with their replicas, and how they look to whoever observes them."""

from __future__ import annotations

from typing import Final

import msgspec

from drivers.port import ObservedInstance, ObservedRelease
from drivers.simulated.quotas import Amount
from graph.kinds import InstanceStatus

NEVER: Final = 1 << 62
"""When a replica is ready that never will be."""


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
    site: str = ""
    """The site's name."""
    tenant_id: str = ""
    component: str = ""
    reference: str = ""
    """The artifact's."""
    cpu_millicores: int = 0
    """Of one replica, as `memory_bytes`."""
    memory_bytes: int = 0
    trouble: str = ""
    """Why replicas are not ready that never will be."""

    @property
    def amount(self) -> Amount:
        """What it takes of quotas."""
        return Amount(
            objects=1,
            replicas=self.replicas,
            cpu_millicores=self.cpu_millicores * self.replicas,
            memory_bytes=self.memory_bytes * self.replicas,
        )


def observed_of(found: SimulatedObject, now: int) -> ObservedRelease:
    """The object at that time, UTC milliseconds by the simulated clock."""
    serving = [one for one in found.instances if not one.leaving]
    ready = sum(one.ready_at <= now for one in serving)
    message = None
    if ready < len(serving):
        message = f"{ready} of {len(serving)} replicas are ready" + (f": {found.trouble}" if found.trouble else "")
    return ObservedRelease(
        name=found.name,
        owner=found.owner,
        site_id=found.site_id,
        generation=found.generation,
        replicas=len(serving),
        ready_replicas=ready,
        version=found.version,
        message=message,
        instances=[
            ObservedInstance(
                name=one.name,
                node_id=one.node_id,
                generation=one.generation,
                status=_status(one, now),
                message=(found.trouble or None) if one.ready_at == NEVER else None,
            )
            for one in found.instances
        ],
    )


def _status(one: SimulatedInstance, now: int) -> InstanceStatus:
    if one.leaving:
        return InstanceStatus.TERMINATING
    if one.ready_at == NEVER:
        return InstanceStatus.FAILED
    return InstanceStatus.RUNNING if one.ready_at <= now else InstanceStatus.PENDING
