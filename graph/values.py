"""Values that several kinds share: places, resources, health. Units are in the names."""

from __future__ import annotations

import enum
from typing import Annotated

import msgspec

from graph.entity import TimestampMs, doc

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
NonNegativeFloat = Annotated[float, msgspec.Meta(ge=0)]
Demand = Annotated[float, msgspec.Meta(ge=0, le=1e12)]
"""A weight of users: sums of many stay exact enough to be compared."""
Price = Annotated[float, msgspec.Meta(ge=0, le=1e9)]
"""Price units an hour for one of something."""
NonNegativeInt = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
"""What is counted one by one and stays within 32 bits: the API shows it as an Int."""


class Position(msgspec.Struct, frozen=True, gc=False):
    """A point on the earth, WGS84."""

    longitude: Annotated[float, msgspec.Meta(ge=-180, le=180, description="Degrees east, WGS84.")]
    latitude: Annotated[float, msgspec.Meta(ge=-90, le=90, description="Degrees north, WGS84.")]


class Accelerator(msgspec.Struct, frozen=True, gc=False):
    """Accelerators of one model."""

    model: Annotated[str, msgspec.Meta(min_length=1, max_length=63, description="The model, such as `nvidia-a100`.")]
    count: Annotated[int, msgspec.Meta(ge=0, le=1024, description="How many.")]


class AcceleratorPrice(msgspec.Struct, frozen=True, gc=False):
    """What an accelerator of one model costs."""

    model: Annotated[str, msgspec.Meta(min_length=1, max_length=63, description="The model, such as `nvidia-a100`.")]
    price_per_hour: Annotated[Price, doc("Price units for one of them for one hour.")]


class Resources(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """An amount of each resource: what a machine has, what is free, or what one replica needs."""

    cpu_millicores: Annotated[NonNegativeInt, doc("Thousandths of a core.")] = 0
    memory_bytes: Annotated[NonNegativeInt, doc("Memory in bytes.")] = 0
    storage_bytes: Annotated[NonNegativeInt, doc("Local storage in bytes.")] = 0
    accelerators: Annotated[list[Accelerator], doc("Accelerators by model.")] = []

    def accelerator_counts(self) -> dict[str, int]:
        """Counts by model; a model named twice counts twice."""
        counts: dict[str, int] = {}
        for one in self.accelerators:
            counts[one.model] = counts.get(one.model, 0) + one.count
        return counts

    def times(self, factor: int) -> Resources:
        """The amount for `factor` replicas."""
        return Resources(
            cpu_millicores=self.cpu_millicores * factor,
            memory_bytes=self.memory_bytes * factor,
            storage_bytes=self.storage_bytes * factor,
            accelerators=[Accelerator(one.model, one.count * factor) for one in self.accelerators],
        )

    def plus(self, other: Resources) -> Resources:
        """The sum of both."""
        return self._combined(other, 1)

    def minus(self, other: Resources) -> Resources:
        """What is left after `other` is taken away; never below zero."""
        return self._combined(other, -1)

    def covers(self, other: Resources) -> bool:
        """Whether `other` fits into this."""
        if (
            self.cpu_millicores < other.cpu_millicores
            or self.memory_bytes < other.memory_bytes
            or self.storage_bytes < other.storage_bytes
        ):
            return False
        if not other.accelerators:
            return True
        mine = self.accelerator_counts()
        return all(mine.get(model, 0) >= count for model, count in other.accelerator_counts().items())

    def _combined(self, other: Resources, sign: int) -> Resources:
        accelerators: list[Accelerator] = []
        if self.accelerators or other.accelerators:  # most have none, and thousands are summed up in one change
            counts = self.accelerator_counts()
            for model, count in other.accelerator_counts().items():
                counts[model] = max(0, counts.get(model, 0) + sign * count)
            accelerators = [Accelerator(model, count) for model, count in sorted(counts.items())]
        return Resources(
            cpu_millicores=max(0, self.cpu_millicores + sign * other.cpu_millicores),
            memory_bytes=max(0, self.memory_bytes + sign * other.memory_bytes),
            storage_bytes=max(0, self.storage_bytes + sign * other.storage_bytes),
            accelerators=accelerators,
        )


class HealthStatus(enum.Enum):
    """What an observer last found."""

    UNKNOWN = "UNKNOWN"
    """Nothing was observed yet."""
    READY = "READY"
    """All is in order."""
    DEGRADED = "DEGRADED"
    """It works, with findings."""
    DOWN = "DOWN"
    """It does not answer, or nothing of it can be used."""


class Health(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Health as an observer wrote it; never computed from a clock when it is read."""

    status: Annotated[HealthStatus, doc("What was last found.")] = HealthStatus.UNKNOWN
    reasons: Annotated[list[str], doc("Why it is not READY; empty when it is.")] = []
    observed_at: Annotated[
        TimestampMs | None, doc("When it was last found to change; null when nothing observed it.")
    ] = None


class Finding(msgspec.Struct, frozen=True, gc=False):
    """What was found wrong of one thing, from which health is made and worded; kept by id, for names change."""

    of: Annotated[str, doc("The id of what it was found of.")]
    away: Annotated[bool, doc("Whether it does not answer at all.")]
    words: Annotated[str, doc("What was found.")]


class TaintEffect(enum.Enum):
    """What a taint does to work that does not tolerate it (Kubernetes, Taints and Tolerations)."""

    NO_SCHEDULE = "NO_SCHEDULE"
    """Nothing new goes there."""
    PREFER_NO_SCHEDULE = "PREFER_NO_SCHEDULE"
    """What is new goes elsewhere where it can."""
    NO_EXECUTE = "NO_EXECUTE"
    """Nothing new goes there, and what runs there leaves."""


class Taint(msgspec.Struct, frozen=True, gc=False):
    """A mark on a node that keeps work away unless the work tolerates it."""

    key: Annotated[str, doc("The taint's key, by the rules of label keys.")]
    value: Annotated[str, doc("The taint's value; may be empty.")]
    effect: Annotated[TaintEffect, doc("What it does.")]


UNKNOWN_HEALTH = Health()
NO_RESOURCES = Resources()
