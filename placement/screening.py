"""Every site past every rule, once; and why each that fell short did.

All rules are asked of all sites, so that a refusal names everything that stands in the way and not only the first thing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from placement.arrays import Ints, Mask
from placement.bins import Bins
from placement.compiled import Flags, Numbers, kernel
from placement.decision import Reason
from placement.packing import Packing, pack
from placement.problem import Problem
from placement.rules.rule import CapacityRule, NodeRule, Rule, Shortage, SiteRule


@dataclass(frozen=True)
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
    _said: dict[int, list[Reason]] = field(default_factory=dict, init=False, repr=False, compare=False)
    """By what refuses: the reasons that are the same at every site."""

    @cached_property
    def _against(self) -> Ints:
        """(sites,) a bit for each rule that refuses the site, in the order of the rules."""
        found = np.zeros(len(self.problem), dtype=np.int64)
        for at, rule in enumerate(self.rules):
            found |= self.refused[rule.name].astype(np.int64) << at
        return found

    def rules_against(self, site: int) -> list[str]:
        """The names of the rules that refuse a site."""
        return [one.name for one in self.rules if self.refused[one.name][site]]

    def reasons(self, site: int) -> list[Reason]:
        """Why a site is refused, in the order of the rules; empty when it passed. Not to be changed: sites share it."""
        problem, against = self.problem, int(self._against[site])
        said = self._said.get(against)
        if said is not None:
            return said
        found: list[Reason] = []
        refusing = [rule for at, rule in enumerate(self.rules) if against >> at & 1]
        for rule in refusing:
            if isinstance(rule, SiteRule):
                found.append(rule.reason(problem, site))
            elif isinstance(rule, NodeRule):
                found.append(rule.reason(problem, site, self._shortage(self.packing, site)))
            else:
                shortage = self._shortage(self.packing_of_all, site)
                found += rule.reasons(problem, site, shortage, self.packing_of_all)
        if all(isinstance(rule, SiteRule) and rule.alike for rule in refusing):
            self._said[against] = found
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


def screen(problem: Problem, rules: Sequence[Rule], *, beside: Screening | None = None) -> Screening:
    """Asks every rule of every site. What was found for another unit of the app, `beside`, is not asked again if it is about
    the app as a whole."""
    bins, sites = problem.bins, len(problem)
    components = range(len(problem.components))
    left_out = {
        one.name: _some([one.leaves_out(problem, at) for at in components])
        for one in rules
        if isinstance(one, NodeRule)
    }
    everything = np.ones(len(bins.site), dtype=bool)
    eligible = [_not_in([masks[at] for masks in left_out.values()], everything) for at in components]
    packing = pack(bins, problem.components, eligible=eligible, sites=sites)
    packing_of_all = packing
    touched = {name: _touched(bins, masks, ~packing.fits) for name, masks in left_out.items()}
    # Where no node is left out there is nothing more, and where all fits already there is nothing to ask.
    doubtful = np.zeros(sites, dtype=bool)
    for mask in touched.values():
        doubtful |= mask
    if doubtful.any():
        again = pack(bins, problem.components, eligible=[everything for _ in components], sites=sites, among=doubtful)
        packing_of_all = packing.or_else(again, doubtful)
    refused: dict[str, Mask] = {}
    for rule in rules:
        if isinstance(rule, SiteRule):
            known = None if beside is None or rule.of_unit else beside.refused.get(rule.name)
            refused[rule.name] = rule.refuses(problem) if known is None else known
        elif isinstance(rule, CapacityRule):
            refused[rule.name] = ~packing_of_all.fits
        else:
            refused[rule.name] = touched[rule.name]
    by_any = np.zeros(sites, dtype=bool)
    for mask in refused.values():
        by_any |= mask
    return Screening(
        problem=problem,
        rules=tuple(rules),
        refused=refused,
        passed=~by_any,
        packing=packing,
        packing_of_all=packing_of_all,
    )


def _some(masks: Sequence[Mask]) -> list[Mask | None]:
    """Masks of bins, and None for those that have none."""
    found: list[Mask | None] = []
    for at, one in enumerate(masks):
        before = next((n for n in range(at) if masks[n] is one), None)
        found.append(found[before] if before is not None else one if one.any() else None)
    return found


def _not_in(masks: Sequence[Mask | None], everything: Mask) -> Mask:
    """What is in none of some masks; the very mask of everything when that is all."""
    found: Mask | None = None
    for one in masks:
        if one is not None:
            found = one if found is None else found | one
    return everything if found is None else np.logical_not(found)


def _touched(bins: Bins, left_out: Sequence[Mask | None], among: Mask) -> Mask:
    """Of some sites those of which nodes are left out for some component."""
    touched = np.zeros(len(among), dtype=bool)
    for at, one in enumerate(left_out):
        if one is not None and not any(one is before for before in left_out[:at]):
            _touch(bins.first, one, among, touched)
    return touched


@kernel
def _touch(first: Numbers, left_out: Flags, among: Flags, touched: Flags) -> None:
    for site in range(len(among)):
        if among[site] and not touched[site]:
            for at in range(first[site], first[site + 1]):
                if left_out[at]:
                    touched[site] = True
                    break
