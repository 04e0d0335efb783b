"""Candidates that searches alone are given: figures read site by site are those of the whole matrix; nobody is left out."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from placement import sifting
from placement.sifting import Places, sifted
from placement.solve.entries import Listed, columns_of, parts_of, turned
from placement.solve.layout import Rows
from placement.solve.model import Unit
from placement.solve.shortlist import SPARE, promise

SITES = 12
MS = st.floats(0.0, 9.0).map(lambda ms: round(ms, 2))
PAIRS = st.lists(st.dictionaries(st.integers(0, SITES - 1), MS, max_size=SITES), min_size=1, max_size=6)
CANDIDATES = st.sets(st.integers(0, SITES - 1), min_size=1).map(sorted)
COSTS = st.lists(st.integers(1, 9).map(float), min_size=SITES, max_size=SITES)


def matrix_of(pairs: list[dict[int, float]]) -> csr_array:
    """(places, sites)."""
    starts = np.cumsum([0, *map(len, pairs)])
    sites = np.array([site for one in pairs for site in sorted(one)], dtype=np.int32)
    return csr_array(
        (np.array([one[site] for one in pairs for site in sorted(one)]), sites, starts), shape=(len(pairs), SITES)
    )


def places_of(matrix: csr_array) -> Places:
    by_site = turned(Listed(*parts_of(matrix)), columns=SITES)
    return Places(by_site, np.linspace(0.5, 1.5, matrix.shape[0]), 0)


def unit_of(sites: list[int], costs: list[float]) -> Unit:
    rows = np.array(sites, dtype=np.int64)
    return Unit("web", rows, np.array(costs)[rows][None, :])


def sift(
    units: list[Unit], places: Places | None, reaches: Any = None, *, serves: tuple[int, ...] = ()
) -> list[list[int]]:
    words: Any = [SimpleNamespace(serves=()), SimpleNamespace(serves=serves)][: len(units)]
    found = sifted(units, words, reaches, order=list(range(len(units))), places=places, start=None)
    return [unit.sites[kept].tolist() for unit, kept in zip(units, found, strict=True)]


@settings(max_examples=80, deadline=None)
@given(PAIRS, CANDIDATES, COSTS)
def test_places_read_site_by_site_are_the_columns_of_the_matrix(
    pairs: list[dict[int, float]], sites: list[int], costs: list[float]
) -> None:
    matrix, rows = matrix_of(pairs), np.array(sites, dtype=np.int64)
    places = places_of(matrix)
    clients, expected = places.clients(rows), columns_of(matrix, rows)
    assert clients.cost.indptr.tolist() == expected.indptr.tolist()
    assert clients.cost.indices.tolist() == expected.indices.tolist()
    weighed = expected.data * np.repeat(places.factor, np.diff(expected.indptr))
    assert clients.cost.data.tolist() == pytest.approx(weighed.tolist())


@settings(max_examples=80, deadline=None)
@given(PAIRS, CANDIDATES, COSTS)
def test_what_candidates_promise_is_the_same_as_by_the_matrix(
    pairs: list[dict[int, float]], sites: list[int], costs: list[float]
) -> None:
    unit, places = unit_of(sites, costs), places_of(matrix_of(pairs))
    clients = places.clients(unit.sites)
    rows = Rows(clients.cost, np.arange(len(pairs)), 0)
    found = sifting._of_places(places, [], unit.sites, unit.open_cost[0])
    assert found.tolist() == pytest.approx(promise(unit, [rows], np.ones(1)).tolist())


@settings(max_examples=80, deadline=None)
@given(PAIRS, CANDIDATES, COSTS)
def test_every_place_keeps_some_of_those_in_its_reach(
    pairs: list[dict[int, float]], sites: list[int], costs: list[float]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sifting, "SEARCHED", 2)
        [kept] = sift([unit_of(sites, costs)], places_of(matrix_of(pairs)))
    for reached in pairs:
        could = [one for one in sites if one in reached]
        assert len([one for one in kept if one in reached]) >= min(SPARE, len(could))


@settings(max_examples=80, deadline=None)
@given(PAIRS, CANDIDATES, COSTS, st.lists(st.sets(st.integers(0, SITES - 1)), min_size=SITES, max_size=SITES))
def test_who_serves_others_is_kept_where_it_reaches_some_of_them(
    pairs: list[dict[int, float]], sites: list[int], costs: list[float], reach: list[set[int]]
) -> None:
    def reaches(clients: np.ndarray, servers: np.ndarray, words: object) -> Listed:
        rows = [[at for at, one in enumerate(servers.tolist()) if one in reach[client]] for client in clients.tolist()]
        column = np.array([at for row in rows for at in row], dtype=np.int32)
        start = np.cumsum([0, *map(len, rows)]).astype(np.int64)
        return Listed(start, column, np.zeros(len(column)))

    web, api = unit_of(sites, costs), unit_of(list(range(SITES)), costs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sifting, "SEARCHED", 2)
        patch.setattr(sifting, "SAMPLED", 1)
        places = places_of(matrix_of(pairs))
        webs, apis = sift([web, api], places, reaches, serves=(0,))
    useful = {one for client in webs for one in reach[client]}
    assert set(apis) <= useful
    for reached in pairs:
        could = [one for one in webs if one in reached]
        # Of what is kept for a place some has all that it can have of those that serve it.
        assert not could or any(len(reach[one] & set(apis)) >= min(SPARE, len(reach[one])) for one in could)
