"""What several deployments have at one site, packed on its nodes once more and together.

Decided one after the other, the first spread over nodes that the last cannot do without: an ordinary replica on the one node
with an accelerator or a fast disk. Nothing of it runs yet, so it may change nodes. Replicas go where least is left over, on
nodes that fewest of the others may use; what is hardest to place goes first, in a few orders. Where none of these has all,
HiGHS is asked, which finds a way or proves that there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array, csc_array

from placement.arrays import Floats, Ints, Mask
from placement.solve.highs_run import run


@dataclass(frozen=True, slots=True)
class Bundle:
    """The replicas of one component at the site."""

    need: Ints
    """(resources,) of a replica."""
    count: int
    usable: Mask
    """(nodes,): those that it may run on."""
    apart: bool
    """Whether they are on different nodes."""


def packed_together(free: Ints, bundles: Sequence[Bundle]) -> list[Ints] | None:
    """By bundle: (nodes,) how many of its replicas each node has; None when no way was found to have them all.

    free: (resources, nodes).
    """
    total = np.maximum(free.sum(axis=1), 1)
    wanted: Ints = np.sum([one.usable for one in bundles], axis=0)
    large = [float((one.need / total).max()) for one in bundles]
    few = [int(np.count_nonzero(one.usable & (free >= one.need[:, None]).all(axis=0))) for one in bundles]
    orders: tuple[Callable[[int], tuple[float, ...]], ...] = (
        lambda n: (few[n] - bundles[n].count * bundles[n].apart, -large[n], n),
        lambda n: (-large[n], few[n], n),
        lambda n: (not bundles[n].apart, few[n], -large[n], n),
    )
    for order in orders:
        found = _packed(free, bundles, sorted(range(len(bundles)), key=order), wanted, total)
        if found is not None:
            return found
    return None


def _packed(
    free: Ints, bundles: Sequence[Bundle], order: Sequence[int], wanted: Ints, total: Ints
) -> list[Ints] | None:
    left = free.copy()
    found = [np.zeros(free.shape[1], dtype=np.int64) for _ in bundles]
    for number in order:
        one = bundles[number]
        asked = one.need > 0
        need, scale = one.need[asked], total[asked]
        some = left[asked]
        fits = _most(left, one)
        # By nodes that fewest others may use, and of those where least is left over.
        over: Floats = ((some - need[:, None]) / scale[:, None]).sum(axis=0)
        count = one.count
        for node in np.lexsort((over, wanted)).tolist():
            here = min(count, int(fits[node]))
            if here:
                found[number][node] = here
                left[:, node] -= here * one.need
                count -= here
                if not count:
                    break
        if count:
            return None
    return found


def packed_exactly(free: Ints, bundles: Sequence[Bundle], *, nodes: int) -> tuple[list[Ints] | None, bool]:
    """The same by a search of so many nodes: what was found, and whether it is proved that nothing is to be found.

    Amounts are counted in the greatest unit that all needs are multiples of, so that they are small whole numbers.
    """
    most = np.array([_most(free, one) for one in bundles])
    if (most.sum(axis=1) < [one.count for one in bundles]).any():
        return None, True
    bundle, node = np.nonzero(most)
    need = np.array([one.need for one in bundles])
    rows, columns, amounts, high = [bundle], [np.arange(len(bundle))], [np.ones(len(bundle))], []
    asked, number = [one.count for one in bundles], len(bundles)
    for resource in np.flatnonzero(need.any(axis=0)).tolist():
        unit = np.gcd.reduce(need[:, resource])
        there = np.flatnonzero(need[bundle, resource])
        room = free[resource] // unit
        wanted = np.bincount(node[there], weights=(most[bundle, node] * need[bundle, resource] // unit)[there])
        short = np.flatnonzero(wanted > room[: len(wanted)])
        row_of = np.full(free.shape[1], -1)
        row_of[short] = number + np.arange(len(short))
        there = there[row_of[node[there]] >= 0]
        rows.append(row_of[node[there]])
        columns.append(there)
        amounts.append((need[bundle[there], resource] // unit).astype(np.float64))
        high += room[short].tolist()
        number += len(short)
    matrix = coo_array(
        (np.concatenate(amounts), (np.concatenate(rows), np.concatenate(columns))), shape=(number, len(bundle))
    )
    found = run(
        np.zeros(len(bundle)),
        csc_array(matrix),
        low=np.array([*asked, *np.full(len(high), -np.inf)], dtype=np.float64),
        high=np.array([*asked, *high], dtype=np.float64),
        upper=most[bundle, node].astype(np.float64),
        integral=np.ones(len(bundle), dtype=bool),
        nodes=nodes,
    )
    if found.values is None:
        return None, found.status == "infeasible"
    packed = np.zeros(most.shape, dtype=np.int64)
    packed[bundle, node] = np.rint(found.values).astype(np.int64)
    return list(packed), False


def _most(free: Ints, bundle: Bundle) -> Ints:
    """(nodes,) the most of a bundle's replicas that each node takes when nothing else is there."""
    asked = bundle.need > 0
    fits: Ints = np.where(bundle.usable, (free[asked] // bundle.need[asked, None]).min(axis=0), 0)
    return np.clip(fits, 0, 1 if bundle.apart else bundle.count)
