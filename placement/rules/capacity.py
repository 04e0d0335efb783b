"""Room for every replica on the nodes of the site, whatever else keeps nodes out.

Each resource that is short is a reason of its own, so that whoever mends one is not told of the next only then. Short is
what the site lacks in all, and what a single replica needs and no node has. Where neither is, the replicas do not go
together.
"""

from __future__ import annotations

import numpy as np

from placement.decision import Reason
from placement.needs import ComponentNeed
from placement.packing import Packing
from placement.problem import Problem
from placement.rules.rule import CapacityRule, Shortage, all_replicas, replicas_of
from placement.wording import counted, in_bytes

NAME = "capacity"
UNITS = {"cpu_millicores": "millicores", "memory_bytes": "bytes", "storage_bytes": "bytes"}
_BYTES = {"memory_bytes": "memory", "storage_bytes": "storage"}


def _reasons(problem: Problem, site: int, shortage: Shortage, packing: Packing) -> list[Reason]:
    bins = problem.bins
    here = bins.of_site(site)
    withheld = int(bins.withheld[site])
    under = "is under a cluster" if withheld == 1 else "are under clusters"
    aside = (
        f" ({withheld} more {'node' if withheld == 1 else 'nodes'} {under} that cannot be called)" if withheld else ""
    )
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
    need, have = int(problem.needed[resource]), int(free)
    offered = int(bins.usable[bins.of_site(site), resource].sum())
    needs, has = _amounts(name, need, have)
    needs_untold, offers = _amounts(name, need, offered)
    # What it offers at most is no secret; how much of that is free is.
    short = f"of its {offers} less than that is free" if offered >= need else f"it has {offers}"
    return Reason(
        rule=NAME,
        need=str(need),
        have=str(have),
        unit=UNITS.get(name, name),
        message=f"needs {needs}{_of(name)} in all, has {has} free{aside}",
        untold=f"needs {needs_untold}{_of(name)} in all, and {short}{aside}",
    )


def _on_one_node(component: ComponentNeed, resource: str, *, need: int, have: int, aside: str) -> Reason:
    """The reason when no node has what one replica needs of a resource."""
    needs, has = _amounts(resource, need, have)
    wanted = f"a replica of {component.name!r} needs {needs}{_of(resource)} on one node"
    alone = f"a replica of {component.name!r} needs {_amounts(resource, need, need)[0]}{_of(resource)} on one node"
    return Reason(
        rule=NAME,
        need=str(need),
        have=str(have),
        unit=UNITS.get(resource, resource),
        message=f"{wanted}, the most that is free on one is {has}{aside}",
        untold=f"{alone}, and none has as much free{aside}",
    )


def _together(problem: Problem, shortage: Shortage, *, each: int, aside: str) -> Reason:
    """The reason when there is enough of everything, and the replicas do not go onto the nodes together."""
    component, placed = problem.components[shortage.component], shortage.placed
    count, wanted = replicas_of(component.replicas), all_replicas(component.replicas)
    fit = "fits" if component.replicas == 1 else "fit"
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
            f"free in all, but not {where}: {placed} of {count} of {component.name!r} "
            f"{fit}, the emptiest node has {counted(each, 'millicore')} free{aside}"
        ),
        untold=f"free in all, but {where} there is no room for {wanted} of {component.name!r}{aside}",
    )


def _amounts(resource: str, need: int, have: int) -> list[str]:
    """Both with their unit, in digits that tell them apart."""
    if resource in _BYTES:
        return in_bytes(need, have)
    if resource == "cpu_millicores":
        return [counted(need, "millicore"), str(have)]
    return [f"{counted(need, 'accelerator')} {resource!r}", str(have)]


def _of(resource: str) -> str:
    """What bytes are of."""
    return f" of {_BYTES[resource]}" if resource in _BYTES else ""


RULE = CapacityRule(NAME, _reasons)
