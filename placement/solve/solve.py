"""The choice for a model: greedy, then local search, then units moved together, then an exact core.

Each step starts from what the one before it found and never leaves it for something worse, so a search that ends at any of
them has an answer. All look at each unit's shortlist, made in the order of servings: a unit before those that serve it. The
searches of all units are one call of compiled code, for between them there is nothing that Python decides. What runs now is
a second place to start from, and an answer that is feasible to begin with is never left for one that is worse.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from placement.arrays import Floats, Ints, Mask
from placement.solve.board import Board, board_of, opened, order_of
from placement.solve.conflict import irreducible
from placement.solve.core import improve
from placement.solve.evaluation import better, evaluate
from placement.solve.folding import weights_of
from placement.solve.joint import searched, settled
from placement.solve.layout import Layout, Rows, layout, mandatory
from placement.solve.model import Choice, Group, Model, nobody
from placement.solve.shortlist import promise, shortlist
from placement.stopping import look

LISTED = 320
"""Candidates of the only unit that it is searched with."""
BESIDE = 64
"""Candidates of a unit that it is searched with beside others, about."""
FEW = 160
"""Units of at most so many are searched whole."""
SAMPLED = 32
"""Candidates of a unit, the most promising, that the units which serve it are listed for."""


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


def polished(model: Model, choice: Choice) -> Choice:
    """A better choice near a feasible one, or that one: its units searched from it among all candidates.

    `iterations` are the steps of this search alone. Raises Stopped when `limits.stop` is asked for.
    """
    limits, weights = model.limits, weights_of(model)
    look(limits.stop)
    layouts = [
        layout(unit, np.arange(unit.count), groups=unit.groups, fixed=mandatory(unit, unit.groups), weights=weights)
        for unit in model.units
    ]
    board, begin = board_of(model, layouts), opened(layouts, choice.open)
    found, steps = settled(board, np.array(order_of(model)), begin, limits.rounds, limits.core_joint_moves)
    after = replace(evaluate(model, _candidates(board, layouts, found)), iterations=steps)
    return after if after.feasible and better(after.cost, choice.cost) else replace(choice, iterations=steps)


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
    look(limits.stop)
    layouts = _layouts(model, order, groups, weights, start)
    board = board_of(model, layouts)
    begin = opened(layouts, [nobody()] * len(layouts) if start is None else start)
    look(limits.stop)
    tries = limits.core_joint_moves if limits.core_candidates else limits.joint_moves
    found, steps = searched(board, np.array(order), begin, start is None, limits.rounds, tries)
    return replace(evaluate(model, _candidates(board, layouts, found)), iterations=steps)


def _candidates(board: Board, layouts: Sequence[Layout], open: Mask) -> tuple[Ints, ...]:
    """By unit: the open candidates, ascending, of the players that are open."""
    ends = board.player_at.tolist()
    return tuple(
        one.candidates(np.flatnonzero(open[end : end + len(one.columns)]))
        for one, end in zip(layouts, ends, strict=False)
    )


def _layouts(
    model: Model, order: Sequence[int], groups: tuple[Group, ...], weights: Floats, start: tuple[Ints, ...] | None
) -> list[Layout]:
    """The units on their shortlists, each made for what those that it serves promise most with."""
    most, few = (LISTED, LISTED) if len(model.units) == 1 else (BESIDE, FEW)
    found: dict[int, Layout] = {}
    sampled: dict[int, Ints] = {}
    for number in order:
        unit = model.units[number]
        kept = unit.groups if number else groups
        keep = nobody() if start is None else start[number]
        columns = np.arange(unit.count)
        served = _served(model, number)
        if unit.count > few or (unit.count > SAMPLED and _is_served_by_more(model, number, few)):
            clients = _clients(model, number, sampled)
            promised = promise(unit, clients, weights)
            if served is not None:
                promised[~served] = np.inf
            budgets = [one.amounts[number] for one in model.budgets]
            pick = partial(shortlist, unit, promised, groups=kept, rows=clients, keep=keep, budgets=budgets)
            columns = pick(most=most) if unit.count > few else columns
            sampled[number] = pick(most=SAMPLED)
        else:
            sampled[number] = columns
        if served is not None and not served[columns].all():
            # Where no server is in reach nothing can be; but there is to be something to look at.
            some = served[columns] | np.isin(columns, keep)
            columns = columns[some] if some.any() else columns
        found[number] = layout(unit, columns, groups=kept, fixed=mandatory(unit, kept), weights=weights)
    return [found[number] for number in range(len(model.units))]


def _is_served_by_more(model: Model, number: int, most: int) -> bool:
    """Whether a unit that serves this one has more than so many candidates."""
    return any(one.client == number and model.units[one.server].count > most for one in model.serving)


def _served(model: Model, number: int) -> Mask | None:
    """(candidates,): whether servers of each kind are in reach; None for a unit that nobody serves."""
    found: Mask | None = None
    for serving in model.serving:
        if serving.client == number:
            there = np.diff(serving.reach.indptr) > 0
            found = there if found is None else found & there
    return found


def _clients(model: Model, number: int, sampled: Mapping[int, Ints]) -> list[Rows]:
    """Those that a unit serves: its places, and the most promising candidates of other units."""
    unit = model.units[number]
    found = []
    if unit.clients is not None:
        matrix = unit.clients.cost
        found.append(Rows(matrix, np.arange(matrix.shape[0]), unit.clients.tier))
    for serving in model.serving:
        if serving.server == number and serving.client in sampled:
            found.append(Rows(serving.reach, sampled[serving.client], serving.tier))
    return found
