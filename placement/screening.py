"""Every site past every rule, once; and why each that fell short did.

All rules are asked of all sites, so that a refusal names everything that stands in the way and not only the first thing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from placement.arrays import Mask
from placement.decision import Reason
from placement.packing import Packing, pack
from placement.problem import Problem
from placement.rules.rule import CapacityRule, NodeRule, Rule, Shortage, SiteRule


@dataclass(frozen=True, slots=True)
class Screening:
    """What the rules say of each site."""

    problem: Problem
    rules: tuple[Rule, ...]
    refused: dict[str, Mask]
    """For each rule by name: the sites that it refuses."""
    passed: Mask
    packing: Packing
    """Into the nodes that no rule leaves out."""
    packing_of_all: Packing
    """Into all nodes, where it does not fit into those: what capacity is judged by."""

    def rules_against(self, site: int) -> list[str]:
        """The names of the rules that refuse a site."""
        return [one.name for one in self.rules if self.refused[one.name][site]]

    def reasons(self, site: int) -> list[Reason]:
        """Why a site is refused, in the order of the rules; empty when it passed."""
        problem = self.problem
        found: list[Reason] = []
        for rule in self.rules:
            if not self.refused[rule.name][site]:
                continue
            if isinstance(rule, SiteRule):
                found.append(rule.reason(problem, site))
            elif isinstance(rule, NodeRule):
                found.append(rule.reason(problem, site, self._shortage(self.packing, site)))
            else:
                shortage = self._shortage(self.packing_of_all, site)
                found += rule.reasons(problem, site, shortage, self.packing_of_all)
        return found

    def passed_but_for(self, rule_names: Collection[str]) -> Mask:
        """The sites that no other rule refuses."""
        kept = np.ones(len(self.problem), dtype=bool)
        for name, refused in self.refused.items():
            if name not in rule_names:
                kept &= ~refused
        return kept

    def _shortage(self, packing: Packing, site: int) -> Shortage:
        placed = packing.placed[:, site].tolist()
        for at, component in enumerate(self.problem.components):
            if placed[at] < component.replicas:
                return Shortage(at, placed[at])
        return Shortage(0, placed[0])


def screen(problem: Problem, rules: Sequence[Rule]) -> Screening:
    """Asks every rule of every site."""
    bins, sites = problem.bins, len(problem)
    components = range(len(problem.components))
    of_nodes = [one for one in rules if isinstance(one, NodeRule)]
    left_out = {one.name: [one.leaves_out(problem, at) for at in components] for one in of_nodes}
    touched = {name: _touched(problem, masks) for name, masks in left_out.items()}
    everything = np.ones(len(bins.site), dtype=bool)
    eligible = [_not_in([left_out[one.name][at] for one in of_nodes], everything) for at in components]
    packing = pack(bins, problem.components, eligible=eligible, sites=sites)
    packing_of_all = packing
    # Where no node is left out there is nothing more, and where all fits already there is nothing to ask.
    doubtful = np.logical_or.reduce([touched[one.name] for one in of_nodes]) & ~packing.fits if of_nodes else None
    if doubtful is not None and doubtful.any():
        again = pack(bins, problem.components, eligible=[everything for _ in components], sites=sites, among=doubtful)
        packing_of_all = packing.or_else(again, doubtful)
    refused: dict[str, Mask] = {}
    for rule in rules:
        if isinstance(rule, SiteRule):
            refused[rule.name] = rule.refuses(problem)
        elif isinstance(rule, CapacityRule):
            refused[rule.name] = ~packing_of_all.fits
        else:
            refused[rule.name] = ~packing.fits & touched[rule.name]
    passed = np.ones(sites, dtype=bool)
    for mask in refused.values():
        passed &= ~mask
    return Screening(
        problem=problem,
        rules=tuple(rules),
        refused=refused,
        passed=passed,
        packing=packing,
        packing_of_all=packing_of_all,
    )


def _not_in(masks: Sequence[Mask], everything: Mask) -> Mask:
    """What is in none of some masks; the very mask of everything when that is all."""
    found: Mask | None = None
    seen: set[int] = set()
    for one in masks:
        if id(one) not in seen:
            seen.add(id(one))
            found = one if found is None else found | one
    if found is None or not found.any():
        return everything
    return np.logical_not(found)


def _touched(problem: Problem, left_out: Sequence[Mask]) -> Mask:
    """The sites of which nodes are left out for some component."""
    touched = np.zeros(len(problem), dtype=bool)
    for at, one in enumerate(left_out):
        if not any(one is before for before in left_out[:at]):
            touched[problem.bins.site[np.flatnonzero(one)]] = True
    return touched
