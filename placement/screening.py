"""Every site past every rule, once; and why each that fell short did.

All rules are asked of all sites, so that a refusal names everything that stands in the way and not only the first thing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from msgspec import structs

from placement.arrays import Ints, Mask
from placement.bins import Bins
from placement.compiled import Flags, Numbers, kernel
from placement.decision import Reason
from placement.packing import Packing, pack, pack_each
from placement.problem import Problem
from placement.rules import OF_PLACES
from placement.rules.rule import CapacityRule, NodeRule, Rule, Shortage, SiteRule
from placement.wording import MOST_SAID, shortened


@dataclass(frozen=True)
class Screening:
    """What the rules say of each site."""

    problem: Problem
    rules: tuple[Rule, ...]
    refused: dict[str, Mask]
    """For each rule by name, in their order: the sites that it refuses."""
    passed: Mask
    packing: Packing
    """Into the nodes that no rule leaves out, at the sites that nothing refuses to all units: what is decided by."""
    _everywhere: Packing
    """The same, and at the other sites too."""
    _of_all: Packing
    """Into all nodes, where it does not fit into those: what capacity is judged by."""
    _said: dict[int, list[Reason]] = field(default_factory=dict, init=False, repr=False, compare=False)
    """By what refuses: the reasons that are the same at every site."""

    @cached_property
    def may_run(self) -> Mask:
        """The sites that no rule refuses by what they are, whatever room there is on their nodes."""
        found: Mask = np.ones(len(self.problem), dtype=bool)
        for rule in self.rules:
            if isinstance(rule, SiteRule):
                found &= ~self.refused[rule.name]
        return found

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
                found.append(rule.reason(problem, site, self._shortage(self._everywhere, site)))
            else:
                found += rule.reasons(problem, site, self._shortage(self._of_all, site), self._of_all)
        found = [_short(one) for one in found]
        if all(isinstance(rule, SiteRule) and rule.alike for rule in refusing):
            self._said[against] = found
        return found

    def reasons_of(self, sites: Ints) -> list[list[Reason]]:
        """What `reasons` says of several sites that are refused, in less time than to ask of each."""
        said, reasons = self._said, self.reasons
        against = self._against[sites].tolist()
        return [said.get(one) or reasons(site) for one, site in zip(against, sites.tolist(), strict=True)]

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
        return self._short_in_all(packing, site)

    def _short_in_all(self, packing: Packing, site: int) -> Shortage:
        """Of a site where every replica has a node: for which component too little is left, once what is in use there on no
        particular node is taken off."""
        needed, free = self.problem.needed, packing.free_at(site)
        for at, component in enumerate(self.problem.components):
            short = np.flatnonzero((component.need > 0) & (free < needed))
            if len(short) and component.replicas:
                lacking = np.ceil((needed - free)[short] / component.need[short]).max()
                return Shortage(at, max(0, component.replicas - int(lacking)))
        return Shortage(0, int(packing.placed[0, site]))


def _short(reason: Reason) -> Reason:
    """The reason with no text longer than may be said of each of thousands of sites."""
    texts = {name: getattr(reason, name) for name in ("need", "have", "message", "untold")}
    if all(len(one) <= MOST_SAID for one in texts.values()):
        return reason
    return structs.replace(reason, **{name: shortened(one) for name, one in texts.items()})


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
    whole = {rule.name: rule.refuses(problems[0]) for rule in rules if isinstance(rule, SiteRule) and not rule.of_unit}
    of_all_units = [name for name in whole if name not in OF_PLACES]
    barred = _any_of([whole[name] for name in of_all_units], len(problems[0]))
    everything = np.ones(len(problems[0].bins.site), dtype=bool)
    packings = _packings(problems, left_out, ~barred, everything)
    touched = _touched(problems[0].bins, left_out, [~one.fits for _, one in packings])
    found = []
    for at, (problem, (packing, everywhere), mine) in enumerate(zip(problems, packings, touched, strict=True)):
        of_all, doubtful = everywhere, _any_of(mine.values(), len(problem))
        # Where no node is left out there is nothing more, and where all fits already there is nothing to ask.
        if doubtful.any():
            eligible = [everything for _ in problem.components]
            again = pack(problem.bins, problem.components, eligible=eligible, sites=len(problem), among=doubtful)
            of_all = everywhere.or_else(again, doubtful)
        asked = tuple(one for one in rules if not at or one.name not in OF_PLACES)
        refused: dict[str, Mask] = {}
        for rule in asked:
            if isinstance(rule, SiteRule):
                refused[rule.name] = rule.refuses(problem) if rule.of_unit else whole[rule.name]
            elif isinstance(rule, CapacityRule):
                refused[rule.name] = ~of_all.fits
            else:
                refused[rule.name] = mine[rule.name]
        own = [mask for name, mask in refused.items() if name not in of_all_units]
        passed = ~_any_of([barred, *own], len(problem))
        found.append(Screening(problem, asked, refused, passed, packing, everywhere, of_all))
    return found


def _packings(
    problems: Sequence[Problem], left_out: Sequence[dict[str, list[Mask | None]]], among: Mask, everything: Mask
) -> list[tuple[Packing, Packing]]:
    """Of each problem the packing into the nodes that no rule leaves out, at some sites and everywhere.

    Those of single components are packed all at once. Of several the sites come first that may be chosen, for what is
    searched has its steps.
    """
    bins, sites = problems[0].bins, len(problems[0])
    known: dict[tuple[int, ...], Mask] = {}
    eligible = [
        [_not_in([masks[at] for masks in mine.values()], everything, known) for at in range(len(problem.components))]
        for problem, mine in zip(problems, left_out, strict=True)
    ]
    lone = [at for at, one in enumerate(problems) if len(one.components) == 1]
    components, masks = [problems[at].components[0] for at in lone], [eligible[at][0] for at in lone]
    alone = dict(zip(lone, pack_each(bins, components, eligible=masks, sites=sites), strict=True))
    found = []
    for at, one in enumerate(problems):
        packing = everywhere = alone.get(at)
        if packing is None or everywhere is None:
            packing = everywhere = pack(bins, one.components, eligible=eligible[at], sites=sites, among=among)
            if not among.all():
                rest = pack(bins, one.components, eligible=eligible[at], sites=sites, among=~among)
                everywhere = packing.or_else(rest, ~among)
        found.append((packing, everywhere))
    return found


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


def _touched(
    bins: Bins, left_out: Sequence[dict[str, list[Mask | None]]], unfit: Sequence[Mask]
) -> list[dict[str, Mask]]:
    """By problem and rule of nodes: of the sites where it does not fit those of which nodes are left out for a component.

    What several problems leave out is looked at once, at the sites of all of them.
    """
    asked: Mask | None = None
    known: dict[int, Mask] = {}
    found: list[dict[str, Mask]] = []
    nothing = np.zeros(len(bins.first) - 1, dtype=bool)
    for mine, here in zip(left_out, unfit, strict=True):
        rules: dict[str, Mask] = {}
        for name, masks in mine.items():
            if all(one is None for one in masks):
                rules[name] = nothing
                continue
            touched = np.zeros(len(here), dtype=bool)
            for one in {id(one): one for one in masks if one is not None}.values():
                if id(one) not in known:
                    asked = _any_of(unfit, len(here)) if asked is None else asked
                    known[id(one)] = np.zeros(len(here), dtype=bool)
                    _touch(bins.first, one, asked, known[id(one)])
                touched |= known[id(one)]
            touched &= here
            rules[name] = touched
        found.append(rules)
    return found


def _any_of(masks: Iterable[Mask], sites: int) -> Mask:
    """(sites,): those that are in any of some masks; the same mask is looked at once, for many rules refuse nobody."""
    found = np.zeros(sites, dtype=bool)
    for one in {id(one): one for one in masks}.values():
        found |= one
    return found


@kernel
def _touch(first: Numbers, left_out: Flags, among: Flags, touched: Flags) -> None:
    for site in range(len(among)):
        if among[site] and not touched[site]:
            for at in range(first[site], first[site + 1]):
                if left_out[at]:
                    touched[site] = True
                    break
