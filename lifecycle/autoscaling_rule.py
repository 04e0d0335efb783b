"""How many replicas a measurement asks for: the algorithm of the Kubernetes HorizontalPodAutoscaler, as it is documented.

`desired = ceil(current x value / target)`, and the same number while that ratio is within the tolerance. What is not known
is taken so that less is done: when replicas would be added, those without a sample and those that are not ready count as
idle; when they would be taken away, those without a sample count as busy. If that turns the direction round nothing is
done. (Kubernetes documentation, "Horizontal Pod Autoscaling", algorithm details.)

Pure functions of values; how fast what they ask for is followed is in `lifecycle.autoscaling_pace`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

MANY = 1e9
"""More than any policy allows: a number that is larger says no more."""
EXACT = 1e-9
"""What is taken for a rounding error of a ratio."""


class Measured(NamedTuple):
    """What is known of a component at a site, in the metric's own unit."""

    whole: float | None = None
    """Of all replicas together, measured before it reaches any; where it is known, the rest does not count."""
    ready: tuple[float, ...] = ()
    """Of each replica that is ready and was measured."""
    unready: int = 0
    """Replicas that are there and not ready yet."""
    missing: int = 0
    """Replicas that are ready and were not measured."""

    @property
    def known(self) -> bool:
        """Whether anything was measured."""
        return self.whole is not None or bool(self.ready)

    def value(self, *, current: int) -> float | None:
        """The value a replica, where anything was measured."""
        if self.whole is not None:
            return self.whole / max(current, 1)
        return sum(self.ready) / len(self.ready) if self.ready else None


def recommended(measured: Measured, *, current: int, target: float, busy: float, tolerance: float) -> int | None:
    """The replicas that a measurement asks for, before bounds and pace; None when nothing was measured.

    `target` is what each replica is to have, `busy` what one without a sample is taken to have when replicas would be taken
    away, both above 0; `current` is from 1.
    """
    if measured.whole is not None:
        if _near(measured.whole / (target * current), tolerance):
            return current
        return _ceil(measured.whole / target)
    found = len(measured.ready)
    if not found:
        return None
    whole = math.fsum(measured.ready)
    ratio = whole / (target * found)
    fewer_known = measured.unready if ratio > 1 else 0
    if not fewer_known and not measured.missing:
        return current if _near(ratio, tolerance) else _ceil(ratio * found)
    if ratio < 1:
        whole += busy * measured.missing
    careful = found + measured.missing + fewer_known
    anew = whole / (target * careful)
    if _near(anew, tolerance) or (ratio < 1) != (anew < 1):
        return current
    wanted = _ceil(anew * careful)
    turned = wanted > current if anew < 1 else wanted < current
    return current if turned else wanted


def _near(ratio: float, tolerance: float) -> bool:
    return abs(1.0 - ratio) <= tolerance + EXACT


def _ceil(value: float) -> int:
    value = min(value, MANY)
    return math.ceil(value - EXACT * max(value, 1.0))
