"""What several deployments have at one site, packed on its nodes once more and together.

Decided one after the other, the first spread over nodes that the last cannot do without: an ordinary replica on the one node
with an accelerator or a fast disk. Nothing of it runs yet, so it may change nodes. Replicas go where least is left over, on
nodes that fewest of the others may use; what is hardest to place goes first, in a few orders.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from placement.arrays import Floats, Ints, Mask


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
        fits = np.where(one.usable, (some // need[:, None]).min(axis=0), 0)
        if one.apart:
            fits = np.minimum(fits, 1)
        # By nodes that fewest others may use, and of those where least is left over.
        over: Floats = ((some - need[:, None]) / scale[:, None]).sum(axis=0)
        count = one.count
        for node in np.lexsort((over, wanted)).tolist():
            here = min(count, max(int(fits[node]), 0))
            if here:
                found[number][node] = here
                left[:, node] -= here * one.need
                count -= here
                if not count:
                    break
        if count:
            return None
    return found
