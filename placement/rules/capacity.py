"""Room for every replica on the nodes of the site, whatever else keeps nodes out.

Each resource that is short is a reason of its own, so that whoever mends one is not told of the next only then. Short is
what the site lacks in all, and what a single replica needs and no node has. Where neither is, the replicas do not go
together.
"""

from __future__ import annotations

import numpy as np

from placement.bins import ComponentNeed
from placement.decision import Reason
from placement.packing import Packing
from placement.problem import Problem
from placement.rules.rule import CapacityRule, Shortage, replicas_of

NAME = "capacity"
UNITS = {"cpu_millicores": "millicores", "memory_bytes": "bytes", "storage_bytes": "bytes"}
_WORDS = {"cpu_millicores": "millicores", "memory_bytes": "bytes of memory", "storage_bytes": "bytes of storage"}


def _reasons(problem: Problem, site: int, shortage: Shortage, packing: Packing) -> list[Reason]:
    bins = problem.bins
    here = bins.of_site(site)
    withheld = int(bins.withheld[site])
    aside = f" ({withheld} more nodes are under clusters that cannot be called)" if withheld else ""
    if here.start == here.stop:
        return [
            Reason(
                rule=NAME,
                need="nodes or a stated capacity",
                have="neither",
                unit="",
                message=f"it has no nodes and states no capacity{aside}",
            )
        ]
    short: list[tuple[float, Reason]] = []
    free = np.maximum(packing.free_at(site), 0.0)
    most = bins.free[here].max(axis=0).clip(min=0)
    asking = [one for one in problem.components if one.replicas]
    for at, name in enumerate(bins.resources):
        needed = float(problem.needed[at])
        if free[at] < needed:
            short.append((float(free[at]) / needed, _in_all(problem, site, at, float(free[at]), aside)))
            continue
        component = max(asking, key=lambda one: int(one.need[at]))
        each = int(component.need[at])
        if most[at] < each:
            reason = _on_one_node(component, name, need=each, have=int(most[at]), aside=aside)
            short.append((int(most[at]) / each, reason))
    if short:
        # The resource that is farthest from enough first.
        return [reason for _, reason in sorted(short, key=lambda one: one[0])]
    return [_together(problem, shortage, each=int(most[0]), aside=aside)]


def _in_all(problem: Problem, site: int, resource: int, free: float, aside: str) -> Reason:
    """The reason when the site as a whole lacks a resource."""
    bins = problem.bins
    name = bins.resources[resource]
    need, have, words = f"{problem.needed[resource]:.0f}", f"{free:.0f}", _words(name)
    offered = int(bins.usable[bins.of_site(site), resource].sum())
    # What it offers at most is no secret; how much of that is free is.
    short = f"of its {offered} less than that is free" if offered >= problem.needed[resource] else f"it has {offered}"
    return Reason(
        rule=NAME,
        need=need,
        have=have,
        unit=UNITS.get(name, name),
        message=f"needs {need} {words} in all, has {have} free{aside}",
        untold=f"needs {need} {words} in all, and {short}{aside}",
    )


def _on_one_node(component: ComponentNeed, resource: str, *, need: int, have: int, aside: str) -> Reason:
    """The reason when no node has what one replica needs of a resource."""
    wanted = f"a replica of {component.name!r} needs {need} {_words(resource)} on one node"
    return Reason(
        rule=NAME,
        need=str(need),
        have=str(have),
        unit=UNITS.get(resource, resource),
        message=f"{wanted}, the most that is free on one is {have}{aside}",
        untold=f"{wanted}, and none has as much free{aside}",
    )


def _together(problem: Problem, shortage: Shortage, *, each: int, aside: str) -> Reason:
    """The reason when there is enough of everything, and the replicas do not go onto the nodes together."""
    component, placed = problem.components[shortage.component], shortage.placed
    count = replicas_of(component.replicas)
    others = [
        one.name for one in problem.components if one.name in component.away_from or component.name in one.away_from
    ]
    where = "on single nodes of one cluster"
    if others:
        where += f" that run no replica of {' or '.join(map(repr, others))}, from which it keeps away"
    if component.beside:
        where += f" that run a replica of {' and of '.join(map(repr, sorted(component.beside)))}, which it goes with"
    return Reason(
        rule=NAME,
        need=str(component.replicas),
        have=str(placed),
        unit="replicas",
        message=(
            f"free in all, but not {where}: {placed} of {count} of "
            f"{component.name!r} fit, the emptiest node has {each} millicores free{aside}"
        ),
        untold=(f"free in all, but not {where}: not all {count} of {component.name!r} fit{aside}"),
    )


def _words(resource: str) -> str:
    return _WORDS.get(resource, f"of accelerator {resource!r}")


RULE = CapacityRule(NAME, _reasons)
