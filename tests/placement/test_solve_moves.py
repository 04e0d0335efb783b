"""A standing, a table of moves and a search, against plain loops over sets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from solve_models import models

from placement.solve.board import board_of, opened
from placement.solve.coupling import ALONE, UNSERVED, WHOLE, ground_of
from placement.solve.evaluation import better, evaluate
from placement.solve.folding import weights_of
from placement.solve.greedy import greedy
from placement.solve.ground import Ground, Standing, stand
from placement.solve.layout import Layout, layout, mandatory
from placement.solve.local import search
from placement.solve.model import Model
from placement.solve.moves import Moves, improves, may_improve, moves


def layouts_of(model: Model) -> list[Layout]:
    """All units on all their candidates."""
    weights = weights_of(model)
    return [
        layout(one, np.arange(one.count), groups=one.groups, fixed=mandatory(one, one.groups), weights=weights)
        for one in model.units
    ]


def drawn(count: int, data: st.DataObject) -> np.ndarray:
    """Some of so many, ascending."""
    return np.array(sorted(data.draw(st.sets(st.integers(0, count - 1)))) if count else [], dtype=np.int64)


def grounds(model: Model, data: st.DataObject) -> list[Ground]:
    """Each unit's ground, while the others have any candidates open."""
    layouts = layouts_of(model)
    open = opened(layouts, [drawn(one.count, data) for one in model.units])
    view = data.draw(st.sampled_from([ALONE, UNSERVED, WHOLE]))
    return [ground_of(board_of(model, layouts), number, open, view) for number in range(len(model.units))]


def stood(ground: Ground, open: list[int]) -> list[float]:
    """What a standing's levels are, in plain loops."""
    levels = ground.fixed_levels.tolist()
    for column in open:
        levels[0] += ground.barred[column]
        for tier, opening in enumerate(ground.opening.tolist()):
            levels[1 + tier] += opening[column]
    for amounts, low, high, weight in zip(ground.amounts, ground.low, ground.high, ground.weight, strict=True):
        have = sum(float(amounts[column]) for column in open)
        levels[0] += weight * max(low - have, have - high, 0.0)
    for at, domain in enumerate(ground.domain.tolist()):
        inside = ground.inside[ground.inside_at[at] : ground.inside_at[at + 1]].tolist()
        for column in open:
            inside[domain[column]] += 1
        domains = sum(one > 0 for one in inside)
        levels[0] += max(ground.least[at] - domains, 0)
        levels[0] += max(domains - ground.most[at], 0) if ground.most[at] >= 0 else 0
        levels[0] += sum(max(one - ground.each[at], 0) for one in inside) if ground.each[at] >= 0 else 0
    for row in ground.rows.tolist():
        entries = range(ground.start[row], ground.start[row + 1])
        reached = [float(ground.cost[entry]) for entry in entries if ground.column[entry] in open]
        cost = min([float(ground.first[row]), *reached])
        levels[0 if cost == np.inf else 1 + ground.tier[row]] += 1.0 if cost == np.inf else cost
    return levels


def after(standing: Standing, table: Moves, row: int, column: int) -> list[int]:
    """The open columns after a move."""
    gone = {int(standing.open[table.drops[row - 1]])} if row else set()
    return sorted({*standing.open.tolist()} - gone | ({column - 1} if column else set()))


@settings(max_examples=200, deadline=None)
@given(models(), st.data())
def test_a_standing_adds_up_what_is_broken_and_what_it_costs(model: Model, data: st.DataObject) -> None:
    for ground in grounds(model, data):
        open = drawn(len(ground.barred), data)
        assert stand(ground, open).levels.tolist() == pytest.approx(stood(ground, open.tolist()))


@settings(max_examples=100, deadline=None)
@given(models(), st.data())
def test_units_each_by_itself_cost_together_what_the_whole_costs(model: Model, data: st.DataObject) -> None:
    layouts, choice = layouts_of(model), [drawn(one.count, data) for one in model.units]
    choice = [np.union1d(one.fixed, mine).astype(np.int64) for one, mine in zip(layouts, choice, strict=True)]
    board, open = board_of(model, layouts), opened(layouts, choice)
    costs = np.zeros(model.tiers)
    for number, one in enumerate(layouts):
        costs += stand(ground_of(board, number, open, ALONE), one.open_columns(choice[number])).levels[1:]
    assert costs.tolist() == pytest.approx(evaluate(model, tuple(choice)).cost.tolist())


@settings(max_examples=200, deadline=None)
@given(models(), st.data())
def test_the_table_says_what_each_move_changes(model: Model, data: st.DataObject) -> None:
    for ground in grounds(model, data):
        count = len(ground.barred)
        if not count:
            continue
        standing = stand(ground, drawn(count, data))
        table = moves(ground, standing, True)
        for row in range(len(table.drops) + 1):
            for column in range(count + 1):
                if column and column - 1 in standing.open:
                    assert table.broken[row, column] == np.inf
                    continue
                levels = np.array(stood(ground, after(standing, table, row, column)))
                assert table.broken[row, column] == pytest.approx(levels[0] - standing.levels[0], abs=1e-9)
                assert table.cost[:, row, column] == pytest.approx(levels[1:] - standing.levels[1:], abs=1e-9)
        drops = moves(ground, standing, False)
        assert drops.broken[:, 0] == pytest.approx(table.broken[:, 0])
        assert drops.cost[:, :, 0] == pytest.approx(table.cost[:, :, 0])


@settings(max_examples=100, deadline=None)
@given(models(), st.data())
def test_no_move_of_a_row_is_better_where_none_may_be(model: Model, data: st.DataObject) -> None:
    for ground in grounds(model, data):
        standing = stand(ground, drawn(len(ground.barred), data))
        table = moves(ground, standing, True)
        for row in range(len(table.merit)):
            columns = range(table.merit.shape[1])
            better = any(improves.compiled_from(table, standing.levels, row, column) for column in columns)
            may = may_improve.compiled_from(table, standing.levels, row)
            assert may == better if model.tiers == 1 else may or not better


@settings(max_examples=100, deadline=None)
@given(models(), st.data())
def test_a_search_ends_where_no_single_move_is_better(model: Model, data: st.DataObject) -> None:
    for ground in grounds(model, data):
        for begin in (greedy(ground), drawn(len(ground.barred), data)):
            found = search(ground, begin, 60, True)
            assert found.levels.tolist() == pytest.approx(stood(ground, found.open.tolist()))
            standing = stand(ground, found.open)
            table = moves(ground, standing, True)
            for row in range(len(table.drops) + 1):
                for column in range(len(ground.barred) + 1):
                    if column and column - 1 in standing.open:
                        continue
                    levels = stood(ground, after(standing, table, row, column))
                    assert not better(np.array(levels), found.levels)
            assert not better(np.array(stood(ground, begin.tolist())), found.levels)
