"""What goes into the first group of each site at once is what packing says of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from placement_graphs import Builder, amount
from test_packing import COMPONENTS, SITES, bins_from, component, masks_of

from graph.kinds.policy import ComponentPolicy, PlacementPolicy
from placement.engine import decide
from placement.first_fit import first_fitted
from placement.needs import ComponentNeed
from placement.packing import first_order, pack


@settings(max_examples=300, deadline=None)
@given(SITES, COMPONENTS, st.data())
def test_what_fits_at_once_is_what_packing_finds(
    nodes: list[list[list[list[int]]]], components: list[ComponentNeed], data: st.DataObject
) -> None:
    bins = bins_from(nodes)
    chosen = data.draw(st.lists(st.booleans(), min_size=len(nodes), max_size=len(nodes)))
    sites = np.flatnonzero(np.array(chosen, dtype=bool))
    rows = bins.rows_of(sites)
    eligible = [one[rows] for one in masks_of(data, bins, components)]
    few = st.lists(st.integers(0, 3), min_size=len(sites), max_size=len(sites))
    wanted = np.array([data.draw(few) for _ in components], dtype=np.int64).reshape(len(components), len(sites))
    order = first_order(bins, components)
    found = first_fitted(bins, components, sites, rows=rows, eligible=eligible, wanted=wanted, order=order)
    there = bins.of_sites(sites)
    packing = pack(there, components, eligible=eligible, sites=len(sites), replicas=wanted)
    firsts = [int(one[0]) if len(one := np.flatnonzero(there.group_site == at)) else -1 for at in range(len(sites))]
    if found is None:
        # Nothing is wanted somewhere, or a site's first group does not take it, or only in another order.
        simple = packing.fits.all() and packing.group.tolist() == firsts and wanted.any(axis=0).all()
        assert not simple or len(components) > 1
        return
    assert packing.fits.all()
    take = np.zeros((len(components), len(bins.site)), dtype=np.int64)
    take[found.component, found.row] = found.replicas
    assert packing.group.tolist() == firsts
    assert take[:, rows].tolist() == (packing.take * (there.group == packing.group[there.site])).tolist()
    assert bins.site[found.row].tolist() == sites[found.place].tolist()


def test_where_a_site_is_in_use_on_no_particular_node_packing_is_asked() -> None:
    nodes, both = [[[[9, 9, 0, 0]]]] * 2, np.arange(2)
    may, wanted = [np.ones(2, dtype=bool)], np.ones((1, 2), dtype=np.int64)
    for unplaced, found in ((0, True), (5, False)):
        bins = bins_from(nodes, np.array([[0, 0, 0, 0], [unplaced, 0, 0, 0]], dtype=np.int64))
        needs = [component((5, 1, 0, 0), 1)]
        fitted = first_fitted(bins, needs, both, rows=both, eligible=may, wanted=wanted, order=[0])
        assert (fitted is not None) is found


def test_units_that_meet_at_a_site_are_laid_out_together_without_packing_it_again(
    build: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    build.site(nodes=2, node={"capacity": amount(1000)})
    parts = [build.component(name=name, resources=amount(800)) for name in ("web", "db")]
    policy = PlacementPolicy(components=[ComponentPolicy(component="db", apart=True)])
    monkeypatch.delattr("placement.placements.pack")
    [placed] = decide(build.problem(*parts, policy=policy)).placements
    nodes = [set(one.assignments) for one in placed.components]
    assert nodes[0]
    assert nodes[0].isdisjoint(nodes[1])
