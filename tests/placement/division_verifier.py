"""Whether a total is divided as its policy says, and whether any choice of sites could take it: in plain Python.

What the quota method promises is checked of the numbers, and not by dividing again: with `L` the replicas that one unit of
weight is worth, a site has more than `L x weight - 1` unless it has all that it may, and fewer than `L x weight + 1` unless
it has only what it must. So of two sites neither is ahead of the other by more than one replica of each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import permutations

from decision_verifier import INFINITE, SLACK, Wish, subsets

from graph.kinds import Component
from graph.kinds.policy import DivisionMode


def verify_division(wish: Wish, component: Component, counts: Mapping[str, int]) -> None:
    """Asserts the shares of a total of the only component, by what its sites have.

    A site without which the policy would not be kept has a replica at least, whatever its weight and group.
    """
    division = wish.policy.division
    assert division is not None
    assert len(wish.components) == 1
    rank = {site: _rank(wish, site) for site in counts}
    sites = set(counts)
    least = {site: max(_least(wish, site), int(bool(wish.broken([sites - {site}])))) for site in sites}
    most = {site: _most(wish, component, site) for site in sites}
    for one, other in permutations(counts, 2):
        if rank[one] > rank[other] and counts[one] > least[one]:
            assert counts[other] == most[other]
    if division.mode is not DivisionMode.STATIC or division.levels:
        return
    weight = {site: _weight(wish, site) for site in counts}
    for one, other in permutations(counts, 2):
        if rank[one] != rank[other] or counts[one] <= least[one] or counts[other] >= most[other]:
            continue
        assert weight[one] > 0
        assert (counts[one] - 1) * weight[other] < (counts[other] + 1) * weight[one]


def divisible(wish: Wish) -> bool:
    """Whether some choice of sites keeps every word and takes the total of the only component, however it is shared.

    `everywhere` asks for as many sites as the total goes to, so it rules out none.
    """
    (unit,) = wish.units
    (component,) = unit
    return any(_takes(wish, component, chosen) for chosen in _candidates(wish, component))


def _candidates(wish: Wish, component: Component) -> Iterator[set[str]]:
    found = [one for one in wish.compute if wish.site_passes(0, wish.sites[one]) and _most(wish, component, one) > 0]
    for chosen in subsets(found):
        if not wish.broken([chosen]):
            yield chosen


def _takes(wish: Wish, component: Component, chosen: set[str]) -> bool:
    division, total = wish.policy.division, wish.wanted(component)
    assert division is not None
    least = {site: max(1, _least(wish, site)) for site in chosen}
    most = {site: _most(wish, component, site) for site in chosen}
    if any(least[one] > most[one] for one in chosen) or not sum(least.values()) <= total <= sum(most.values()):
        return False
    left = total - sum(least.values())
    price = 0.0
    for site in sorted(chosen, key=lambda one: wish.price_of(component, one)):
        more = min(left, most[site] - least[site])
        left -= more
        price += (least[site] + more) * wish.price_of(component, site)
    limit = wish.policy.max_price_per_hour
    return price <= (INFINITE if limit is None else limit + SLACK)


def _least(wish: Wish, site: str) -> int:
    division = wish.policy.division
    assert division is not None
    return max(division.min_each, int(site in wish.policy.pinned_site_ids))


def _most(wish: Wish, component: Component, site: str) -> int:
    division = wish.policy.division
    assert division is not None
    room = wish.room(component, site)
    return room if division.max_each is None else min(room, division.max_each)


def _rank(wish: Wish, site: str) -> int:
    ranks = (n for n, one in enumerate(wish.policy.preferences) if wish.selects(one, wish.sites[site]))
    return next(ranks, 0)


def _weight(wish: Wish, site: str) -> int:
    division = wish.policy.division
    assert division is not None
    weights = (one.weight for one in division.weights if wish.selects(one.sites, wish.sites[site]))
    return next(weights, 0 if division.weights else 1)
