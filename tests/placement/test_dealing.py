"""Candidates are dealt out: the first of every client's order come before all others."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import reach_of

from placement.solve.dealing import turns
from placement.solve.layout import Rows
from placement.solve.model import Clients, Unit


def _unit(seed: int) -> tuple[Unit, Rows]:
    draw = np.random.default_rng(seed)
    clients, candidates = int(draw.integers(1, 6)), int(draw.integers(2, 12))
    reach = reach_of(draw, clients, candidates, share=0.6, free=bool(draw.random() < 0.5))
    costs = np.round(draw.random((1, candidates)) * 3 + 0.1, 3)
    unit = Unit("unit", np.arange(candidates), costs, Clients(reach, 0))
    return unit, Rows(reach, np.arange(clients), 0)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_candidates_turn_is_its_best_place_in_any_clients_order(seed: int) -> None:
    unit, rows = _unit(seed)
    found = turns(unit, [rows], np.ones(1), wanted=unit.count)
    own, matrix = unit.open_cost[0], rows.matrix
    share = own / np.maximum(np.bincount(matrix.indices, minlength=unit.count), 1)
    for candidate in range(unit.count):
        places = []
        for client in range(matrix.shape[0]):
            entries = slice(matrix.indptr[client], matrix.indptr[client + 1])
            near = dict(zip(matrix.indices[entries].tolist(), matrix.data[entries].tolist(), strict=True))
            if candidate in near:
                for price in (share, own):
                    mine = price[candidate] + near[candidate]
                    places.append(sum(price[one] + cost < mine for one, cost in near.items()))
        if places:
            assert min(places) <= np.floor(found[candidate] + 1e-9)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_every_client_has_its_first_among_those_that_come_first(seed: int) -> None:
    unit, rows = _unit(seed)
    found = turns(unit, [rows], np.ones(1), wanted=unit.count)
    for client in range(rows.matrix.shape[0]):
        near = rows.matrix.indices[rows.matrix.indptr[client] : rows.matrix.indptr[client + 1]]
        assert not len(near) or found[near].min() < 1.0


def test_without_clients_the_cheapest_come_first() -> None:
    unit = Unit("unit", np.arange(3), np.array([[2.0, 1.0, 3.0]]))
    assert turns(unit, [], np.ones(1), wanted=3).tolist() == [2.0, 1.0, 3.0]
