"""What a rule is: a value with a filter and a reason, each a function of the problem alone.

A rule of sites refuses sites. A rule of nodes leaves nodes out, and refuses a site only in so far as the replicas do not fit
into the nodes that are left. Capacity is what remains when no node is left out. So the rules that are named for a site are
those without which it would have passed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np

from placement.arrays import Mask
from placement.bins import Bins
from placement.decision import Reason
from placement.packing import Packing
from placement.problem import Problem
from placement.wording import counted, listed, number, of_its_nodes


@dataclass(frozen=True, slots=True)
class Shortage:
    """The component for which a site has no room, and how many of its replicas there is room for."""

    component: int
    placed: int


@dataclass(frozen=True, slots=True)
class SiteRule:
    """Refuses sites."""

    name: str
    refuses: Callable[[Problem], Mask]
    """For each site whether it is refused."""
    reason: Callable[[Problem, int], Reason]
    """Why a refused site is refused."""
    of_unit: bool = False
    """Whether it looks at the components and not only at what is said of the app as a whole."""
    alike: bool = False
    """Whether its reason is the same at every site, so that it is made once."""


@dataclass(frozen=True, slots=True)
class NodeRule:
    """Leaves nodes out."""

    name: str
    leaves_out: Callable[[Problem, int], Mask | None]
    """For a component, each bin whether it is left out; None: none is."""
    reason: Callable[[Problem, int, Shortage], Reason]
    """Why a site is refused that lacks room without the nodes left out."""


@dataclass(frozen=True, slots=True)
class CapacityRule:
    """Refuses sites that lack room even with every node."""

    name: str
    reasons: Callable[[Problem, int, Shortage, Packing], list[Reason]]
    """Why a refused site is refused: one reason for each resource that is short, the shortest first."""


Rule: TypeAlias = SiteRule | NodeRule | CapacityRule


def left_out_of(problem: Problem, site: int, left_out: Mask) -> tuple[int, int]:
    """How many of a site's nodes are left out, and how many it has."""
    bins = problem.bins.of_site(site)
    return int(left_out[bins].sum()), bins.stop - bins.start


def column_rule(name: str, column: Callable[[Bins], Mask], *, called: str) -> NodeRule:
    """A rule that leaves out the nodes which a column of the bins marks, whatever the component; they are `called` so."""

    def leaves_out(problem: Problem, component: int) -> Mask:
        return column(problem.bins)

    def reason(problem: Problem, site: int, shortage: Shortage) -> Reason:
        count, of = left_out_of(problem, site, column(problem.bins))
        because = of_its_nodes(count, of, f"is {called}", f"are {called}")
        return shortage_reason(problem, rule=name, shortage=shortage, because=because)

    return NodeRule(name, leaves_out, reason)


def shortage_reason(problem: Problem, *, rule: str, shortage: Shortage, because: str) -> Reason:
    """The reason of a rule of nodes: how many replicas there is room for without the nodes that it leaves out."""
    component = problem.components[shortage.component]
    count = replicas_of(component.replicas)
    return Reason(
        rule=rule,
        need=str(component.replicas),
        have=str(shortage.placed),
        unit="replicas",
        message=f"{because}; what is left takes {shortage.placed} of {count} of {component.name!r}",
        untold=f"{because}; what is left does not take {all_replicas(component.replicas)} of {component.name!r}",
    )


def selecting_rule(name: str, reason: Callable[[Problem, int], Reason], *, alike: bool = False) -> SiteRule:
    """The rule that a part of the policy's `sites` is; `name` is that of the part (placement/selection.py)."""

    def refuses(problem: Problem) -> Mask:
        selected = problem.words.selected.get(name)
        return nobody(problem) if selected is None else ~selected

    return SiteRule(name, refuses, reason, alike=alike)


def nobody(problem: Problem) -> Mask:
    """No site: the same mask for all who ask, which cannot be written to."""
    return _none_of(len(problem))


@lru_cache(maxsize=16)
def _none_of(sites: int) -> Mask:
    found = np.zeros(sites, dtype=bool)
    found.flags.writeable = False
    return found


def place_of(problem: Problem, site: int) -> str:
    """Where a site is, in words."""
    position = problem.sites[site].position
    if position is None:
        return "no position"
    return f"longitude {position.longitude:.4f}, latitude {position.latitude:.4f}"


def bandwidth_reason(rule: str, *, need: float, have: float, to: str) -> Reason:
    """The reason when the way has too little free, or a link on it does not say how much; in Mbit/s."""
    if np.isnan(have):
        return Reason(
            rule=rule,
            need=f"{number(need)} Mbit/s",
            have="not known",
            unit="",
            message=f"the way from {to} needs {number(need)} Mbit/s free, and a link on it does not state its bandwidth",
        )
    return Reason(
        rule=rule,
        need=number(need),
        have=number(have),
        unit="Mbit/s",
        message=f"the way from {to} needs {number(need)} Mbit/s free, and has {number(have)} Mbit/s",
    )


def regions_of(problem: Problem, region_ids: Sequence[str]) -> str:
    """The names of regions, in words; of many the first, and how many more there are."""
    return listed((problem.words.region_names.get(one, one) for one in region_ids), between=" or ")


def replicas_of(count: int) -> str:
    """So many replicas, in words."""
    return counted(count, "replica")


def all_replicas(count: int) -> str:
    """All of so many replicas, in words."""
    return "the one replica" if count == 1 else f"all {replicas_of(count)}"
