"""`make bench NAME=placement-batch-bounds`: what apps that share too little room cost together at least, and writes it.

The sum of what each costs alone leaves out that they take room from each other. Here room has prices: each app's cheapest
placement with them is found exactly (HiGHS), and what all room is worth by them is taken off, which is a bound whatever the
prices are. Room is counted as `placement.batch_kinds` does, node by node and in whole components, so it is a bound of what
packs on nodes and not of pooled capacity; and what is proved not to fit on the nodes of a site together is room as well
(`placement.batch_jams`), which is looked for in the best choices for all, and at each site in what the relaxation has there
(`bench.measures.site_patterns`). Good prices are those of a relaxation to which the
cheapest placements are added round by round. They are made for the apps that the batch places, so the bound is near for
those, and valid for any.

    python -m bench.placement_batch_bounds --rounds 60 --seeds 1 2 3
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
from scipy.sparse import csr_array

from bench.measures.placing import Ground
from bench.measures.site_patterns import cut_off
from bench.placement import BATCHES, SHORT, TOGETHER
from bench.worlds.apps import AppToPlace, crowded
from bench.worlds.bounds import NONE, BatchBound, Bound, Bounds, batch_mark, name_of, shipped, write
from bench.worlds.fibre import SCALES, FibreWorld
from placement.arrays import Floats
from placement.batch import Asked, decide_together
from placement.batch_drafts import QUICK, charged, draft, folded, held
from placement.batch_jams import Entry, Jams
from placement.batch_moves import priced_out
from placement.batch_prices import Known, Priced
from placement.batch_search import Batch
from placement.solve.evaluation import evaluate
from placement.solve.mip import exact
from placement.solve.model import Choice, Limits, Model
from placement.solve.solve import solve

NODES = 300
SMOOTH = 0.7
"""How much of the best prices is kept where new ones are tried."""
NEAR = 1e-4
"""Relative: a bound this near to the relaxation is not looked for further."""
CUTS = 3
"""Times that a relaxation is told what does not fit at sites, before its prices are tried."""
SETTLING = 6
"""Every so many rounds the best of all known choices is laid out, to learn what does not fit."""


class Relaxation:
    """Prices for the room of some apps, made better round by round."""

    def __init__(self, asked: list[Asked], *, counted: bool, jams: Jams | None = None) -> None:
        """counted: it is how many have no place that counts, and not what they cost. jams: known of the same apps."""
        self._batch = Batch([one.problem for one in asked], [0] * len(asked))
        if jams is not None:
            self._batch.prices.jams = jams
        self._batch.each_alone()
        self._counted = counted
        self._plain = {
            at: folded(self._batch.drafts[at].modelled(narrow=False, limits=Limits()).model) for at in self._batch.alone
        }
        self._models = {at: _free(one) if counted else one for at, one in self._plain.items()}
        self._not_held: dict[tuple[int, tuple[Entry, ...]], Known] = {}
        """Choices that count, but were found no way of on the nodes."""
        self.least: dict[str, float] = {}
        self.room = 0.0
        self.bound = -math.inf
        self._best: Priced | None = None
        self._ids = [one.id for one in asked]

    @property
    def alone(self) -> list[str]:
        """The apps that have a place alone."""
        return [self._ids[at] for at in self._batch.alone]

    @property
    def jams(self) -> Jams:
        """What was learnt not to fit together."""
        return self._batch.prices.jams

    def may_have_a_place(self, name: str) -> bool:
        """Of an app that was found no place alone: whether it may have one.

        That it has none is proved of those of which each part has one site, when what comes together there does not fit.
        """
        at = self._ids.index(name)
        made = self._batch.drafts[at].modelled(narrow=False, limits=Limits())
        rows = [made.rows(unit) for unit in range(len(made.units))]
        return any(len(one) != 1 for one in rows) or not self._batch.jams(self._batch.entries_of(at, rows))

    def run(self, rounds: int, *, wanted: Collection[str]) -> None:
        """The best bound for the wanted apps that so many rounds find."""
        batch, stuck = self._batch, 0
        for number in range(rounds):
            every = (*batch.known, *self._not_held.values())
            known = [self._as_counted(one) for one in every if self._ids[one.at] in wanted]
            priced = self._priced(known)
            before = self.bound
            self._tried(self._smoothed(priced) if number % 3 else priced, wanted)
            if number < 2 and not self._counted:
                priced_out(batch, priced)
            sys.stderr.write(
                f"round {number}: {priced.value:.4f} with what is known, at least {self.bound:.4f}; "
                f"{len(self.jams)} jams\n"
            )
            near = priced.value - self.bound <= NEAR * abs(priced.value)
            if not self._counted and (near or number % SETTLING == SETTLING - 1):
                self._laid_out([one for one in batch.known if self._ids[one.at] in wanted])
            stuck = stuck + 1 if self.bound <= before + NEAR else 0
            if stuck > SETTLING:
                return

    def _priced(self, known: list[Known]) -> Priced:
        """The relaxation, of which no part is beyond what fits at a site, as far as some rounds of that tell."""
        for _ in range(0 if self._counted else CUTS):
            priced = self._batch.prices.priced(known, self._penalties())
            if not cut_off(self._batch.sites, self._batch.prices, known, priced.shares):
                return priced
        return self._batch.prices.priced(known, self._penalties())

    def _laid_out(self, known: list[Known]) -> None:
        """Has the best of the known choices on the nodes, to learn what does not fit together."""
        self._batch.clear()
        for one in self._batch.prices.chosen(known, self._penalties(), nodes=NODES):
            self._batch.have(one)

    def _smoothed(self, priced: Priced) -> Priced:
        """Prices between the best that are known and those of the relaxation."""
        if self._best is None:
            return priced
        jams = np.zeros(len(priced.jams))
        jams[: len(self._best.jams)] = self._best.jams
        return replace(
            priced,
            prices=SMOOTH * self._best.prices + (1 - SMOOTH) * priced.prices,
            jams=SMOOTH * jams + (1 - SMOOTH) * priced.jams,
        )

    def _tried(self, priced: Priced, wanted: Collection[str]) -> None:
        batch, least, jams = self._batch, dict[str, float](), self.jams.most
        for at, model in self._models.items():
            with_prices = replace(charged(model, batch.prices.surcharge(at, priced)), limits=Limits())
            found = exact(with_prices, incumbent=solve(replace(with_prices, limits=QUICK)), node_limit=NODES)
            assert found is not None, "it has a place alone"
            assert found.bound is not None, "all candidates are searched"
            least[self._ids[at]] = min(float(found.bound[0]), float(self._penalties()[at]))
            self._learn(at, found)
        room = float(priced.prices.ravel() @ batch.prices.capacity.ravel() + priced.jams @ jams)
        bound = sum(least[one] for one in wanted) - room
        if bound > self.bound:
            self.bound, self.least, self.room, self._best = bound, least, room, priced

    def _learn(self, at: int, found: Choice) -> None:
        made = self._batch.drafts[at].modelled(narrow=False, limits=Limits())
        rows = tuple(made.rows(unit)[places] for unit, places in enumerate(found.open))
        option = held(self._batch.room, draft(self._batch.room, at), rows)
        if option is not None:
            self._batch.learn(at, option)
        else:
            # It may be on the nodes, in a way that a decision does not find, or be proved not to be.
            entries = self._batch.entries_of(at, rows)
            if not self._batch.jams(entries):
                cost = float(evaluate(self._plain[at], found.open).cost[0])
                self._not_held[at, entries] = self._batch.prices.taking(at, self._batch.alone[at], cost, entries)

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
    """Computes the bounds of the contended batches and writes them."""
    parser = argparse.ArgumentParser(prog="bench.placement_batch_bounds")
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--seeds", nargs="+", type=int, default=list(BATCHES))
    given = parser.parse_args()
    for seed in given.seeds:
        _bound(seed, rounds=given.rounds)


def _bound(seed: int, *, rounds: int) -> None:
    world = FibreWorld(SCALES["S"], seed=seed, free=SHORT)
    listed = crowded(world, TOGETHER, seed=seed)
    alone = bounds_alone(shipped(), world, listed)
    ground = Ground(world)
    asked = sorted((Asked(app.name, ground.problem(app)) for app in listed), key=lambda one: one.id)
    placed = set(decide_together(asked).placed)
    costs = Relaxation(asked, counted=False)
    costs.run(rounds, wanted=placed)
    count = Relaxation(asked, counted=True, jams=costs.jams)
    count.run(rounds, wanted=set(count.alone))
    # What found no place alone, though no proof says that it has none, may have one.
    missing = [one for one, bound in alone.items() if bound.kind != NONE and one not in count.alone]
    open_ends = [one for one in missing if count.may_have_a_place(one)]
    most = len(count.alone) + len(open_ends) - math.ceil(count.bound - 1e-6)
    name, bounds = name_of(world, "crowded"), shipped()
    bounds.batches[name] = BatchBound(batch_mark(listed), most=most, least=costs.least, room=costs.room)
    write(bounds)
    sys.stderr.write(f"{name}: at most {most} placed, {len(placed)} of them cost at least {costs.bound:.4f}\n")


def bounds_alone(bounds: Bounds, world: FibreWorld, listed: Sequence[AppToPlace]) -> dict[str, Bound]:
    """What each of the apps costs at least alone.

    It ends the program when one of them has no bound: of such an app it is not known whether it has a place, so that how
    many have one together would be counted without it.
    """
    name = name_of(world, "crowded")
    known = bounds.holding(name, world, listed)
    without = [one.name for one in listed if one.name not in known]
    if without:
        raise SystemExit(f"{name}: there is no bound of {', '.join(without)}: run placement-bounds first")
    return known


if __name__ == "__main__":
    main()
