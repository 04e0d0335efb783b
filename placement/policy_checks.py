"""Contradictions in a policy's numbers and lists, told with the field before anything is decided.

What depends on the graph is no contradiction: a site that is selected today and relabelled tomorrow makes the decision
infeasible, with its reasons, and leaves the policy as it was.
"""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import msgspec

from graph.kinds import Component
from graph.kinds.policy import Division, DivisionMode, PlacementPolicy, Spread, Term
from graph.refusal import InvalidInput, LimitExceeded
from graph.spatial import Ring
from graph.spelling import camel
from placement.domains import LEVELS
from placement.node_company import check_company
from placement.wording import counted

MAX_POINTS = 2_000
"""The most points of all polygons of a policy: reading them is part of a request."""


def check_size(policy: PlacementPolicy, *, path: str) -> None:
    """Raises LimitExceeded for polygons of more than 2,000 points in all, before anything is made of them."""
    total = 0
    for where, rings in _polygons(policy, path):
        total += sum(len(ring) for ring in rings)
        if total > MAX_POINTS:
            raise LimitExceeded(
                f"the polygons of a policy have at most {MAX_POINTS:,} points in all",
                remedy="simplify them, or select by region",
                path=where,
            )


def _polygons(value: msgspec.Struct, path: str) -> Iterator[tuple[str, Sequence[Ring]]]:
    """Every polygon in a value, with its field."""
    for name in _leading_to_polygons(type(value)):
        found, where = getattr(value, name), f"{path}.{camel(name)}"
        if name == "polygon":
            yield where, found
        elif isinstance(found, list):
            for n, each in enumerate(found):
                yield from _polygons(each, f"{where}[{n}]")
        elif found is not None:
            yield from _polygons(found, where)


@cache
def _leading_to_polygons(kind: type[msgspec.Struct]) -> tuple[str, ...]:
    """The fields that are polygons or whose values may have some. Places, of which a policy may have many, have none."""
    return tuple(
        one.name
        for one in msgspec.structs.fields(kind)
        if one.name == "polygon" or any("polygon" in held.__struct_fields__ for held in _held(one.type))
    )


def _held(declared: Any, known: frozenset[type] = frozenset()) -> frozenset[type[msgspec.Struct]]:
    """The structs that a value of a type may have in it, to any depth."""
    if isinstance(declared, type) and issubclass(declared, msgspec.Struct) and declared not in known:
        known = known | {declared}
        for one in msgspec.structs.fields(declared):
            known = _held(one.type, known)
    for inner in typing.get_args(declared):
        known = _held(inner, known)
    return known


def check_policy(
    policy: PlacementPolicy, *, components: Sequence[Component], replicas: Mapping[str, int], path: str
) -> None:
    """Raises InvalidInput for what cannot be kept whatever the graph is.

    components: what is placed; replicas: their numbers by name where they are not their own.
    """
    counts = {one.name: replicas.get(one.name, one.replicas) for one in components}
    _check_pinned(policy, path=path)
    for n, spread in enumerate(policy.spread):
        _check_spread(policy, spread, path=f"{path}.spread[{n}]")
    if policy.division is not None:
        _check_division(policy, policy.division, counts, path=f"{path}.division")
    _check_objective(policy.objective, path=f"{path}.objective")
    check_company(policy.components, replicas=counts, divided=policy.division is not None, path=f"{path}.components")


def _check_pinned(policy: PlacementPolicy, *, path: str) -> None:
    pinned = policy.pinned_site_ids
    listed, excluded = frozenset(policy.sites.site_ids), frozenset(policy.sites.excluded_site_ids)
    for n, site_id in enumerate(pinned):
        where = f"{path}.pinnedSiteIds[{n}]"
        if site_id in excluded:
            raise InvalidInput(
                "the site is chosen in any case and excluded: both cannot be",
                remedy="take it out of sites.excludedSiteIds, or do not pin it",
                path=where,
            )
        if listed and site_id not in listed:
            raise InvalidInput(
                "the site is chosen in any case, and none of those that may be",
                remedy="add it to sites.siteIds, or do not pin it",
                path=where,
            )
    if policy.max_sites is not None and len(set(pinned)) > policy.max_sites:
        raise InvalidInput(
            f"{len(set(pinned))} sites are chosen in any case and at most {policy.max_sites} may be",
            remedy="raise maxSites or pin fewer",
            path=f"{path}.maxSites",
        )


