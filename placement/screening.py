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
from placement.packing import Packing, pack, packing_of_one
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
    barred = _any_of([mask for name, mask in whole.items() if name not in OF_PLACES], len(problems[0]))
    others = tuple(one for one in rules if one.name not in OF_PLACES)
    found = []
    for at, (problem, masks) in enumerate(zip(problems, left_out, strict=True)):
        nodes = _on_nodes(problem, masks, barred)
        asked = others if at else tuple(rules)
        refused: dict[str, Mask] = {}
        own = [barred]
        for rule in asked:
            name = rule.name
            mask = whole.get(name)
            if mask is None:
                if isinstance(rule, SiteRule):
                    mask = rule.refuses(problem)
                elif isinstance(rule, CapacityRule):
                    mask = nodes.crowded
                else:
                    mask = nodes.touched[name]
                own.append(mask)
            elif name in OF_PLACES:
                own.append(mask)
            refused[name] = mask
        passed = ~_any_of(own, len(problem))
        found.append(Screening(problem, asked, refused, passed, nodes.packing, nodes.everywhere, nodes.of_all))
    return found


@dataclass(frozen=True, slots=True)
class _OnNodes:
    """What the nodes of each site have room for."""

    packing: Packing
    everywhere: Packing
    of_all: Packing
    """As those of a `Screening`."""
    touched: dict[str, Mask]
    """By rule of nodes: the sites that it refuses."""
    crowded: Mask
    """The sites at which it does not fit with all nodes either."""


def _on_nodes(problem: Problem, left_out: dict[str, list[Mask | None]], barred: Mask) -> _OnNodes:
    """Packs the components of a problem into the nodes that no rule leaves out, and where that fails into all.

    A single component is packed at all sites at once, and what comes of it kept with the amounts: it is the same for every
    app with such a component. Of several the sites come first that may be chosen, for what is searched has its steps.
    """
    bins, sites, components = problem.bins, len(problem), problem.components
    everything: Mask = bins.once((), lambda: np.ones(len(bins.site), dtype=bool))
    eligible = [_not_in(bins, [one[at] for one in left_out.values()], everything) for at in range(len(components))]
    if len(components) > 1:
        packing = everywhere = pack(bins, components, eligible=eligible, sites=sites, among=~barred)
        if barred.any():
            rest = pack(bins, components, eligible=eligible, sites=sites, among=barred)
            everywhere = packing.or_else(rest, barred)
        touched = _touched(bins, left_out, ~everywhere.fits)
        of_all = _into_all(problem, everywhere, touched, everything)
        return _OnNodes(packing, everywhere, of_all, touched, ~of_all.fits)
    [component], [mask] = components, eligible

    def make() -> tuple[tuple[Ints, Mask, Ints], tuple[Ints, Mask, Ints] | None, tuple[Mask, ...], Mask]:
        packing = pack(bins, components, eligible=eligible, sites=sites)
        touched = _touched(bins, left_out, ~packing.fits)
        of_all = _into_all(problem, packing, touched, everything)
        more = None if of_all is packing else (of_all.placed, of_all.fits, of_all.group)
        return (packing.placed, packing.fits, packing.group), more, tuple(touched.values()), ~of_all.fits

    made_of = (
        tuple(component.need.tolist()),
        component.replicas,
        component.most_per_node,
        *left_out,
        *(one for [one] in left_out.values()),
    )
    some, more, touched_by_rule, crowded = bins.once(made_of, make)
    packing = of_all = packing_of_one(bins, component, some, eligible=mask, sites=sites)
    if more is not None:
        of_all = packing_of_one(bins, component, more, eligible=everything, sites=sites)
    return _OnNodes(packing, packing, of_all, dict(zip(left_out, touched_by_rule, strict=True)), crowded)


def _into_all(problem: Problem, packing: Packing, touched: dict[str, Mask], everything: Mask) -> Packing:
    """A packing, and into all nodes at the sites that rules of nodes refuse."""
    doubtful = _any_of(touched.values(), len(problem))
    # Where no node is left out there is nothing more, and where all fits already there is nothing to ask.
    if not doubtful.any():
        return packing
    eligible = [everything for _ in problem.components]
    again = pack(problem.bins, problem.components, eligible=eligible, sites=len(problem), among=doubtful)
    return packing.or_else(again, doubtful)


def _some(masks: Sequence[Mask | None], something: dict[int, tuple[Mask, bool]]) -> list[Mask | None]:
    """Masks of bins, and None for those that have none; `something` keeps, by identity, which have any."""
    found: list[Mask | None] = []
    for one in masks:
        if one is not None and id(one) not in something:
            something[id(one)] = one, bool(one.any())
        found.append(one if one is not None and something[id(one)][1] else None)
    return found


def _not_in(bins: Bins, masks: Sequence[Mask | None], everything: Mask) -> Mask:
    """The bins that are in none of some masks; the very mask of everything when these are all."""
    some = [one for one in masks if one is not None]
    if not some:
        return everything
    return bins.once(("none", *some), lambda: np.logical_not(np.logical_or.reduce(some)))


def _touched(bins: Bins, left_out: dict[str, list[Mask | None]], unfit: Mask) -> dict[str, Mask]:
    """By rule of nodes: of the sites where it does not fit those of which nodes are left out for a component."""
    known: dict[int, Mask] = {}
    found: dict[str, Mask] = {}
    nothing = np.zeros(len(unfit), dtype=bool)
    for name, masks in left_out.items():
        touched = nothing
        for one in {id(one): one for one in masks if one is not None}.values():
            if id(one) not in known:
                known[id(one)] = np.zeros(len(unfit), dtype=bool)
                _touch(bins.first, one, unfit, known[id(one)])
            touched = known[id(one)] if touched is nothing else touched | known[id(one)]
        found[name] = touched
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
