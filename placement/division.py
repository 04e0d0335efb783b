"""How a total of replicas is divided over sites: the quota method of Balinski and Young, with bounds.

Rounding shares is where systems go wrong. Rounding by largest remainders takes a replica from a site when the total
grows, and divisor methods such as Webster's may leave a site outside its share rounded down or up. The quota method
does neither (Balinski and Young, The quota method of apportionment, American Mathematical Monthly 82, 1975): replicas
are given one by one, the next to the site with the largest w / (a + 1) of those whose share of the new total is above
the a that they have.

Bounds. Shares are those of `division_shares`, the rule stays the same: begin with `at_least`, and a site is passed
over when it has its share rounded up. Why this is within quota: read totals as days. Replica k of a site may be given
from the day its share is above k - 1 and must be given by the day its share reaches k. Shares of a day add up to the
day, so giving fractions of replicas as the shares grow is a plan without a late one, and as the table of sites by
days has whole sums, one with whole replicas exists. Of what is allowed the rule gives that which is due first, as k /
w grows with the day on which k is due; and earliest due first finds a plan without a late one when there is one.

Not one by one. On the day that is asked for, a site has its share rounded down or rounded up. Only the last replica
of sites whose share is not whole is open; all before it are given, and all of them were due earlier than any open
one, so that an open one was only given on a day when nothing else waited. How many waited on a day is what the shares
rounded up add up to, less the day. So the days since the first open replica was allowed are counted, not walked
through: the days with nothing else to give are the slots, and the open replicas take them in their order. The answer
is that of the steps one by one (the tests compare them).

Ties: of replicas due at the same time, the one of the smaller weight (which has more of its share outstanding) is
first, then by a hash of salt and id. So two sites of one weight take turns over apps, while one app has one answer.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graph.refusal import InvalidInput
from placement.arrays import Ints, Mask
from placement.division_shares import Shares, fraction_ranks
from placement.wording import counted

MOST_REPLICAS = 1_000_000
"""The largest total that is divided: at worst every replica of it is looked at."""
MOST_WEIGHT = 2**53
"""Weights are below this."""


@dataclass(frozen=True, slots=True)
class Indivisible:
    """The total is not within what the sites take together."""

    total: int
    least: int
    """What they take at least."""
    most: int
    """What they take at most; a site of weight 0 only its least."""
    crossed: tuple[int, ...] = ()
    """Sites whose least is above their most."""

    @property
    def message(self) -> str:
        """What is wrong, in words."""
        if self.crossed:
            sites, they = counted(len(self.crossed), "site"), "it" if len(self.crossed) == 1 else "they"
            return f"{sites} must have more replicas than {they} may"
        side = f"at least {self.least}" if self.total < self.least else f"at most {self.most}"
        return f"{counted(self.total, 'replica')} cannot be divided: the sites take {side}"


@dataclass(frozen=True, slots=True)
class Bounds:
    """What each site takes, checked: (sites,) arrays."""

    weights: Ints
    least: Ints
    most: Ints
    """Not above the total, but not below `least`; equal to `least` where the weight is 0."""


def divide(
    total: int,
    weights: Ints,
    *,
    ids: Sequence[str],
    salt: str,
    at_least: Ints | None = None,
    at_most: Ints | None = None,
) -> Ints | Indivisible:
    """Replicas of each site, (sites,), which add up to `total`.

    `weights` are whole numbers from 0; a site of weight 0 has its least and no more. `at_least` is 0 and `at_most`
    unlimited when not given. `salt` says whose replicas they are (an app's id and a component's name): it decides nothing
    but ties.

    With the same weights, bounds and salt no site has fewer replicas of a larger total, and each has its share
    rounded down or up. Raises `InvalidInput` when a number is out of range.
    """
    bounds = bounds_of(total, weights, ids=ids, at_least=at_least, at_most=at_most)
    if isinstance(bounds, Indivisible):
        return bounds
    shares = Shares.of(bounds.weights, least=bounds.least, most=bounds.most, top=total)
    given = shares.rounded_up(total)
    surplus = int(given.sum()) - total
    if surplus:
        open_sites = np.flatnonzero(given > shares.rounded_down(total))
        turn = _turns(given[open_sites], bounds.weights[open_sites], [ids[site] for site in open_sites.tolist()], salt)
        given[open_sites[~_served(shares, given, open_sites, turn, total)]] -= 1
    return given


def divide_again(
    total: int,
    weights: Ints,
    *,
    current: Ints,
    ids: Sequence[str],
    salt: str,
    at_least: Ints | None = None,
    at_most: Ints | None = None,
) -> Ints | Indivisible:
    """The total divided while the sites have `current` replicas, (sites,), and the weights are no longer what they were.

    Meant for weights that drift by themselves, such as free room. When the sites have too few no site shrinks, when
    they have too many none grows, and with neither nothing changes; all within the bounds, which come first. It is
    the answer of `divide` where that keeps to this, as it does when the weights are the same; else what is given or
    taken goes by the shares with `current` as the lower or upper bound. Weights that somebody has changed are for
    `divide`.
    """
    bounds = bounds_of(total, weights, ids=ids, at_least=at_least, at_most=at_most)
    if isinstance(bounds, Indivisible):
        return bounds
    kept = np.clip(current, bounds.least, bounds.most)
    grows = int(kept.sum()) <= total
    anew = divide(total, weights, ids=ids, salt=salt, at_least=bounds.least, at_most=bounds.most)
    if isinstance(anew, Indivisible) or np.all(anew >= kept if grows else anew <= kept):
        return anew
    least, most = (kept, bounds.most) if grows else (bounds.least, kept)
    return divide(total, weights, ids=ids, salt=salt, at_least=least, at_most=most)


def bounds_of(
    total: int, weights: Ints, *, ids: Sequence[str], at_least: Ints | None = None, at_most: Ints | None = None
) -> Bounds | Indivisible:
    """What each site takes, or that the total is not within it; raises `InvalidInput` when a number is out of range."""
    count = len(weights)
    least = np.zeros(count, dtype=np.int64) if at_least is None else np.asarray(at_least, dtype=np.int64)
    most = np.full(count, total, dtype=np.int64) if at_most is None else np.asarray(at_most, dtype=np.int64)
    if not count == len(ids) == len(least) == len(most):
        raise InvalidInput("weights, bounds and ids are not of one length", remedy="give one of each for every site")
    if not 0 <= total <= MOST_REPLICAS:
        raise InvalidInput(
            f"{total} replicas cannot be divided", remedy=f"ask for 0 to {MOST_REPLICAS:,} in all", path="division"
        )
    if count and not 0 <= int(weights.min()) <= int(weights.max()) < MOST_WEIGHT:
        raise InvalidInput(
            "a weight is out of range", remedy="give whole numbers from 0, below 2^53", path="division.weights"
        )
    if count and int(least.min()) < 0:
        raise InvalidInput("a site cannot have fewer than 0 replicas", remedy="give 0 or more", path="division.minEach")
    crossed = np.flatnonzero(least > most)
    most = np.where(weights > 0, np.minimum(most, np.maximum(total, least)), least)
    bottom, ceiling = int(least.sum()), int(most.sum())
    if len(crossed) or not bottom <= total <= ceiling:
        return Indivisible(total, bottom, ceiling, tuple(crossed.tolist()))
    return Bounds(np.asarray(weights, dtype=np.int64), least, most)


def _turns(replica: Ints, weights: Ints, ids: Sequence[str], salt: str) -> Ints:
    """(sites,) the place of each site's replica in the order in which they are given."""
    due = fraction_ranks(replica, weights)
    order = np.lexsort((weights, due))
    same = (due[order[1:]] == due[order[:-1]]) & (weights[order[1:]] == weights[order[:-1]])
    tied = np.zeros(len(order), dtype=bool)
    tied[1:] |= same
    tied[:-1] |= same
    by_hash = np.zeros(len(order), dtype=np.int64)
    rows = order[tied].tolist()
    for place, row in enumerate(sorted(rows, key=lambda row: (_hash(salt, ids[row]), ids[row]))):
        by_hash[row] = place
    turn = np.empty(len(order), dtype=np.int64)
    turn[np.lexsort((by_hash, weights, due))] = np.arange(len(order))
    return turn


