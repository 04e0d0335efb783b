"""The choice for a model: greedy, then local search, then units moved together, then an exact core.

Each step starts from what the one before it found and never leaves it for something worse, so a search that ends at any of
them has an answer. The first steps look at each unit's shortlist, in the order of servings: a unit before those that serve
it. Then all units are searched beside each other on lists that are shorter still, for there each step concerns several
units. What runs now is a second place to start from, and an answer that is feasible to begin with is never left for one
that is worse.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from placement.arrays import Floats, Ints
from placement.solve.conflict import irreducible
from placement.solve.core import improve
from placement.solve.coupling import Opens, board_of, ground_before, opened, order_of
from placement.solve.evaluation import better, evaluate
from placement.solve.folding import weights_of
from placement.solve.greedy import greedy
from placement.solve.joint import beside
from placement.solve.layout import Layout, Rows, layout, mandatory
from placement.solve.local import search
from placement.solve.model import Choice, Group, Model, nobody
from placement.solve.shortlist import LISTED, least, promise, shortlist
from placement.stopping import look

NEAR = 96
"""Those that it is searched with beside the other units."""


def solve(model: Model) -> Choice:
    """The best choice that was found: of those that break least the one that costs least; see `Choice`.

    With `model.start` feasible it is feasible and costs no more. With `limits.core_candidates` an exact solver is asked too,
    also when the searches found nothing feasible; when it proves that there is nothing, the choice says what cannot be kept.
    Raises Stopped when `limits.stop` is asked for.
    """
    found = _searched(model)
    if not model.limits.core_candidates:
        return found
    improved = improve(model, found)
    if improved is not found:
        improved = replace(improved, iterations=found.iterations + improved.iterations)
    if not improved.feasible and improved.proved:
        improved = replace(improved, conflict=irreducible(model))
    return improved


def _searched(model: Model) -> Choice:
    """The best of the searches, from nothing and from what runs now."""
    weights = weights_of(model)
    best: Choice | None = None
    for groups in _variants(model):
        for start in (None, model.start) if model.start is not None else (None,):
            choice = _one(model, groups, weights, start)
            if best is None or _nearer(choice, best):
                best = replace(choice, iterations=choice.iterations + (best.iterations if best else 0))
            else:
                best = replace(best, iterations=best.iterations + choice.iterations)
    assert best is not None
    if model.start is not None:
        now = evaluate(model, model.start)
        if _nearer(now, best):
            best = replace(now, iterations=best.iterations)
    return best


def _nearer(one: Choice, other: Choice) -> bool:
    """Whether the first breaks less, or the same at less cost."""
    left, right = len(one.broken), len(other.broken)
    return left < right if left != right else better(one.cost, other.cost)


def _variants(model: Model) -> Iterator[tuple[Group, ...]]:
    """The first unit's groups, with each combination of alternatives."""
    combinations = itertools.product(*model.alternatives)
    for chosen in itertools.islice(combinations, max(1, model.limits.alternatives)):
        yield (*model.units[0].groups, *itertools.chain.from_iterable(chosen))


def _one(model: Model, groups: tuple[Group, ...], weights: Floats, start: tuple[Ints, ...] | None) -> Choice:
    """A choice with these groups in the first unit, from nothing or from a start."""
    order = order_of(model)
    limits = model.limits
    open: Opens = [None] * len(model.units) if start is None else list(start)
    promised: list[Floats] = [np.empty(0)] * len(model.units)
    layouts: list[Layout | None] = [None] * len(model.units)
    steps = 0
    for number in order:
        look(limits.stop)
        unit = model.units[number]
        kept = groups if number == 0 else unit.groups
        clients = _clients(model, number, open)
        promised[number] = promise(unit, clients, weights)
        for serving in model.serving:
            if serving.client == number:
                promised[number][np.diff(serving.reach.indptr) == 0] = np.inf
        now = open[number]
        columns = shortlist(
            unit,
            promised[number],
            groups=kept,
            rows=clients,
            keep=nobody() if now is None else now,
            most=LISTED,
            budgets=[one.amounts[number] for one in model.budgets],
        )
        columns = _served(columns, promised[number], nobody() if now is None else now)
        base = layout(unit, columns, groups=kept, fixed=mandatory(unit, kept), weights=weights)
        layouts[number] = base
        ground = ground_before(model, number, base, open)
        begin = greedy(ground) if now is None else base.open_columns(now)
        found = search(ground, begin, limits.rounds, True)
        steps += found.steps
        open[number] = base.candidates(found.open)
        promised[number][base.columns] = found.merit - 1e9
    chosen = [one for one in open if one is not None]
    if len(model.units) > 1:
        chosen, made = _beside(model, [one for one in layouts if one is not None], order, promised, chosen, groups)
        steps += made
    return replace(evaluate(model, tuple(chosen)), iterations=steps)


def _served(columns: Ints, promised: Floats, keep: Ints) -> Ints:
    """The columns without those that no server has in reach, but for those that are kept; all, when none is left."""
    some = np.isfinite(promised[columns])
    if some.all():
        return columns
    some |= np.isin(columns, keep)
    return columns[some] if some.any() else columns


def _clients(model: Model, number: int, open: Opens) -> list[Rows]:
    unit = model.units[number]
    found = []
    if unit.clients is not None:
        matrix = unit.clients.cost
        found.append(Rows(matrix, np.arange(matrix.shape[0]), unit.clients.tier))
    for serving in model.serving:
        clients = open[serving.client]
        if serving.server == number and clients is not None:
            found.append(Rows(serving.reach, clients, serving.tier))
    return found


def _beside(
    model: Model,
    layouts: list[Layout],
    order: list[int],
    promised: list[Floats],
    open: list[Ints],
    groups: tuple[Group, ...],
) -> tuple[list[Ints], int]:
    """The units searched beside each other, from what each chose alone."""
    near: list[Layout] = list(layouts)
    for number in order:
        one = layouts[number]
        if one.unit.count <= NEAR:
            continue
        chosen = np.zeros(one.unit.count, dtype=bool)
        chosen[one.columns[least(promised[number][one.columns], NEAR)]] = True
        chosen[open[number]] = True
        for serving in model.serving:
            if serving.server == number and serving.client != number:
                clients = near[serving.client]
                wanted = np.concatenate((clients.columns, clients.fixed))
                figures = promise(one.unit, [Rows(serving.reach, np.sort(wanted), serving.tier)], one.weights)
                chosen[least(figures, NEAR)] = True
        kept = groups if number == 0 else one.unit.groups
        fixed = mandatory(one.unit, kept)
        near[number] = layout(one.unit, np.flatnonzero(chosen), groups=kept, fixed=fixed, weights=one.weights)
    board = board_of(model, near)
    limits = model.limits
    look(limits.stop)
    found, steps = beside(board, np.array(order), opened(near, open), limits.rounds, limits.joint_moves)
    ends = board.player_at.tolist()
    return [
        one.candidates(np.flatnonzero(found[begin : begin + len(one.columns)]))
        for one, begin in zip(near, ends, strict=False)
    ], steps
