"""Spread: the domain that each site lies in, and how many domains a choice must and may touch.

A domain is a site, a region of a level, or what a label says: a failure domain, a provider. A site that lies in no domain is
refused (placement/rules/spread.py): it would count for none, and a bound on domains would not hold it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graph.identifiers import label_key_problem
from graph.kinds import Region, RegionLevel
from graph.kinds.policy import Spread, SpreadBy
from graph.refusal import InvalidInput
from graph.view import get_as
from placement.arrays import Ints
from placement.conditions import is_seen_by
from placement.selection import Ground
from placement.solve.model import Domains

LEVELS = tuple(one.name for one in RegionLevel)


@dataclass(frozen=True, slots=True)
class SpreadDomains:
    """One spread of a policy over the sites that are looked at."""

    spread: Spread
    domain: Ints
    """(sites,): the domain's number; -1: it lies in none."""
    names: tuple[str, ...]
    """Of the domains: ids of sites or regions, or values of the label."""
    label: str
    """What the policy calls it."""

    @property
    def kind(self) -> str:
        """What a domain is, in words."""
        if self.spread.by is SpreadBy.LABEL:
            return f"label {self.spread.label}"
        if self.spread.by is SpreadBy.REGION:
            return f"region of level {self.spread.level}" if self.spread.level else "region"
        return "site"

    def among(self, sites: Ints) -> Domains:
        """The domains of some of the sites, rows that ascend, none of which lies in no domain; numbered from 0."""
        _, domain = np.unique(self.domain[sites], return_inverse=True)
        return Domains(
            domain=domain.astype(np.int64),
            min_domains=self.spread.min_domains,
            max_domains=self.spread.max_domains,
            max_each=self.spread.max_sites_each,
            label=self.label,
        )


def domains_of(ground: Ground, spreads: Sequence[Spread], *, path: str) -> tuple[SpreadDomains, ...]:
    """The domains of each spread. Raises InvalidInput for one that does not say what a domain is, or contradicts itself."""
    return tuple(_domains(ground, one, path=f"{path}[{n}]", label=f"spread[{n}]") for n, one in enumerate(spreads))


def _domains(ground: Ground, spread: Spread, *, path: str, label: str) -> SpreadDomains:
    _check(spread, path=path)
    if spread.by is SpreadBy.SITE:
        sites = ground.inventory.sites.sites
        names = tuple(sites[row].id for row in ground.rows.tolist())
        return SpreadDomains(spread, np.arange(ground.size), names, label)
    if spread.by is SpreadBy.REGION:
        return _regions(ground, spread, label)
    assert spread.label is not None, "it was checked"
    # The index has the sites of each value; only those that have the label at all are looked at.
    domain = np.full(ground.size, -1, dtype=np.int64)
    values: dict[str, int] = {}
    having = ground.rows_of(ground.reader.ids("Site", f"label:{spread.label}", ""))
    sites = ground.inventory.sites.sites
    for row in having.tolist():
        value = sites[ground.rows[row]].labels.get(spread.label)
        if value is not None:
            domain[row] = values.setdefault(value, len(values))
    return SpreadDomains(spread, domain, tuple(values), label)


def _regions(ground: Ground, spread: Spread, label: str) -> SpreadDomains:
    names: dict[str, int] = {}
    domain_of = np.full(len(ground.regions), -1, dtype=np.int64)
    for number in np.unique(ground.region).tolist():
        region_id = ground.regions.values[number]
        found = region_id if spread.level is None else region_above(ground, region_id, spread.level)
        if found is not None:
            domain_of[number] = names.setdefault(found, len(names))
    return SpreadDomains(spread, domain_of[ground.region], tuple(names), label)


def region_above(ground: Ground, region_id: str, level: str) -> str | None:
    """The id of the nearest region of the level, from the region itself upwards, that the tenant may know of."""
    at: str | None = region_id
    while at is not None:
        region = get_as(ground.reader, Region, at)
        if region is None or not is_seen_by(region, ground.tenant_id):
            return None
        if region.level.name == level:
            return at
        at = region.parent_id
    return None


def _check(spread: Spread, *, path: str) -> None:
    def wrong(text: str, remedy: str, field: str) -> InvalidInput:
        return InvalidInput(text, remedy=remedy, path=f"{path}.{field}")

    if spread.level is not None and spread.by is not SpreadBy.REGION:
        raise wrong("a level is that of regions", "leave it out, or spread by REGION", "level")
    if spread.level is not None and spread.level not in LEVELS:
        raise wrong(f"there is no level {spread.level!r}", f"name one of {', '.join(LEVELS)}", "level")
    if (spread.label is not None) != (spread.by is SpreadBy.LABEL):
        raise wrong("a label is given just when the app is spread by LABEL", "give both or neither", "label")
    if spread.label is not None:
        problem = label_key_problem(spread.label)
        if problem:
            raise wrong(problem, "give the key of a label", "label")
    for name, most in (("maxDomains", spread.max_domains), ("maxSitesEach", spread.max_sites_each)):
        if most is not None and most < 1:
            raise wrong("at most 0 leaves nowhere to run", "give 1 or more", name)
    if spread.max_domains is not None and spread.max_domains < spread.min_domains:
        raise wrong(
            f"at least {spread.min_domains} domains and at most {spread.max_domains} cannot both be",
            "raise maxDomains or lower minDomains",
            "maxDomains",
        )
