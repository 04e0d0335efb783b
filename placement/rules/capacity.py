"""Room for every replica on the nodes of the site, whatever else keeps nodes out."""

from __future__ import annotations

import numpy as np

from placement.decision import Reason
from placement.packing import Packing
from placement.problem import Problem
from placement.rules.rule import CapacityRule, Shortage

UNITS = {"cpu_millicores": "millicores", "memory_bytes": "bytes", "storage_bytes": "bytes"}
_WORDS = {"cpu_millicores": "millicores", "memory_bytes": "bytes of memory", "storage_bytes": "bytes of storage"}


def _reason(problem: Problem, site: int, shortage: Shortage, packing: Packing) -> Reason:
    bins = problem.bins
    here = bins.of_site(site)
    withheld = int(bins.withheld[site])
    aside = f" ({withheld} more nodes are under clusters that cannot be called)" if withheld else ""
    if here.start == here.stop:
        return Reason(
            rule="capacity",
            need="nodes or a stated capacity",
            have="neither",
            unit="",
            message=f"it has no nodes and states no capacity{aside}",
        )
    needed = problem.needed
    free = np.maximum(packing.free[site], 0.0)
    short = np.flatnonzero(free < needed)
    if len(short):
        # The resource that is farthest from enough.
        worst = int(short[np.argmin(free[short] / needed[short])])
        name = bins.resources[worst]
        need, have = f"{needed[worst]:.0f}", f"{free[worst]:.0f}"
        unit = UNITS.get(name, name)
        words = _WORDS.get(name, f"of accelerator {name!r}")
        offered = int(bins.usable[here, worst].sum())
        return Reason(
            rule="capacity",
            need=need,
            have=have,
            unit=unit,
            message=f"needs {need} {words} in all, has {have} free{aside}",
            untold=f"needs {need} {words} in all, and less of its {offered} is free{aside}",
        )
    component = problem.components[shortage.component]
    each = int(bins.free[here].max(axis=0)[0])
    return Reason(
        rule="capacity",
        need=str(component.replicas),
        have=str(shortage.placed),
        unit="replicas",
        message=(
            f"free in all, but not on single nodes of one cluster: {shortage.placed} of {component.replicas} replicas of "
            f"{component.name!r} fit, the emptiest node has {each} millicores free{aside}"
        ),
        untold=(
            f"free in all, but not on single nodes of one cluster: not all {component.replicas} replicas of "
            f"{component.name!r} fit{aside}"
        ),
    )


RULE = CapacityRule("capacity", _reason)
