"""What a site takes of the components that meet there, as one inequality that a relaxation breaks.

A relaxation takes half of this and half of that, and says of each way of counting that there is room. What is really there
is one of the sets that fit on the nodes together. For the few components that a relaxation brings to a site all such sets
are told apart; the weights by which what it takes is farthest beyond all of them are those of a linear program ("local
cuts": Applegate, Bixby, Chvatal and Cook 2001). They are one more kind of room there. It takes a minute for a hundred sites,
so it is for bounds that are computed offline.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from scipy.sparse import csc_array

from placement.arrays import Floats
from placement.batch_jams import Entry, Jam
from placement.batch_prices import SLACK, Known, Prices
from placement.batch_sites import Sites
from placement.solve.highs_run import run

MOST = 10
"""Components of a site that are looked at together: those of which most is taken."""
SOME = 1e-6
"""A share from which on a component is at a site."""
BEYOND = 1e-2
"""By how much what is taken must be beyond what fits."""
OTHERS = 1e-3
"""What a share of none counts, so that components that are there seldom have a weight where others lose nothing by it."""


def cut_off(sites: Sites, prices: Prices, known: Sequence[Known], shares: Floats) -> int:
    """Learns what keeps these shares of known choices from fitting on nodes; how many inequalities that are."""
    taken: dict[int, dict[Entry, float]] = defaultdict(dict)
    for one, share in zip(known, shares.tolist(), strict=True):
        for entry in one.entries:
            here = taken[entry[0]]
            here[entry] = here.get(entry, 0.0) + share
    before = len(prices.jams)
    for site in sorted(taken):
        most = sorted(taken[site].items(), key=lambda each: (-each[1], each[0]))[:MOST]
        if sum(share for _, share in most) > 1.0 + BEYOND:
            found = _beyond(sites, prices, [entry for entry, _ in most], np.array([share for _, share in most]))
            if found is not None:
                prices.jams.add(found)
    return len(prices.jams) - before


def _beyond(sites: Sites, prices: Prices, entries: Sequence[Entry], shares: Floats) -> Jam | None:
    """The inequality that shares of components at one site are farthest beyond; None when they are beyond none."""
    count, site = len(entries), entries[0][0]
    fitting = np.array(_fitting(sites, prices, entries), dtype=np.float64)
    if (fitting.sum(axis=1) == count).any():
        return None
    answer = run(
        -(shares + OTHERS),
        csc_array(fitting),
        low=np.full(len(fitting), -np.inf),
        high=np.ones(len(fitting)),
        upper=np.ones(count),
    )
    if answer.values is None:
        return None
    weights = np.where(answer.values > SOME, answer.values, 0.0)
    most = float((fitting @ weights).max())
    if float(weights @ shares) <= most + BEYOND:
        return None
    chosen = [(entry, float(weight)) for entry, weight in zip(entries, weights, strict=True) if weight > 0.0]
    return Jam(
        site,
        {component: replicas for (_, component, replicas), _ in chosen},
        most,
        {component: weight for (_, component, _), weight in chosen},
    )


def _fitting(sites: Sites, prices: Prices, entries: Sequence[Entry]) -> list[list[bool]]:
    """By set that may fit at the site and is in no larger one: which of the components are in it."""
    count, site = len(entries), entries[0][0]
    table = np.array(entries, dtype=np.int64)
    takes, room = prices.kinds.takes(table[:, 1], table[:, 2]), prices.capacity[:, site] + SLACK
    fits: set[int] = set()
    level = [1 << one for one in range(count)]
    while level:
        found = []
        for members in level:
            inside = [one for one in range(count) if members >> one & 1]
            if (takes[:, inside].sum(axis=1) <= room).all() and sites.may_fit([entries[one] for one in inside]):
                found.append(members)
        fits.update(found)
        level = [
            members | 1 << one
            for members in found
            for one in range(members.bit_length(), count)
            if all(members & ~(1 << other) | 1 << one in fits for other in range(one) if members >> other & 1)
        ]
    largest = [
        one for one in sorted(fits) if not any(one | 1 << more in fits for more in range(count) if not one >> more & 1)
    ]
    return [[bool(one >> member & 1) for member in range(count)] for one in largest] or [[False] * count]
