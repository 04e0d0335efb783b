"""How a batch is made better: by what a relaxation says of all, and by deciding a few again that are in each other's way.

The relaxation takes parts of choices. It is followed down: what it takes whole is laid out on nodes, then the largest part
of what it does not, and it is asked again with what is left. Then those that are worst off have their turn: the choices
that they lack need room that others have, so they and those are taken out together, and the best of all known choices for
them is an exact problem of a few columns; what is new is looked for where nothing known is better.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from placement.batch_drafts import QUICK, searched
from placement.batch_prices import SLACK, Known, Priced
from placement.batch_search import Batch
from placement.solve.model import Limits
from placement.stopping import look

WHOLE = 0.99
"""A share from which on the relaxation has decided."""
SOME = 1e-6
CANDIDATES = 3
"""Of one that is worst off: the choices whose room is asked for, the cheapest first."""
EACH = 12
"""Choices of each of a group that the exact choice is made among."""
MAX_LAID = 3
"""How often an exact choice is made anew because it does not fit on nodes."""


def priced_out(batch: Batch, priced: Priced, *, wanted: Collection[int] | None = None, limits: Limits = QUICK) -> bool:
    """What each of those that are wanted, or of all, would have with prices for room; whether something new is known."""
    before = len(batch.known)
    for at, alone in batch.alone.items():
        if wanted is not None and at not in wanted:
            continue
        surcharge = batch.prices.surcharge(at, priced)
        if not any(more[rows].any() for more, rows in zip(surcharge, alone.open, strict=True)):
            continue  # what it would have without prices costs nothing more with them
        look(batch.stop)
        found, _ = searched(batch.room, batch.drafts[at], surcharge=surcharge, limits=limits)
        batch.decided += 1
        if found is not None:
            batch.learn(at, found)
    return len(batch.known) > before


def dive(batch: Batch) -> None:
    """Chooses anew what the relaxation over all known choices leads to."""
    batch.clear()
    penalties, dead = batch.penalties(), set[int]()
    while True:
        open = [one for one in batch.known if one.at not in batch.chosen and id(one) not in dead]
        if not open:
            break
        priced = batch.prices.priced(open, penalties, others=list(batch.chosen.values()))
        shares = priced.shares
        order = sorted(
            np.flatnonzero(shares > SOME).tolist(),
            key=lambda one: (-batch.priorities[open[one].at], -shares[one], open[one].cost, one),
        )
        if not order:
            break
        for number in order:
            one = open[number]
            if shares[number] < WHOLE and number != order[0]:
                continue
            if one.at not in batch.chosen and not batch.have(one):
                dead.add(id(one))
    for at in batch.order:
        if at in batch.alone and at not in batch.chosen:
            batch.place(at)


def in_the_way(batch: Batch, at: int, *, most: int) -> list[int]:
    """Those that have the room which the cheapest choices of one need, of no higher priority; the most in the way first."""
    mine = batch.chosen.get(at)
    cost = float("inf") if mine is None else mine.cost
    left = batch.prices.left([one for other, one in batch.chosen.items() if other != at])
    wanted = sorted((one for one in batch.known if one.at == at and one.cost < cost), key=lambda one: one.cost)
    others = {
        other: frozenset(batch.prices.room_of(one)[0].tolist())
        for other, one in batch.chosen.items()
        if other != at and batch.priorities[other] <= batch.priorities[at]
    }
    blame: dict[int, float] = {}
    for rank, one in enumerate(wanted[:CANDIDATES]):
        rows, takes = batch.prices.room_of(one)
        lacking = rows[takes > left[rows] + SLACK].tolist()
        sites = {where for where, _, _ in one.entries}
        for other, taken in others.items():
            share = sum(row in taken for row in lacking)
            if not lacking:
                # The counting lets it through and the nodes do not: whoever runs at its sites may be the reason.
                share = sum(where in sites for where, _, _ in batch.chosen[other].entries)
            if share:
                blame[other] = blame.get(other, 0.0) + share / (1.0 + rank)
    return sorted(blame, key=lambda other: (-blame[other], other))[:most]


def reselect(batch: Batch, group: Sequence[int], *, nodes: int) -> None:
    """Takes a group out and has the best of all known choices for it beside the others; what has none is decided anew."""
    had = {at for at in group if batch.leave(at) is not None}
    others, penalties = list(batch.chosen.values()), batch.penalties()
    known = _few(batch, group, others)
    dead: set[int] = set()
    for _ in range(MAX_LAID):
        picked = batch.prices.chosen(
            [one for one in known if id(one) not in dead], penalties, others=others, nodes=nodes
        )
        failed = [one for one in sorted(picked, key=lambda one: batch.order.index(one.at)) if not batch.have(one)]
        if not failed:
            break
        dead |= {id(one) for one in failed}
        for at in group:
            batch.leave(at)
    for at in batch.order:
        if at in had and at not in batch.chosen:
            batch.place(at)


def _few(batch: Batch, group: Sequence[int], others: Sequence[Known]) -> list[Known]:
    """Of each of a group the cheapest choices that have room beside the others."""
    few = []
    for at in group:
        mine = [one for one in batch.known if one.at == at and batch.prices.fits(one, others)]
        few += sorted(mine, key=lambda one: one.cost)[:EACH]
    return few


def renewed(batch: Batch, at: int, group: Sequence[int], priced: Priced | None) -> None:
    """Decides one before those that are in its way, which stay where they are if they still can."""
    before = {one: batch.leave(one) for one in (at, *group)}
    for one in (at, *group):
        was = before[one]
        batch.place(one, None if one == at or was is None else was.option.open, priced=None if one == at else priced)
