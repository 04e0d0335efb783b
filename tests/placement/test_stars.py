"""Stars: what is worth opening with those that it serves, by what a relaxation has the places pay."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from test_narrowing import sparse_of, words_of
from test_streams import served_model

from placement.guided import guided
from placement.narrowing import NEAR
from placement.solve.entries import Listed, parts_of
from placement.solve.ladders import Told
from placement.solve.mip import exact
from placement.solve.model import Clients, Guide, Unit
from placement.solve.program import program
from placement.solve.relaxation import Relaxation
from placement.solve.stars import MOST, NOBODY, first_few, picked, stars, worths
from placement.solve.streams import chains_of
from placement.units import UnitWords


def drawn(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Who reaches whom of middles and members, of members and clients, costs of serving, prices, and costs of opening."""
    draw = np.random.default_rng(seed)
    middles, members, clients = (int(one) for one in draw.integers(1, 9, size=3))
    reach, serves = draw.random((middles, members)) < 0.6, draw.random((members, clients)) < 0.6
    return (
        reach,
        serves,
        draw.random((members, clients)),
        draw.random(clients) * 3,
        draw.random(members),
        draw.random(middles),
    )


def starred(seed: int) -> tuple[np.ndarray, np.ndarray]:
    reach, serves, cost, prices, own, middle = drawn(seed)
    near, served = Listed(*parts_of(sparse_of(reach))), Listed(*parts_of(sparse_of(serves)))
    return stars(near.start, near.column, served.start, served.column, cost[serves], prices, own, middle)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_star_has_the_members_that_pay_for_themselves_one_after_the_other(seed: int) -> None:
    reach, serves, cost, prices, own, middle = drawn(seed)
    worth, inside = starred(seed)
    for one in range(len(middle)):
        pays, wanted, left = prices.copy(), [], middle[one]
        for who in np.flatnonzero(reach[one]).tolist():
            after = np.where(serves[who], np.minimum(pays, cost[who]), pays)
            if (pays - after).sum() > own[who] and len(wanted) < MOST:
                left += own[who] - (pays - after).sum()
                pays = after
                wanted.append(who)
        assert inside[one][inside[one] != NOBODY].tolist() == wanted
        assert np.isclose(worth[one], left)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_what_a_candidate_is_worth_is_its_cost_less_what_it_saves(seed: int) -> None:
    _, serves, cost, prices, own, _ = drawn(seed)
    by_client = sparse_of(serves.T)
    found = worths(*parts_of(by_client)[:2], cost.T[serves.T], 1.0, prices, own)
    saved = np.where(serves, np.maximum(prices - cost, 0.0), 0.0).sum(axis=1)
    assert np.allclose(found, own - saved)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.integers(1, 3), st.integers(1, 3))
def test_the_best_stars_are_picked_and_some_of_each_member_and_few_alike(
    seed: int, most: int, each: int, alike: int
) -> None:
    worth, inside = starred(seed)
    members = len(drawn(seed)[4])
    found = picked(worth, inside, members, most, each, alike)
    of = [frozenset(row[row != NOBODY].tolist()) for row in inside]
    assert all(of[one] for one in found.tolist())
    assert worth[found].tolist() == sorted(worth[found].tolist())
    assert all(sum(of[one] == of[other] for one in found) <= alike for other in range(len(of)))
    some = [one for one in np.argsort(worth, kind="stable").tolist() if of[one]]
    assert not some or found[0] == some[0]
    for member in range(members):
        there = {of[one] for one in some if member in of[one]}
        assert sum(member in of[one] for one in found.tolist()) >= min(each, len(there))


def test_for_each_row_the_first_by_either_figure_are_marked() -> None:
    near = Listed(*parts_of(sparse_of(np.array([[1, 1, 1, 0], [0, 0, 0, 1]]))))
    marks = np.zeros(4, dtype=np.int64)
    first_few(near.start, near.column, np.array([1.0, 2.0, 3.0, 9.0]), np.array([3.0, 2.0, 1.0, 9.0]), 1, marks)
    assert np.flatnonzero(marks).tolist() == [0, 2, 3]


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_places_pay_together_what_the_relaxation_comes_to(seed: int) -> None:
    model = served_model(seed)
    model = replace(model, units=tuple(replace(one, min_open=0) for one in model.units))
    rows, clients = program(model), model.units[0].clients
    assert clients is not None
    told = Told(rows.ladders)
    told.begin(None)
    asked = Relaxation(rows, 0, told, chains_of(model, rows))
    found = asked.run()
    if not found.feasible or found.reduced is None:
        return
    # Only what is open as a whole may save more than it costs.
    spared = np.minimum(found.reduced, 0.0).sum()
    assert np.isclose(asked.prices(clients.count).sum() + spared, found.value, atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_guide_names_what_the_relaxation_opens_as_the_whole_models_candidates(seed: int) -> None:
    model = served_model(seed)
    found = exact(model)
    if found is None or found.guide is None:
        return
    for near, one in zip(found.guide.near, model.units, strict=True):
        assert near.tolist() == list(range(one.count))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_middle_that_serves_all_of_a_star_is_kept_though_no_relaxation_knew_it(seed: int) -> None:
    draw = np.random.default_rng(seed)
    fronts, backs = 500, 600
    # Every front serves one place of its own kind; one back, dearer than the others, reaches all that are cheap.
    serves = np.zeros((20, fronts), dtype=bool)
    serves[np.arange(fronts) % 20, np.arange(fronts)] = True
    cost = 1.0 + draw.random(fronts)
    cheap = np.array([np.arange(kind, fronts, 20)[np.argmin(cost[kind::20])] for kind in range(20)])
    middle = int(draw.integers(0, backs))
    near = draw.random((fronts, backs)) < 0.002
    near[cheap, middle] = True
    back_cost = np.where(np.arange(backs) == middle, 1.5, 1.0)
    units = [
        Unit("front", np.arange(fronts), cost[None, :], Clients(sparse_of(serves), 0)),
        Unit("back", np.arange(backs), back_cost[None, :]),
    ]
    words = [words_of("front"), words_of("back", serves=(0,), within_ms=1.0)]

    def reach(clients: np.ndarray, servers: np.ndarray, of: UnitWords) -> Listed:
        assert of.name == "back"
        return Listed(*parts_of(sparse_of(near[np.ix_(clients, servers)])))

    opened = [np.sort(draw.choice(fronts, 20, replace=False)), np.sort(draw.choice(backs, 20, replace=False))]
    guide = Guide(np.full(20, 2.2), (opened[0][:3], opened[1][:3]))
    kept = guided(units, words, reach, opened, guide)
    assert kept is not None
    assert middle in kept[1]
    assert all(np.isin(one, mine).all() for one, mine in zip(opened, kept, strict=True))
    assert all(len(mine) < one.count for one, mine in zip(units, kept, strict=True))


def test_where_nobody_serves_the_first_unit_nothing_is_kept_by_prices() -> None:
    unit = Unit("front", np.arange(NEAR), np.ones((1, NEAR)), Clients(sparse_of(np.ones((1, NEAR))), 0))
    guide = Guide(np.ones(1), (np.array([0]),))
    assert guided([unit], [words_of("front")], lambda *_: None, [np.array([0])], guide) is None
