"""Those of a batch whose choices the relaxation would not make, decided again at once."""

from functools import partial

import numpy as np
import pytest

from placement.batch_drafts import QUICK, chosen
from placement.batch_search import Batch
from placement.batch_settling import settle
from tests.placement.placement_graphs import Builder, amount


def batch_of(cores: list[int], *, nodes: int, have: int, prices: list[float]) -> Batch:
    """Components of so many cores, at sites of so many nodes with so many cores each; each is known at every site."""
    build = Builder()
    for price in prices:
        build.site(nodes=nodes, node={"capacity": amount(1000 * have, 2**40)}, price_per_core_hour=price)
    components = [build.component(resources=amount(1000 * each)) for each in cores]
    batch = Batch([build.problem(one) for one in components], [0] * len(cores))
    batch.each_alone()
    for at, of in enumerate(batch.drafts):
        for row in range(len(prices)):
            option, _ = chosen(batch.room, of, limits=QUICK, among=[np.array([row])])
            assert option is not None
            batch.learn(at, option)
    return batch


def have(batch: Batch, sites: list[int]) -> None:
    """Has each at a site."""
    for at, site in enumerate(sites):
        assert batch.have(next(one for one in batch.known if one.at == at and one.entries[0][0] == site))


def sites_of(batch: Batch) -> dict[int, int]:
    return {at: one.entries[0][0] for at, one in sorted(batch.chosen.items())}


def settled(batch: Batch, *, later: int = 0) -> bool:
    priced = batch.prices.priced(batch.known, batch.penalties())
    return batch.improved(partial(settle, batch, priced, batch.known, later=later, nodes=50))


def test_two_that_would_be_cheaper_in_each_others_place_change_it():
    batch = batch_of([2, 5], nodes=1, have=5, prices=[1.0, 10.0])
    have(batch, [0, 1])
    assert settled(batch)
    assert sites_of(batch) == {0: 1, 1: 0}
    assert not settled(batch)


def test_what_is_found_not_to_fit_is_not_chosen_again():
    batch = batch_of([4, 3, 3], nodes=2, have=5, prices=[1.0, 9.0])
    batch.prices.kinds.capacity[:] = 1e9
    have(batch, [1, 1, 0])
    assert settled(batch)
    where = sites_of(batch)
    assert (where[0], sorted((where[1], where[2]))) == (0, [0, 1])
    assert len(batch.prices.jams) == 1
    priced = batch.prices.priced(batch.known, batch.penalties())
    assert priced.value == pytest.approx(sum(one.cost for one in batch.chosen.values()), rel=0.5)
    assert priced.jams[0] > 0


def test_of_nothing_known_nothing_is_chosen():
    batch = batch_of([3, 3], nodes=1, have=4, prices=[1.0, 2.0])
    assert batch.prices.chosen([], batch.penalties(), nodes=5) == []
    assert not batch.prices.priced([], batch.penalties()).prices.any()


def test_what_is_not_better_is_not_kept():
    batch = batch_of([3, 3], nodes=1, have=4, prices=[1.0, 2.0])
    have(batch, [0, 1])
    before = dict(batch.chosen)
    assert not settled(batch)
    assert not settled(batch, later=1)
    assert batch.chosen == before
