"""What a relaxation has at a site beyond all that fits there is one more kind of room; what fits always keeps it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.measures.site_patterns import cut_off
from placement.batch_drafts import draft, searched
from placement.batch_prices import Known, Prices
from placement.batch_room import SharedRoom
from placement.batch_sites import Sites
from tests.placement.placement_graphs import Builder, amount


def at_one_site(cores: list[int], *, nodes: int, have: int) -> tuple[Sites, Prices, list[Known]]:
    """Components of so many cores that all are known at one site of so many nodes, with room only counted as endless."""
    build = Builder()
    build.site(nodes=nodes, node={"capacity": amount(1000 * have, 2**40)})
    components = [build.component(resources=amount(1000 * one)) for one in cores]
    room = SharedRoom([build.problem(one) for one in components])
    drafts = [draft(room, at) for at in range(len(cores))]
    prices = Prices(room, drafts)
    found = [searched(room, one)[0] for one in drafts]
    known = [prices.known(at, one) for at, one in enumerate(found) if one is not None]
    prices.kinds.capacity[:] = 1e9
    return Sites(room, prices), prices, known


@pytest.mark.parametrize(
    ("cores", "shares", "most"),
    [
        # Of three of which any two are too much for a node, half of each is more than the one that fits.
        ([3, 3, 3], [0.5, 0.5, 0.5], 1.0),
        # The largest fits beside none, so it counts as much as both of the others.
        ([5, 2, 2], [0.6, 0.6, 0.6], 1.0),
        ([4, 3, 2], [0.7, 0.7, 0.7], 1.0),
    ],
)
def test_shares_that_no_sets_that_fit_come_to_are_cut_off(cores: list[int], shares: list[float], most: float) -> None:
    sites, prices, known = at_one_site(cores, nodes=1, have=5)
    assert cut_off(sites, prices, known, np.array(shares)) == 1
    assert prices.jams[0].most == pytest.approx(most)
    taken = sum(share * prices.room_of(one)[1][-1] for one, share in zip(known, shares, strict=True))
    assert taken > prices.jams[0].most + 0.01
    priced = prices.priced(known, np.full(len(known), 100.0))
    assert cut_off(sites, prices, known, priced.shares) == 0


@pytest.mark.parametrize("shares", [[0.5, 0.5, 0.0], [1.0, 0.0, 0.0], [0.3, 0.3, 0.4], [0.0, 1.0, 1.0]])
def test_shares_of_sets_that_fit_are_left(shares: list[float]) -> None:
    sites, prices, known = at_one_site([3, 2, 3], nodes=1, have=5)
    assert cut_off(sites, prices, known, np.array(shares)) == 0
    assert len(prices.jams) == 0


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(1, 5), min_size=2, max_size=5),
    st.lists(st.floats(0.0, 1.0), min_size=5, max_size=5),
    st.integers(1, 2),
)
def test_whatever_fits_on_nodes_keeps_what_is_learnt(cores: list[int], shares: list[float], nodes: int) -> None:
    sites, prices, known = at_one_site(cores, nodes=nodes, have=5)
    cut_off(sites, prices, known, np.array(shares[: len(known)]))
    for size in range(len(known) + 1):
        for some in itertools.combinations(known, size):
            if not some or sites.may_fit([entry for one in some for entry in one.entries]):
                assert (prices.left(some)[prices.capacity.size :] >= -1e-9).all()


def test_where_nothing_is_proved_it_may_fit() -> None:
    sites, _, known = at_one_site([3, 3], nodes=1, have=5)
    assert sites.may_fit(known[0].entries)
    assert not sites.may_fit([*known[0].entries, *known[1].entries])
