"""What each site is due of a total, exactly.

A site with weight w that takes at least l and at most u is due s(x) = min(max(w x, l), u) replicas, where x, replicas
for one unit of weight, is the same for all sites and such that the shares add up to the total (Balinski and Young,
Fair Representation, 1982: fair shares with minimum and maximum requirements). A site is within its quota when it has
s rounded down or s rounded up.

Shares decide who gets a replica, and a float that is off by its last bit would let two totals disagree and a site
shrink. Hence the curve from x to the total is kept as pieces with whole coefficients, and everything is compared by
whole numbers: int64 where the products fit, Python's unbounded ones where they do not. Floats only guess where to
look.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from placement.arrays import Ints

Exact: TypeAlias = NDArray[Any]
"""Whole numbers: int64, or Python's own where their products would not fit into 63 bits."""


def fraction_ranks(numerators: Ints, denominators: Ints) -> Ints:
    """The place of each fraction in ascending order, from 0; equal fractions share one.

    Numerators from 0, denominators from 1 to 2^53. Two different fractions differ by at least 1 / (d d'), so that as
    many binary digits as the square of the largest denominator has tell them apart. They come from long division,
    several at a time.
    """
    if not len(numerators):
        return np.empty(0, dtype=np.int64)
    bits = int(denominators.max()).bit_length()
    step = 62 - bits
    whole, rest = np.divmod(numerators, denominators)
    digits = [whole]
    for _ in range(-(-2 * bits // step)):
        whole, rest = np.divmod(rest << step, denominators)
        digits.append(whole)
    order = np.lexsort(digits[::-1])
    differs = np.zeros(len(order), dtype=np.int64)
    for digit in digits:
        differs[1:] |= digit[order[1:]] != digit[order[:-1]]
    ranks = np.empty(len(order), dtype=np.int64)
    ranks[order] = np.cumsum(differs)
    return ranks


@dataclass(frozen=True, slots=True)
class Shares:
    """What each site is due, for every total from the sum of `least` to the sum of `most`."""

    weights: Exact
    """(sites,)"""
    least: Ints
    """(sites,)"""
    most: Ints
    """(sites,) not below `least`, and equal to it where the weight is 0."""
    ends: Ints
    """(pieces - 1,) ascending: the total at which a piece of the curve ends, rounded down."""
    fixed: Ints
    """(pieces,) replicas of the sites that are at a bound in this piece."""
    slope: Exact
    """(pieces,) weight of the sites between their bounds: in a piece, total = fixed + slope x."""
    bend_at: NDArray[np.float64]
    """(pieces - 1,) about: x where a piece ends."""
    bend_total: NDArray[np.float64]
    """(pieces - 1,) about: the total there."""

    @classmethod
    def of(cls, weights: Ints, *, least: Ints, most: Ints, top: int) -> Shares:
        """The curve up to the total `top`; (sites,) arrays, `most` equal to `least` where the weight is 0."""
        moving = np.flatnonzero(most > least)
        w = weights[moving]
        fits = (int(weights.sum(dtype=object)) if len(weights) else 0) * (top + 1) < 2**62
        exact: Any = np.int64 if fits else object
        at = np.concatenate([least[moving], most[moving]])
        per = np.concatenate([w, w])
        order = np.argsort(fraction_ranks(at, per), kind="stable")
        steps = np.concatenate([-least[moving], most[moving]])[order]
        turns = np.concatenate([w, -w])[order].astype(exact)
        fixed = np.concatenate([[0], np.cumsum(steps)]) + int(least.sum())
        slope = np.concatenate([np.zeros(1, dtype=exact), np.cumsum(turns)])
        at, per = at[order].astype(exact), per[order].astype(exact)
        ends = (fixed[1:] + slope[1:] * at // per).astype(np.int64) if len(at) else np.empty(0, dtype=np.int64)
        bend_at = at.astype(np.float64) / per.astype(np.float64)
        bend_total = fixed[1:].astype(np.float64) + slope[1:].astype(np.float64) * bend_at
        return cls(weights.astype(exact), least, most, ends, fixed, slope, bend_at, bend_total)

    def at(self, total: Ints) -> tuple[Exact, Exact]:
        """x at each total, as numerator and denominator; each total above the sum of `least`, up to that of `most`."""
        piece = np.searchsorted(self.ends, total, side="left")
        return total - self.fixed[piece], self.slope[piece]

    def rounded_up(self, total: int) -> Ints:
        """(sites,) shares of one total, from the sum of `least`, rounded up."""
        if total <= int(self.least.sum()):
            return self.least.copy()
        above, below = (part[0] for part in self.at(np.array([total])))
        return self._bounded(-(-above * self.weights // below))

    def rounded_down(self, total: int) -> Ints:
        """(sites,) shares of one total, from the sum of `least`, rounded down."""
        if total <= int(self.least.sum()):
            return self.least.copy()
        above, below = (part[0] for part in self.at(np.array([total])))
        return self._bounded(above * self.weights // below)

    def first_due(self, sites: Ints, replica: Ints, *, top: int) -> Ints:
        """The smallest total in which the share of each site is above `replica` - 1: from then on it may have that replica.

        `sites` and `replica` are of one shape; each replica is above the site's `least` and not above its share of
        `top` rounded up.
        """
        weights, before = self.weights[sites], (replica - 1).astype(self.weights.dtype)
        about = np.interp(before.astype(np.float64) / weights.astype(np.float64), self.bend_at, self.bend_total)
        low = int(self.least.sum()) + 1
        found = np.clip(np.floor(about).astype(np.int64) + 1, low, top)
        early = np.flatnonzero(~self._due(weights, before, found))
        while len(early):
            found[early] += 1
            early = early[~self._due(weights[early], before[early], found[early])]
        late = np.flatnonzero(found > low)
        while len(late := late[self._due(weights[late], before[late], found[late] - 1)]):
            found[late] -= 1
            late = late[found[late] > low]
        return found

    def _due(self, weights: Exact, before: Exact, total: Ints) -> NDArray[np.bool_]:
        above, below = self.at(total)
        return np.asarray(above * weights > before * below, dtype=bool)

    def _bounded(self, shares: Exact) -> Ints:
        return np.clip(shares, self.least, self.most).astype(np.int64)
