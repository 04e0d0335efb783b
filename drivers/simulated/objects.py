"""What a simulated cluster has: objects with their replicas, as they are kept in its journal and as they are reported.

What is left out has its default, so that a journal of before is read by a version that keeps more.
"""

from __future__ import annotations

from typing import Final

import msgspec

from drivers.pod_terms import PodTerms
from drivers.port import ObservedInstance, ObservedRelease
from drivers.simulated.quotas import Amount
from graph.kinds import InstanceStatus
from graph.values import NO_RESOURCES, Resources

NEVER: Final = 1 << 62
"""When a replica is ready that never will be."""


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


class Form(msgspec.Struct, frozen=True):
    """What an object asks for."""

    replicas: int
    content: str


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
    site: str = ""
    """The site's name."""
    tenant_id: str = ""
    component: str = ""
    reference: str = ""
    """The artifact's."""
    resources: Resources = NO_RESOURCES
    """Of one replica."""
    pods: PodTerms = PodTerms()
    trouble: str = ""
    """Why replicas are not ready that never will be."""
    applied: Form | None = None
    """As a driver applied it, where a hand was at it since; None: it is so, or no driver ever did."""

    @property
    def form(self) -> Form:
        """What it asks for now."""
        return Form(self.replicas, self.content)

    @property
    def drift(self) -> str | None:
        """How it is not as a driver applied it, in words that go on from its name."""
        if self.applied is None:
            return None
        told = []
        if self.replicas != self.applied.replicas:
            now, was = self.replicas, self.applied.replicas
            noun, verb = "replica" if now == 1 else "replicas", "was" if was == 1 else "were"
            told.append(f"has {now} {noun}, {was} {verb} applied")
        if self.content != self.applied.content:
            told.append("is made from something else than was applied")
        return " and ".join(told) or None

    @property
    def amount(self) -> Amount:
        """What it takes of quotas."""
        return Amount(
            objects=1,
            replicas=self.replicas,
            cpu_millicores=self.resources.cpu_millicores * self.replicas,
            memory_bytes=self.resources.memory_bytes * self.replicas,
        )

    def serving(self) -> list[SimulatedInstance]:
        """The replicas that are to stay."""
        return [one for one in self.instances if not one.leaving]

    def is_on(self, node_id: str) -> bool:
        """Whether a replica that is to stay is on a node."""
        return any(one.node_id == node_id and not one.leaving for one in self.instances)


def observed_of(found: SimulatedObject, now: int) -> ObservedRelease:
    """The object at that time, UTC milliseconds by the simulated clock."""
    serving = found.serving()
    ready = sum(one.is_ready(now) for one in serving)
    message = None
    if ready < len(serving):
        why = next((one.waits for one in serving if one.waits is not None), found.trouble)
        message = f"{ready} of {len(serving)} replicas are ready" + (f": {why}" if why else "")
    return ObservedRelease(
        name=found.name,
        owner=found.owner,
        site_id=found.site_id,
        generation=found.generation,
        replicas=len(serving),
        ready_replicas=ready,
        version=found.version,
        message=message,
        drift=found.drift,
        instances=[
            ObservedInstance(
                name=one.name,
                node_id=one.node_id,
                generation=one.generation,
                status=_status(one, now),
                message=one.waits or ((found.trouble or None) if one.ready_at == NEVER else None),
            )
            for one in found.instances
        ],
    )


def _status(one: SimulatedInstance, now: int) -> InstanceStatus:
    if one.leaving:
        return InstanceStatus.TERMINATING
    if one.waits is None and one.ready_at == NEVER:
        return InstanceStatus.FAILED
    return InstanceStatus.RUNNING if one.is_ready(now) else InstanceStatus.PENDING
