"""What the samples of one target come to: which replicas count, which are set aside, and which are not measured.

Pure functions of values; which samples are new, and so to be believed, is found in `lifecycle.autoscaling_samples`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from drivers.port import Sample
from graph.kinds import Instance, InstanceStatus, ScalingMetric
from lifecycle.autoscaling_rule import Measured
from lifecycle.autoscaling_targets import Target

SPREAD_MS = 60_000
"""How much older than the newest a replica's sample may be: after that it counts as missing."""
NOT_MEASURED = "nothing is measured of it"
NONE_READY = "nothing is measured of its replicas that are ready"


class Read(NamedTuple):
    """What one target's source said."""

    measured: Measured | None
    at_ms: int
    """The time of the newest sample, by the measuring side's clock."""
    why: str | None = None


def measured_of(
    target: Target, instances: Sequence[Instance], samples: Sequence[Sample], *, aside: frozenset[str] | None = None
) -> Read:
    """A target's samples beside the instances that are known of it; `aside`: the names of those that are set aside, None:
    of those that are not ready.

    As the Kubernetes controller does it, those that are not ready are set aside though they were measured, of their CPU
    those that are only beginning as well, and those that have failed, are going or are not its own (any more) do not
    count at all.
    """
    taken = [
        (one, value)
        for one in samples
        if one.site_id == target.release.site_id and (value := _value(target, one)) is not None
    ]
    if not taken:
        return Read(None, 0, NOT_MEASURED)
    whole = max(((one.at_ms, value) for one, value in taken if one.instance is None), default=None)
    if whole is not None:
        return Read(Measured(whole=whole[1]), whole[0])
    there = {one.backend_name for one in instances if one.status in (InstanceStatus.RUNNING, InstanceStatus.PENDING)}
    if aside is None:
        aside = frozenset(one.backend_name for one in instances if one.status is InstanceStatus.PENDING)
    counted = [
        (one, value) for one, value in taken if not instances or (one.instance in there and one.instance not in aside)
    ]
    newest = max((one.at_ms for one, _ in counted), default=0)
    ready = {one.instance: value for one, value in counted if newest - one.at_ms <= SPREAD_MS}
    missing = sum(name not in ready for name in there - aside)
    seen = max((one.at_ms for one, _ in taken if not instances or one.instance in there), default=0)
    measured = Measured(ready=tuple(ready.values()), missing=missing, unready=len(aside))
    return Read(measured, newest or seen, NONE_READY)


def _value(target: Target, sample: Sample) -> float | None:
    """What was measured, where it can be meant."""
    cpu = target.policy.metric is ScalingMetric.CPU_UTILIZATION
    value = sample.cpu_millicores if cpu else sample.requests_per_second
    if value is None or not math.isfinite(value) or value < 0:
        return None
    return percent(target, value) if cpu else value


def percent(target: Target, millicores: float) -> float:
    """Percent of the CPU that one replica asks for."""
    return 100.0 * millicores / (target.release.resources.cpu_millicores or 1)
