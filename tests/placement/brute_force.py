"""The best choice of sites there is, found by trying every one: for small graphs, in plain Python.

What is cheap is worked out once for each site, so that all choices of two units at five sites are tried in milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

from decision_verifier import INFINITE, SLACK, Wish, subsets

from graph.kinds import Component, Node
from graph.kinds.policy import ScoreWeights, Term
from graph.values import Resources
from graph.view import each

DEFAULT = [[Term.SITES], [Term.LATENCY, Term.HEADROOM, Term.PRICE, Term.MOVES]]
WEIGHTS = {
    Term.SITES: lambda one: one.sites,
    Term.LATENCY: lambda one: one.latency,
    Term.HEADROOM: lambda one: one.headroom,
    Term.PRICE: lambda one: one.price,
    Term.MOVES: lambda one: one.moves,
}


def candidates(wish: Wish) -> list[list[str]]:
    """By unit: the sites at which its only component, or each of several that never crowd, has room."""
    return [
        [
            site
            for site in wish.compute
            if wish.site_passes(at, wish.sites[site])
            and all(wish.room(one, site) >= wish.wanted(one) for one in unit)
            and wish.go_together(unit, site)
        ]
        for at, unit in enumerate(wish.units)
    ]


def choices(wish: Wish) -> Iterator[tuple[tuple[float, ...], list[set[str]]]]:
    """Every choice that keeps the policy, with its cost by tier."""
    found = candidates(wish)
    for chosen in product(*(subsets(one) for one in found)):
        picked = list(chosen)
        if wish.policy.everywhere and len(picked[0]) < min(len(found[0]), wish.policy.max_sites or len(found[0])):
            continue
        if not wish.broken(picked) and _price(wish, picked) <= _most(wish):
            yield cost(wish, picked), picked


def best(wish: Wish) -> tuple[float, ...] | None:
    """The least cost by tier; None when no choice keeps the policy."""
    return min((found for found, _ in choices(wish)), default=None)


def cost(wish: Wish, chosen: Sequence[set[str]]) -> tuple[float, ...]:
    """By tier: those of preferences first, the last group's sites before all, then the objective's."""
    policy = wish.policy
    tiers: list[float] = []
    for rank in range(len(policy.preferences) - 1, 0, -1):
        later = [
            site
            for sites in chosen
            for site in sites
            if not any(wish.selects(one, wish.sites[site]) for one in policy.preferences[:rank])
            and wish.selects(policy.preferences[rank], wish.sites[site])
        ]
        tiers.append(float(len(later)))
    for terms in policy.objective or DEFAULT:
        tiers.append(sum(_term(wish, term, chosen, policy.weights) for term in terms))
    return tuple(round(one, 7) for one in tiers)


def _term(wish: Wish, term: Term, chosen: Sequence[set[str]], weights: ScoreWeights) -> float:
    weight = WEIGHTS[term](weights)
    if term is Term.SITES:
        return weight * sum(len(one) for one in chosen)
    if term is Term.LATENCY:
        return weight * _latency(wish, chosen[0]) / 10
    if term is Term.PRICE:
        return weight * _price(wish, chosen)
    if term is Term.MOVES:
        return weight * wish.moves(chosen) if wish.runs else 0.0
    return weight * sum(
        _in_use(wish, unit, site) for unit, sites in zip(wish.units, chosen, strict=True) for site in sites
    )


def _latency(wish: Wish, sites: set[str]) -> float:
    total = sum(one.demand for one in wish.places)
    return sum(
        (one.demand / total if total > 0 else 1 / len(wish.places))
        * min(one.reach[site][0] for site in sites if one.in_reach(site))
        for one in wish.places
    )


def _price(wish: Wish, chosen: Sequence[set[str]]) -> float:
    return sum(
        wish.wanted(one) * wish.price_of(one, site)
        for unit, sites in zip(wish.units, chosen, strict=True)
        for one in unit
        for site in sites
    )


def _most(wish: Wish) -> float:
    limit = wish.policy.max_price_per_hour
    return INFINITE if limit is None else limit + SLACK


def _in_use(wish: Wish, unit: Sequence[Component], site: str) -> float:
    """The share in use of the scarcest of what is asked for, where only what may be used is free."""
    nodes = list(each(wish.view, Node, "site_id", site))
    usable_ones = [node for node in nodes if any(wish.node_takes(one, node) for one in unit)]
    share = 0.0
    for resource in sorted({name for one in unit for name in _amounts(one.resources)}):
        needed = sum(_amounts(one.resources).get(resource, 0) * wish.wanted(one) for one in unit)
        usable = sum(_amounts(one.usable).get(resource, 0) for one in nodes)
        free = sum(_amounts(wish.free(one)).get(resource, 0) for one in usable_ones)
        share = max(share, 1 - (free - needed) / usable)
    return min(share, 1.0)


def _amounts(resources: Resources) -> dict[str, int]:
    """What there is of it, by name of the resource, or model of the accelerator."""
    found = {name: getattr(resources, name) for name in ("cpu_millicores", "memory_bytes", "storage_bytes")}
    found |= {one.model: one.count for one in resources.accelerators}
    return {name: amount for name, amount in found.items() if amount}
