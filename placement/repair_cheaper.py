"""Of the choices with as few moves the cheapest: what is left to better once no choice has fewer.

Looked at are the sites that stay, those that are open, the most promising others, and of each unit that takes a new site
those that would best take its place. What stays may be closed with it: one that costs more by itself may make up for two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from placement.arrays import Floats, Ints
from placement.repair_beside import covered
from placement.solve.core import core
from placement.solve.entries import cheapest, rows_at
from placement.solve.folding import weights_of
from placement.solve.mip import exact
from placement.solve.model import Budget, Choice, Clients, Model, mask_of

PROMISING = 16
"""Candidates of each unit that promise most, besides."""
INSTEAD = 8
"""Candidates of a unit that would best take the place of a new one."""


def cheaper(model: Model, choice: Choice, new: Sequence[Floats]) -> Choice:
    """The choice, or one that costs less and moves no more.

    choice: one that is feasible. new: by unit, (candidates,) the moves that opening each takes.
    """
    most = sum(float(one[opened].sum()) for one, opened in zip(new, choice.open, strict=True))
    among = tuple(
        np.union1d(kept, np.union1d(np.flatnonzero(amounts == 0.0), _instead(model, number, choice.open, amounts)))
        for number, (kept, amounts) in enumerate(zip(_promising(model, choice), new, strict=True))
    )
    bounded = replace(model, budgets=(*model.budgets, Budget(tuple(new), most, label="moves")))
    return exact(bounded, among=among, incumbent=choice, few=True) or choice


def _promising(model: Model, choice: Choice) -> tuple[Ints, ...]:
    return core(replace(model, limits=replace(model.limits, core_candidates=PROMISING)), choice)


def _instead(model: Model, number: int, open: Sequence[Ints], new: Floats) -> Ints:
    """The candidates of a unit that would best take the place of one that is new, alone or with one that stays."""
    unit, mine = model.units[number], open[number]
    moved = mine[new[mine] > 0.0]
    if not len(moved):
        return moved
    weights = weights_of(model)
    asked = [] if unit.clients is None else [unit.clients]
    may = np.ones(unit.count, dtype=bool)
    for one in model.serving:
        if one.server == number:
            asked.append(Clients(rows_at(one.reach, open[one.client]), one.tier))
        elif one.client == number:
            may &= np.isfinite(cheapest(one.reach, mask_of(open[one.server], one.reach.shape[1])))
    may[mine] = False
    own = weights @ unit.open_cost
    best = np.full(unit.count, np.inf)
    for gone in moved.tolist():
        for with_it in mine.tolist():
            mask = mask_of(mine, unit.count)
            mask[[gone, with_it]] = False
            costs, does = own - own[mine[~mask[mine]]].sum(), may & (new <= new[gone])
            for clients in asked:
                covers, saved, missed = covered(clients, mask)
                does &= covers == missed
                costs += weights[clients.tier] * saved
            best = np.minimum(best, np.where(does, costs, np.inf))
    order: Ints = np.argsort(best, kind="stable")[:INSTEAD]
    found: Ints = order[np.isfinite(best[order])]
    return found
