"""Sites that would be worth opening together with those that they serve: what a unit between others is judged by.

An API site is worth what it saves as the middle of a star: it is opened, with the front ends in its reach that then pay for
themselves. What a place would save is known from a relaxation (`Guide.prices`): by its prices nobody among the candidates of
the relaxation serves anyone for less than he pays, and together they pay what the relaxation comes to. So whatever is better
than that has a star in it that costs less than its places pay: such stars are what is missing among the candidates, and the
cheaper they are the more they promise (column generation, as of Dantzig and Wolfe 1960).
"""

from __future__ import annotations

import numpy as np

from placement.compiled import Numbers, NumberTable, Row, Small, kernel

MOST = 12
"""Front ends of one star."""
NOBODY = -1


@kernel
def worths(indptr: Numbers, indices: Small, cost: Row, weight: float, prices: Row, own: Row) -> Row:
    """(candidates,): what opening each costs less what it saves the clients (rows) of their prices."""
    found = own.copy()
    for client in range(len(indptr) - 1):
        for entry in range(indptr[client], indptr[client + 1]):
            saved = prices[client] - weight * cost[entry]
            if saved > 0.0:
                found[indices[entry]] -= saved
    return found


@kernel
def stars(
    reach: Numbers, member: Small, serves: Numbers, client: Small, cost: Row, prices: Row, own: Row, middle: Row
) -> tuple[Row, NumberTable]:
    """(middles,) what each star costs less what its clients pay; (middles, MOST) its members, then `NOBODY`.

    reach, member: of each middle the members that may be in its star, the most promising first.
    serves, client, cost: of each member the clients that it reaches, and what serving them costs.
    own: (members,) what opening costs. middle: (middles,) the same.
    """
    count = len(reach) - 1
    # Most members would not pay for themselves if they were alone: they are in no star.
    pays_off = np.zeros(len(own), dtype=np.bool_)
    for who in range(len(own)):
        saved = -own[who]
        for entry in range(serves[who], serves[who + 1]):
            saved += max(prices[client[entry]] - cost[entry], 0.0)
        pays_off[who] = saved > 0.0
    worth = middle.copy()
    inside = np.full((count, MOST), NOBODY, dtype=np.int64)
    pays = prices.copy()
    for one in range(count):
        size = 0
        for at in range(reach[one], reach[one + 1]):
            who = member[at]
            if not pays_off[who]:
                continue
            saved = -own[who]
            for entry in range(serves[who], serves[who + 1]):
                saved += max(pays[client[entry]] - cost[entry], 0.0)
            if saved > 0.0:
                worth[one] -= saved
                inside[one, size] = who
                size += 1
                for entry in range(serves[who], serves[who + 1]):
                    pays[client[entry]] = min(pays[client[entry]], cost[entry])
                if size == MOST:
                    break
        for at in range(size):
            who = inside[one, at]
            for entry in range(serves[who], serves[who + 1]):
                pays[client[entry]] = prices[client[entry]]
    return worth, inside


@kernel
def picked(worth: Row, inside: NumberTable, members: int, most: int, each: int, alike: int) -> Numbers:
    """The middles of the best stars, the best first.

    As many as are wanted, and more until each member is in `each`; of those with the same members `alike` at most.
    """
    order = np.argsort(worth, kind="mergesort")
    found, count = np.empty(len(worth), dtype=np.int64), 0
    times = np.zeros(members, dtype=np.int64)
    seen, often, known = np.empty(len(worth), dtype=np.uint64), np.zeros(len(worth), dtype=np.int64), 0
    for one in order:
        if inside[one, 0] == NOBODY:
            continue
        rare, key = False, np.uint64(14695981039346656037)
        for who in inside[one]:
            if who != NOBODY:
                rare |= times[who] < each
                key = (key ^ np.uint64(who)) * np.uint64(1099511628211)
        if count >= most and not rare:
            continue
        place = 0
        while place < known and seen[place] != key:
            place += 1
        if place == known:
            seen[known] = key
            known += 1
        if often[place] == alike:
            continue
        often[place] += 1
        for who in inside[one]:
            if who != NOBODY:
                times[who] += 1
        found[count] = one
        count += 1
    return found[:count].copy()


@kernel
def first_few(indptr: Numbers, indices: Small, own: Row, share: Row, most: int, chosen: Numbers) -> None:
    """Marks for each row so many of those in reach with the least share, and with the least of their own."""
    for row in range(len(indptr) - 1):
        for kind in range(2):
            figures = share if kind == 0 else own
            for _ in range(most):
                best = -1
                for entry in range(indptr[row], indptr[row + 1]):
                    one = indices[entry]
                    if chosen[one] != row + 1 and (best < 0 or figures[one] < figures[best]):
                        best = one
                if best < 0:
                    break
                chosen[best] = row + 1
