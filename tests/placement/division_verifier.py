"""Whether a total is divided as its policy says, and whether any choice of sites could take it: in plain Python.

What the quota method promises is checked of the numbers, and not by dividing again: with `L` the replicas that one unit of
weight is worth, a site has more than `L x weight - 1` unless it has all that it may, and fewer than `L x weight + 1` unless
it has only what it must. So of two sites neither is ahead of the other by more than one replica of each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations

from decision_verifier import INFINITE, SLACK, Wish, subsets
from division_steps import Steps

from graph.kinds import AppVersion, Component, Region
from graph.kinds.policy import DivisionLevel, DivisionMode
from graph.view import get_as


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
    """Whether some choice of sites keeps every word and takes the total of the only component.

    Where a price is the most that it may cost the total is divided over each choice as the policy says; else that there is
    room is enough.
    """
    if wish.policy.max_price_per_hour is not None:
        return least_price(wish) <= wish.policy.max_price_per_hour + SLACK
    (component,) = wish.components
    return any(_takes(wish, component, chosen) for chosen in _candidates(wish, component))


def least_price(wish: Wish) -> float:
    """The least that the total of the only component costs an hour, over all choices that keep every other word."""
    (component,) = wish.components
    return min(
        (
            sum(count * wish.price_of(component, site) for site, count in counts.items())
            for chosen in _candidates(wish, component)
            for counts in _divided(wish, component, sorted(chosen))
        ),
        default=INFINITE,
    )


def _candidates(wish: Wish, component: Component) -> Iterator[set[str]]:
    found = [one for one in wish.compute if wish.site_passes(0, wish.sites[one]) and _may_have(wish, component, one)]
    total = wish.wanted(component)
    kept = [
        chosen
        for chosen in subsets(found)
        if not wish.broken([chosen]) and sum(_least(wish, site) for site in chosen) <= total
    ]
    most = max(map(len, kept), default=0)
    yield from (chosen for chosen in kept if len(chosen) == most or not wish.policy.everywhere)


def _takes(wish: Wish, component: Component, chosen: set[str]) -> bool:
    least = {site: max(1, _least(wish, site)) for site in chosen}
    weights = _weights(wish, component, sorted(chosen), everyone=True)
    most = {site: _most(wish, component, site) if weights[site] else least[site] for site in chosen}
    if any(least[one] > _most(wish, component, one) for one in chosen):
        return False
    return sum(least.values()) <= wish.wanted(component) <= sum(most.values())


def _divided(wish: Wish, component: Component, chosen: Sequence[str]) -> Iterator[dict[str, int]]:
    """The total over the chosen sites by their weights; where words need those that have none of it, with one at each."""
    division = wish.policy.division
    assert division is not None
    for must in (0, 1):
        least = {site: max(division.min_each, must) for site in chosen}
        weights = _weights(wish, component, chosen)
        counts = _shared(wish, component, chosen, least, weights)
        runs = {site: int((component.name, site) in wish.runs) if weights[site] else 0 for site in chosen}
        if counts is None:
            counts = _shared(wish, component, chosen, least, _weights(wish, component, chosen, everyone=True))
        elif division.mode is not DivisionMode.STATIC and any(counts[site] < runs[site] for site in chosen):
            # Weights drift, so what runs is only added to: the total is above all that runs.
            kept = {site: max(least[site], runs[site]) for site in chosen}
            counts = _shared(wish, component, chosen, kept, weights)
        if counts is not None and not wish.broken([{site for site in chosen if counts[site]}]):
            yield counts
            return


def _shared(
    wish: Wish, component: Component, chosen: Sequence[str], least: Mapping[str, int], weights: Mapping[str, int]
) -> dict[str, int] | None:
    """The total by groups of preference, each full before the next has more than its least; in the last by weights."""
    most = {site: _most(wish, component, site) if weights[site] else least[site] for site in chosen}
    if any(least[site] > _most(wish, component, site) for site in chosen):
        return None
    counts, left = dict(least), wish.wanted(component) - sum(least.values())
    for rank in sorted({_rank(wish, site) for site in chosen}):
        group = [site for site in chosen if _rank(wish, site) == rank]
        more = min(left, sum(most[site] - least[site] for site in group))
        found = _by_regions(wish, component, group, weights, least, most, more + sum(least[site] for site in group))
        if found is None:
            return None
        counts |= found
        left -= more
    return None if left else counts


def _by_regions(
    wish: Wish,
    component: Component,
    group: Sequence[str],
    weights: Mapping[str, int],
    least: Mapping[str, int],
    most: Mapping[str, int],
    total: int,
) -> dict[str, int] | None:
    """A total over the regions of the one level that the policy has, if any, and over the sites in each."""
    division = wish.policy.division
    assert division is not None
    salt = f"{_app_of(wish, component)}/{component.name}"
    if not division.levels:
        steps = Steps(*([one[site] for site in group] for one in (weights, least, most)), group, salt)
        found = steps.of(total)
        return None if found is None else dict(zip(group, found, strict=True))
    (level,) = division.levels
    inside: dict[str, list[str]] = {}
    for site in group:
        inside.setdefault(_region(wish, site, level), []).append(site)
    given = [next(one.weight for one in level.weights if region in one.region_ids) for region in inside]
    sums = [[sum(one[site] for site in sites) for sites in inside.values()] for one in (least, most)]
    parts = Steps(given, *sums, list(inside), salt).of(total)
    counts: dict[str, int] = {}
    for sites, part in zip(inside.values(), parts or (), strict=bool(parts)):
        steps = Steps(*([one[site] for site in sites] for one in (weights, least, most)), sites, salt)
        found = steps.of(part)
        if found is None:
            return None
        counts |= zip(sites, found, strict=True)
    return None if parts is None else counts


def _region(wish: Wish, site: str, level: DivisionLevel) -> str:
    regions = (get_as(wish.view, Region, one) for one in wish.above(wish.sites[site].region_id))
    return next(one.id for one in regions if one is not None and one.level.name == level.level)


def _app_of(wish: Wish, component: Component) -> str:
    version = get_as(wish.view, AppVersion, component.app_version_id)
    assert version is not None
    return version.app_id


def _weights(wish: Wish, component: Component, chosen: Sequence[str], *, everyone: bool = False) -> dict[str, int]:
    """By site; `everyone`: a site that is the nearest of nobody has the least, and not none."""
    division = wish.policy.division
    assert division is not None
    if division.mode is DivisionMode.FREE_CAPACITY:
        return {site: wish.room(component, site) for site in chosen}
    if division.mode is DivisionMode.STATIC:
        return {site: _weight(wish, site) for site in chosen}
    demand = dict.fromkeys(chosen, 0.0)
    for place in wish.places:
        demand[min((one for one in chosen if place.in_reach(one)), key=lambda one: place.reach[one][0])] += place.demand
    top = max(demand.values())
    return {site: max(round(one / top * 2**30), int(one > 0 or everyone)) for site, one in demand.items()}


def _least(wish: Wish, site: str) -> int:
    division = wish.policy.division
    assert division is not None
    return max(division.min_each, int(site in wish.policy.pinned_site_ids))


def _most(wish: Wish, component: Component, site: str) -> int:
    division = wish.policy.division
    assert division is not None
    room = wish.room(component, site)
    return room if division.max_each is None else min(room, division.max_each)


def _may_have(wish: Wish, component: Component, site: str) -> bool:
    """Whether it may have some of the total: there is room, and a weight, a least or that it is chosen in any case."""
    division = wish.policy.division
    assert division is not None
    idle = division.mode is DivisionMode.STATIC and not _weight(wish, site)
    return _most(wish, component, site) > 0 and not (idle and not _least(wish, site))


def _rank(wish: Wish, site: str) -> int:
    ranks = (n for n, one in enumerate(wish.policy.preferences) if wish.selects(one, wish.sites[site]))
    return next(ranks, 0)


def _weight(wish: Wish, site: str) -> int:
    division = wish.policy.division
    assert division is not None
    weights = (one.weight for one in division.weights if wish.selects(one.sites, wish.sites[site]))
    return next(weights, 0 if division.weights else 1)