def _check_spread(policy: PlacementPolicy, spread: Spread, *, path: str) -> None:
    if policy.max_sites is not None and spread.min_domains > policy.max_sites:
        raise InvalidInput(
            f"at least {spread.min_domains} domains need as many sites, and at most {policy.max_sites} are chosen",
            remedy="raise maxSites or lower minDomains",
            path=f"{path}.minDomains",
        )
    if spread.max_domains is not None and spread.max_sites_each is not None:
        most = spread.max_domains * spread.max_sites_each
        if most < policy.min_sites:
            raise InvalidInput(
                f"{spread.max_domains} domains with {spread.max_sites_each} sites each are {most} sites at most, and at "
                f"least {policy.min_sites} are asked for",
                remedy="raise maxDomains or maxSitesEach, or lower minSites",
                path=f"{path}.maxSitesEach",
            )


def _check_division(policy: PlacementPolicy, division: Division, totals: Mapping[str, int], *, path: str) -> None:
    if division.weights and division.mode is not DivisionMode.STATIC:
        raise InvalidInput(
            f"weights are for STATIC, and the mode is {division.mode.name}",
            remedy="leave the weights out, or divide by STATIC",
            path=f"{path}.weights",
        )
    _check_levels(division, path=f"{path}.levels")
    if division.mode is DivisionMode.DEMAND and not (policy.latency or policy.coverage):
        raise InvalidInput(
            "to divide by demand takes places whose demand it is",
            remedy="give latency or coverage, or another mode",
            path=f"{path}.mode",
        )
    least, most = division.min_each, division.max_each
    if any(totals.values()) and not least and not policy.pinned_site_ids:
        _check_weights(division, path=path)
    if most is not None and most < max(least, 1):
        raise InvalidInput(
            f"at least {max(least, 1)} replicas at a site and at most {most} cannot both be",
            remedy="raise maxEach or lower minEach",
            path=f"{path}.maxEach",
        )
    for name, total in totals.items():
        if total and least * policy.min_sites > total:
            raise InvalidInput(
                f"at least {counted(policy.min_sites, 'site')} with {counted(least, 'replica')} each "
                f"{'is' if policy.min_sites == 1 else 'are'} more than the {total} of {name!r}",
                remedy="lower minEach or minSites, or ask for more replicas",
                path=f"{path}.minEach",
            )
        if most is not None and policy.max_sites is not None and most * policy.max_sites < total:
            raise InvalidInput(
                f"{counted(policy.max_sites, 'site')} with at most {counted(most, 'replica')} each "
                f"{'is' if policy.max_sites == 1 else 'are'} less than the {total} of {name!r}",
                remedy="raise maxEach or maxSites, or ask for fewer replicas",
                path=f"{path}.maxEach",
            )


def _check_weights(division: Division, *, path: str) -> None:
    """Somebody has a part of the total: with no least for each site, weights of 0 alone leave it to nobody."""
    given = {f"{path}.weights": [one.weight for one in division.weights]}
    for n, level in enumerate(division.levels):
        given[f"{path}.levels[{n}].weights"] = [one.weight for one in level.weights]
    for where, weights in given.items():
        if weights and not any(weights):
            raise InvalidInput(
                "all weights are 0, so no site has a part of the total",
                remedy="give a weight above 0, or minEach",
                path=where,
            )


def _check_levels(division: Division, *, path: str) -> None:
    before = -1
    for n, one in enumerate(division.levels):
        if one.level not in LEVELS:
            raise InvalidInput(
                f"there is no level {one.level!r}", remedy=f"name one of {', '.join(LEVELS)}", path=f"{path}[{n}].level"
            )
        if LEVELS.index(one.level) <= before:
            raise InvalidInput(
                f"{one.level} is not within {LEVELS[before]}, which the total is divided over before",
                remedy="give each level once, the coarser first",
                path=f"{path}[{n}].level",
            )
        before = LEVELS.index(one.level)


def _check_objective(objective: Sequence[Sequence[Term]], *, path: str) -> None:
    seen: set[Term] = set()
    for n, terms in enumerate(objective):
        if not terms:
            raise InvalidInput(
                "a list without terms compares nothing", remedy="leave the list out", path=f"{path}[{n}]"
            )
        for at, term in enumerate(terms):
            if term in seen:
                raise InvalidInput(f"{term.name} counts twice", remedy="name each term once", path=f"{path}[{n}][{at}]")
            seen.add(term)
