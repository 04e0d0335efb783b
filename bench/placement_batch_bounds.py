"""`make bench NAME=placement-batch-bounds`: what apps that share too little room cost together at least, and writes it.

The sum of what each costs alone leaves out that they take room from each other. Here room has prices: each app's cheapest
placement with them is found exactly (HiGHS), and what all room is worth by them is taken off, which is a bound whatever the
prices are. Room is counted as `placement.batch_kinds` does, node by node and in whole components, so it is a bound of what
packs on nodes and not of pooled capacity. Good prices are those of a relaxation to which the cheapest placements are added
round by round. They are made for the apps that the batch places, so the bound is near for those, and valid for any.

    python -m bench.placement_batch_bounds --rounds 12
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Collection
from dataclasses import replace

import numpy as np
from scipy.sparse import csr_array

from bench.measures.placing import Ground
from bench.placement import SHORT, TOGETHER
from bench.worlds.apps import crowded
from bench.worlds.bounds import NONE, BatchBound, digest, name_of, shipped, write
from bench.worlds.fibre import SCALES, FibreWorld
from placement.arrays import Floats
from placement.batch import Asked, decide_together
from placement.batch_drafts import QUICK, charged, draft, folded, held
from placement.batch_moves import priced_out
from placement.batch_prices import Known, Priced
from placement.batch_search import Batch
from placement.solve.mip import exact
from placement.solve.model import Choice, Limits, Model
from placement.solve.solve import solve

NODES = 300
SMOOTH = 0.7
"""How much of the best prices is kept where new ones are tried."""
NEAR = 1e-3
"""A bound this near to the relaxation is not looked for further."""


class Relaxation:
    """Prices for the room of some apps, made better round by round."""

    def __init__(self, asked: list[Asked], *, counted: bool) -> None:
        """counted: it is how many have no place that counts, and not what they cost."""
        self._batch = Batch([one.problem for one in asked], [0] * len(asked))
        self._batch.each_alone()
        self._counted = counted
        self._models = {
            at: _free(model) if counted else model
            for at in self._batch.alone
            for model in [folded(self._batch.drafts[at].modelled(narrow=False, limits=Limits()).model)]
        }
        self.least: dict[str, float] = {}
        self.room = 0.0
        self.bound = -math.inf
        self._best: Floats | None = None
        self._ids = [one.id for one in asked]

    @property
    def alone(self) -> list[str]:
        """The apps that have a place alone."""
        return [self._ids[at] for at in self._batch.alone]

    def run(self, rounds: int, *, wanted: Collection[str]) -> None:
        """The best bound for the wanted apps that so many rounds find."""
        batch = self._batch
        for number in range(rounds):
            known = [self._as_counted(one) for one in batch.known if self._ids[one.at] in wanted]
            priced = batch.prices.priced(known, self._penalties())
            value = sum(one.cost * share for one, share in zip(known, priced.shares.tolist(), strict=True))
            prices = priced.prices
            if self._best is not None and number % 3:
                prices = SMOOTH * self._best + (1 - SMOOTH) * prices
            before = len(batch.known)
            self._tried(replace(priced, prices=prices), wanted)
            if number < 2 and not self._counted:
                priced_out(batch, priced)
            sys.stderr.write(f"round {number}: {value:.4f} with what is known, at least {self.bound:.4f}\n")
            if len(batch.known) == before and not number % 3:
                return

    def _tried(self, priced: Priced, wanted: Collection[str]) -> None:
        batch, least = self._batch, dict[str, float]()
        for at, model in self._models.items():
            with_prices = replace(charged(model, batch.prices.surcharge(at, priced)), limits=Limits())
            found = exact(with_prices, incumbent=solve(replace(with_prices, limits=QUICK)), node_limit=NODES)
            assert found is not None, "it has a place alone"
            assert found.bound is not None, "all candidates are searched"
            least[self._ids[at]] = min(float(found.bound[0]), float(self._penalties()[at]))
            self._learn(at, found)
        room = float(priced.prices.ravel() @ batch.prices.capacity.ravel())
        bound = sum(least[one] for one in wanted) - room
        if bound > self.bound:
            self.bound, self.least, self.room, self._best = bound, least, room, priced.prices

    def _learn(self, at: int, found: Choice) -> None:
        made = self._batch.drafts[at].modelled(narrow=False, limits=Limits())
        rows = tuple(made.rows(unit)[places] for unit, places in enumerate(found.open))
        option = held(self._batch.room, draft(self._batch.room, at), rows)
        if option is not None:
            self._batch.learn(at, option)

    def _as_counted(self, one: Known) -> Known:
        return replace(one, cost=0.0) if self._counted else one

    def _penalties(self) -> Floats:
        return np.ones(len(self._ids)) if self._counted else self._batch.penalties()


def _free(model: Model) -> Model:
    """The model with nothing that costs."""

    def nothing(matrix: csr_array) -> csr_array:
        found = csr_array(matrix, copy=True)
        found.data = np.zeros_like(found.data)
        return found

    units = [
        replace(
            one,
            open_cost=np.zeros_like(one.open_cost),
            clients=None if one.clients is None else replace(one.clients, cost=nothing(one.clients.cost)),
        )
        for one in model.units
    ]
    serving = [replace(one, reach=nothing(one.reach)) for one in model.serving]
    return replace(model, units=tuple(units), serving=tuple(serving))


def main() -> None:
    """Computes the bound of the contended batch and writes it."""
    parser = argparse.ArgumentParser(prog="bench.placement_batch_bounds")
    parser.add_argument("--rounds", type=int, default=12)
    given = parser.parse_args()
    world = FibreWorld(SCALES["S"], free=SHORT)
    ground = Ground(world)
    listed = crowded(world, TOGETHER)
    asked = sorted((Asked(app.name, ground.problem(app)) for app in listed), key=lambda one: one.id)
    placed = set(decide_together(asked).placed)
    count = Relaxation(asked, counted=True)
    count.run(given.rounds, wanted=set(count.alone))
    costs = Relaxation(asked, counted=False)
    costs.run(given.rounds, wanted=placed)
    bounds = shipped()
    name = name_of(world, "crowded")
    if bounds.digests.get(name) != digest(world, listed):
        raise SystemExit(f"there are no bounds of {name}: run placement-bounds first")
    # What found no place alone, though no proof says that it has none, may have one.
    open_ends = [one for one, bound in bounds.apps[name].items() if bound.kind != NONE and one not in count.alone]
    most = len(count.alone) + len(open_ends) - math.ceil(count.bound - 1e-6)
    bounds.batches[name] = BatchBound(most=most, least=costs.least, room=costs.room)
    write(bounds)
    sys.stderr.write(f"{name}: at most {most} placed, {len(placed)} of them cost at least {costs.bound:.4f}\n")


if __name__ == "__main__":
    main()
