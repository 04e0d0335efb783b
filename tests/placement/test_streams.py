"""Rows of streams hold for every choice, are broken by the answer that they were asked for, and close what is left open."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from tiny_models import best_by_force, reach_of

from placement.arrays import Floats
from placement.solve.bound import lp_bound
from placement.solve.evaluation import evaluate
from placement.solve.ladders import Told
from placement.solve.model import Clients, Model, Serving, Unit
from placement.solve.program import Program, program
from placement.solve.relaxation import Relaxation
from placement.solve.streams import chains_of


def served_model(seed: int) -> Model:
    """Two or three units of two or three candidates, each but the first serving one of those before it."""
    draw = np.random.default_rng(seed)
    count = int(draw.integers(2, 4))
    units = []
    for number in range(count):
        size = int(draw.integers(2, 4))
        clients = None
        if number == 0:
            reach = reach_of(draw, int(draw.integers(1, 5)), size, share=0.7, free=bool(draw.random() < 0.2))
            clients = Clients(reach, 0)
        costs = np.round(draw.random((1, size)) * 2 + 0.1, 2)
        units.append(Unit(f"unit {number}", np.arange(size), costs, clients, min_open=int(draw.integers(0, 2))))
    serving = tuple(
        Serving(server, client, reach_of(draw, units[client].count, units[server].count, share=0.5, free=True), 0)
        for server in range(1, count)
        for client in [int(draw.integers(0, server))]
    )
    return Model(tuple(units), 1, serving)


def columns_of_choice(rows: Program, model: Model, opened: Floats) -> Floats:
    """(columns,): a choice, with what its clients pay."""
    values = np.zeros(rows.columns)
    values[: rows.opens] = opened
    unit = model.units[0]
    assert unit.clients is not None
    for client, extra in enumerate(rows.extras[0].tolist()):
        if extra >= 0:
            row = unit.clients.cost[[client]]
            prices = row.data[opened[row.indices] > 0.5]
            low, high = float(row.data.min()), float(row.data.max())
            values[extra] = (float(prices.min()) - low) / (high - low)
    return values


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_row_holds_for_every_choice_that_keeps_the_model(seed: int) -> None:
    model = served_model(seed)
    rows = program(model)
    draw = np.random.default_rng(seed + 1)
    told = []
    for share in (0.0, 0.3, 0.7):
        values = np.where(draw.random(rows.columns) < share, 0.0, draw.random(rows.columns))
        for chain in chains_of(model, rows):
            broken = chain.broken(values, draw.random(rows.columns))
            if broken is not None:
                assert (broken.matrix @ values < broken.low).all()
                told.append(broken)
    for opened in product((0.0, 1.0), repeat=rows.opens):
        chosen = np.array(opened)
        if told and evaluate(model, rows.opened(chosen)).feasible:
            values = columns_of_choice(rows, model, chosen)
            assert all((one.matrix @ values >= one.low - 1e-9).all() for one in told)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_relaxation_with_streams_is_no_less_than_without_and_no_more_than_the_best(seed: int) -> None:
    model = served_model(seed)
    rows = program(model)
    without = Relaxation(rows, 0, Told(rows.ladders)).run()
    found = Relaxation(rows, 0, Told(rows.ladders), chains_of(model, rows)).run()
    best = best_by_force(model)
    if best is None:
        return
    assert without.feasible
    assert found.feasible
    assert found.value >= without.value - 1e-6
    assert found.value + float(rows.constants[0]) <= best[0] + 1e-6


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_rows_that_are_dropped_sooner_change_nothing_of_the_value(seed: int) -> None:
    model = served_model(seed)
    rows = program(model)
    kept, dropped = (
        Relaxation(rows, 0, Told(rows.ladders), chains_of(model, rows)).run(idle=idle) for idle in (100, 1)
    )
    assert dropped.feasible == kept.feasible
    if kept.feasible:
        assert dropped.value == pytest.approx(kept.value, abs=1e-6)


def test_what_is_in_reach_only_through_what_is_closed_costs_as_much_as_opening_it() -> None:
    """Each front end is open to a third, which a third of each API would do for."""
    front = Unit("front", np.arange(3), np.ones((1, 3)), Clients(csr_array(np.ones((1, 3))), 0))
    back = Unit("back", np.arange(3), np.full((1, 3), 3.0), min_open=0)
    near = csr_array((np.zeros(3), np.arange(3), np.arange(4)), shape=(3, 3))
    model = Model((front, back), 1, (Serving(1, 0, near, 0),))
    third = np.full(6, 1 / 3)
    third[3:] = 0.1
    rows = program(model)
    [chain] = chains_of(model, rows)
    broken = chain.broken(third, np.zeros(6))
    assert broken is not None
    assert broken.low.tolist() == [1.0]
    assert lp_bound(model) == pytest.approx([5.0])
    assert chain.broken(np.full(6, 1 / 3), np.zeros(6)) is None


def test_units_that_serve_nobody_have_no_chain() -> None:
    unit = Unit("app", np.arange(2), np.ones((1, 2)), Clients(csr_array(np.ones((1, 2))), 0))
    model = Model((unit,), 1)
    assert chains_of(model, program(model)) == []


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_dive_from_the_relaxation_ends_at_a_choice_or_nowhere(seed: int) -> None:
    model = served_model(seed)
    best = best_by_force(model)
    rows = program(model)
    told = Told(rows.ladders)
    asked = Relaxation(rows, 0, told, chains_of(model, rows))
    found = asked.run()
    if best is None or not found.feasible or found.values is None:
        return
    values = asked.dive(found.values, most=np.inf)
    if values is not None:
        choice = evaluate(model, rows.opened(values))
        assert choice.feasible
        assert choice.cost[0] >= best[0] - 1e-6