def _hash(salt: str, id_: str) -> bytes:
    """A number that any process computes alike (Python's own `hash` differs by process), fair over salts for any two ids."""
    return hashlib.blake2b(f"{salt}\0{id_}".encode(), digest_size=8).digest()


def _served(shares: Shares, given: Ints, open_sites: Ints, turn: Ints, total: int) -> Mask:
    """Which of the open sites have their last replica: that in `given`, whose turn is `turn`."""
    since = shares.first_due(open_sites, given[open_sites], top=total)
    start = int(since.min())
    settled = shares.rounded_up(start - 1)
    more = given - settled
    sites = np.repeat(np.arange(len(given)), more)
    replica = np.arange(len(sites)) - np.repeat(np.cumsum(more) - more, more) + settled[sites] + 1
    days = total - start + 1
    allowed = np.cumsum(np.bincount(shares.first_due(sites, replica, top=total) - start, minlength=days))
    backlog = int(settled.sum()) + allowed - np.arange(start, total + 1)
    waiting = np.cumsum(np.bincount(since - start, minlength=days))
    free = np.maximum.accumulate(np.maximum(waiting - backlog, 0))
    slots = start + np.flatnonzero(np.diff(free, prepend=0))
    first = np.argsort(turn)[: len(slots)]
    served = np.zeros(len(open_sites), dtype=bool)
    if np.all(np.sort(since[first]) <= slots):
        served[first] = True
        return served
    by_day = np.argsort(since, kind="stable").tolist()
    next_allowed, queue = 0, list[tuple[int, int]]()
    for slot in slots.tolist():
        while next_allowed < len(by_day) and since[by_day[next_allowed]] <= slot:
            heapq.heappush(queue, (int(turn[by_day[next_allowed]]), by_day[next_allowed]))
            next_allowed += 1
        served[heapq.heappop(queue)[1]] = True
    return served
