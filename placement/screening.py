"""Every site past every rule, once; and why each that fell short did.

All rules are asked of all sites, so that a refusal names everything that stands in the way and not only the first thing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from placement.arrays import Ints, Mask
from placement.bins import Bins
from placement.compiled import Flags, Numbers, kernel
from placement.decision import Reason
from placement.packing import Packing, pack, pack_each
from placement.problem import Problem
from placement.rules import OF_PLACES
from placement.rules.rule import CapacityRule, NodeRule, Rule, Shortage, SiteRule


@dataclass(frozen=True)
class Screening:
    """What the rules say of each site."""

    problem: Problem
    rules: tuple[Rule, ...]
    passed: Mask
    packing: Packing
    """Into the nodes that no rule leaves out, at the sites that nothing refuses to all units."""
    _by_site_rules: dict[str, Mask]
    _left_out: dict[str, list[Mask | None]]
    """For each rule of nodes by name: the bins that it leaves out, by component."""
    _said: dict[int, list[Reason]] = field(default_factory=dict, init=False, repr=False, compare=False)
    """By what refuses: the reasons that are the same at every site."""

    @property
    def refused(self) -> dict[str, Mask]:
        """For each rule by name, in their order: the sites that it refuses."""
        return self._judged.refused

    @cached_property
    def _judged(self) -> _Judged:
        """What each rule refuses. That a site has no room decides; which rules keep its nodes out is for who asks why."""
        problem = self.problem
        bins, sites, components = problem.bins, len(problem), problem.components
        packing = pack(bins, components, eligible=self.packing.eligible, sites=sites)
        unfit, packing_of_all = ~packing.fits, packing
        touched = {name: _touched(bins, masks, unfit) for name, masks in self._left_out.items()}
        # Where no node is left out there is nothing more, and where all fits already there is nothing to ask.
        doubtful = np.zeros(sites, dtype=bool)
        for mask in touched.values():
            doubtful |= mask
        if doubtful.any():
            everything = np.ones(len(bins.site), dtype=bool)
            again = pack(bins, components, eligible=[everything for _ in components], sites=sites, among=doubtful)
            packing_of_all = packing.or_else(again, doubtful)
        refused: dict[str, Mask] = {}
        for rule in self.rules:
            if isinstance(rule, SiteRule):
                refused[rule.name] = self._by_site_rules[rule.name]
            elif isinstance(rule, CapacityRule):
                refused[rule.name] = ~packing_of_all.fits
            else:
                refused[rule.name] = touched[rule.name]
        return _Judged(refused, packing, packing_of_all)

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
                found.append(rule.reason(problem, site, self._shortage(self._judged.packing, site)))
            else:
                packing = self._judged.packing_of_all
                found += rule.reasons(problem, site, self._shortage(packing, site), packing)
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


@dataclass(frozen=True, slots=True)
class _Judged:
    """What each rule refuses, and by what."""

    refused: dict[str, Mask]
    packing: Packing
    """Into the nodes that no rule leaves out, at all sites."""
    packing_of_all: Packing
    """Into all nodes, where it does not fit into those: what capacity is judged by."""


def screen(problems: Sequence[Problem], rules: Sequence[Rule]) -> list[Screening]:
    """Asks every rule of every site: of the problem of each unit, the first of which is the one that serves the places.

    Places are served by the first unit alone, so they keep no site from the others. What is about the app as a whole is
    asked once.
    """
    node_rules = [one for one in rules if isinstance(one, NodeRule)]
    something: dict[int, tuple[Mask, bool]] = {}
    left_out = [
        {
            one.name: _some([one.leaves_out(problem, at) for at in range(len(problem.components))], something)
            for one in node_rules
        }
        for problem in problems
    ]
    whole: dict[str, Mask] = {}
    allowed: Mask = np.ones(len(problems[0]), dtype=bool)
    for rule in rules:
        if isinstance(rule, SiteRule) and not rule.of_unit:
            whole[rule.name] = rule.refuses(problems[0])
            if rule.name not in OF_PLACES:
                allowed &= ~whole[rule.name]
    packings = _packings(problems, left_out, allowed)
    found = []
    for at, (problem, mine, packing) in enumerate(zip(problems, left_out, packings, strict=True)):
        asked = tuple(one for one in rules if not at or one.name not in OF_PLACES)
        by_site_rules, passed = dict(whole), allowed & packing.fits
        for rule in asked:
            if isinstance(rule, SiteRule) and (rule.of_unit or rule.name in OF_PLACES):
                by_site_rules[rule.name] = rule.refuses(problem) if rule.of_unit else whole[rule.name]
                passed &= ~by_site_rules[rule.name]
        one = Screening(problem, asked, passed, packing, by_site_rules, mine)
        # Where nobody asks for room, a site that lacks it is refused only in so far as nodes are left out.
        whole_room = any(isinstance(rule, CapacityRule) for rule in asked)
        found.append(one if whole_room else replace(one, passed=one.passed_but_for(())))
    return found


def _packings(
    problems: Sequence[Problem], left_out: Sequence[dict[str, list[Mask | None]]], among: Mask
) -> list[Packing]:
    """Of each problem the packing into the nodes that no rule leaves out; those of single components all at once."""
    bins, sites = problems[0].bins, len(problems[0])
    everything = np.ones(len(bins.site), dtype=bool)
    known: dict[tuple[int, ...], Mask] = {}
    eligible = [
        [_not_in([masks[at] for masks in mine.values()], everything, known) for at in range(len(problem.components))]
        for problem, mine in zip(problems, left_out, strict=True)
    ]
    lone = [at for at, one in enumerate(problems) if len(one.components) == 1]
    components, masks = [problems[at].components[0] for at in lone], [eligible[at][0] for at in lone]
    alone = dict(zip(lone, pack_each(bins, components, eligible=masks, sites=sites, among=among), strict=True))
    return [
        alone.get(at) or pack(one.bins, one.components, eligible=eligible[at], sites=sites, among=among)
        for at, one in enumerate(problems)
    ]


def _some(masks: Sequence[Mask | None], something: dict[int, tuple[Mask, bool]]) -> list[Mask | None]:
    """Masks of bins, and None for those that have none; `something` keeps, by identity, which have any."""
    found: list[Mask | None] = []
    for one in masks:
        if one is not None and id(one) not in something:
            something[id(one)] = one, bool(one.any())
        found.append(one if one is not None and something[id(one)][1] else None)
    return found


def _not_in(masks: Sequence[Mask | None], everything: Mask, known: dict[tuple[int, ...], Mask]) -> Mask:
    """What is in none of some masks; the very mask of everything when that is all, and one mask for the same ones."""
    some = [one for one in masks if one is not None]
    key = tuple(map(id, some))
    if key not in known:
        found: Mask | None = None
        for one in some:
            found = one if found is None else found | one
        known[key] = everything if found is None else np.logical_not(found)
    return known[key]


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
