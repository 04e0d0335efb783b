"""From units whose rules have been asked to a choice that holds on nodes and, of totals, once they are divided.

A model knows sites as a whole: that what was chosen packs on nodes together, and what a division leaves a site, is found
out afterwards. What does not hold is taken away, and the choice made anew, a few times. A total is divided over as many
sites as may be open; where words need a site that the division would leave empty, that site has a replica in any case.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from msgspec import structs

from graph.kinds.policy import ScoreWeights, SpreadBy, Term
from placement.arrays import Floats, Ints, Mask
from placement.guided import guided
from placement.modelling import Modelled, modelled, recut
from placement.narrowing import around
from placement.placements import Layout, laid_out, price_of
from placement.problem import Problem
from placement.scores.price import price_per_hour
from placement.screening import Screening
from placement.solve.core import improve
from placement.solve.evaluation import better, evaluate
from placement.solve.model import Choice, Limits
from placement.solve.model import Unit as Solved
from placement.solve.solve import polished, solve
from placement.stopping import look
from placement.totals import most_sites, room_for, totals_of
from placement.unit_problems import Unit

MAX_CUTS = 16
"""How often a choice is made anew because what was chosen does not hold."""
STEPS, GIVEN = 0.5, 600
"""Of a narrow model: the part of the simplex's steps that it has, and `Limits.given`."""
IDLE = 2
"""`Limits.idle` of the first relaxation of a narrow model, of which only the prices are wanted."""
ROUNDS = 2
"""How often candidates are chosen anew by what was found, for what narrowing left out; the last time it is searched to the
end."""
POLISHED = 3
"""How often what was found is searched from once more, with the sites around it; no more once it stays."""
MAX_WIDTHS = 10
"""How often it is tried to divide a total over more sites."""
SLACK = 1e-9


@dataclass(slots=True)
class Choosing:
    """One search for a choice that holds: what is left to choose from, and what came of it."""

    problem: Problem
    units: Sequence[Unit]
    screenings: Sequence[Screening]
    timed: bool
    limits: Limits | None
    candidates: list[Mask] = field(init=False)
    rooms: list[Ints] = field(init=False)
    """By unit: (components, sites) for how many replicas there is room, with a total to divide."""
    iterations: int = 0
    cuts: int = 0
    must: Sequence[Ints] = ()
    """By unit: rows that have a part of the total in any case; empty: none."""
    given: Sequence[Ints] = field(init=False, default=())
    """Those of them that were asked for, and not found to be needed."""
    only: bool = False
    """Whether nothing but these is opened."""
    first: bool = False
    """Which unit goes elsewhere when several do not fit at a site: the first, not the last."""
    dearest: float | None = None
    """The price of what was divided, when it is above the policy's."""
    cheapest: list[Mask] | None = None
    """By unit: the sites that would do for the least, once a total was too dear: these are not left out for their price."""
    dear: list[Mask] = field(init=False)
    """By unit: the sites that were left out for their price."""
    made: Modelled = field(init=False)
    choice: Choice = field(init=False)
    layout: Layout | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        """Everything that passed may be chosen."""
        self._begin()

    @property
    def cut(self) -> bool:
        """Whether something was taken away that a choice might have kept."""
        return bool(self.cuts) or self.made.narrow

    @property
    def found(self) -> bool:
        """Whether there is a choice that holds."""
        return self.layout is not None and not self._wrong(self.layout)

    def run(self) -> None:
        """Searches; of units that do not fit together first the last goes elsewhere, and if that leads nowhere the first."""
        self.given = self.must
        self._search()
        if self.found or not self.cuts or len(self.units) < 2 or self.problem.policy.division is not None:
            return
        if self.problem.policy.everywhere:
            return
        before = self.made, self.choice, self.layout
        self._begin()
        self.first = True
        self._search()
        if not self.found:
            self.made, self.choice, self.layout = before

    def _begin(self) -> None:
        self.dear = [np.zeros(len(self.problem), dtype=bool) for _ in self.units]
        self.candidates = [one.passed for one in self.screenings]
        self.rooms = [
            room_for(self.problem, unit, screening) for unit, screening in zip(self.units, self.screenings, strict=True)
        ]
        division, weights = self.problem.policy.division, self.problem.words.weights
        if division is not None and weights is not None and not division.min_each:
            # A site without a weight would have nothing, so nothing is to be kept there but where it is asked for.
            wanted = weights > 0
            wanted[self.problem.words.pinned] = True
            self.candidates = [one & wanted if (one & wanted).any() else one for one in self.candidates]

    def _search(self) -> None:
        before: tuple[Modelled, Choice, Layout] | None = None
        while True:
            self.layout = None
            self._choose()
            if not self.choice.feasible:
                if before is not None:
                    # Told is what the last choice lacks, and not what is lacking without what was taken away.
                    made, self.choice, self.layout = before
                    self.made = self.made if self.layout.crowded else made
                return
            self.layout = laid_out(self.made, self.choice)
            if not self._wrong(self.layout) or self.cuts >= MAX_CUTS:
                return
            before = self.made, self.choice, self.layout
            if not self._mend(self.layout):
                return

    def _choose(self) -> None:
        """The best choice over as many sites as may be, with a total to divide; else the best."""
        division, policy = self.problem.policy.division, self.problem.policy
        if division is None:
            self.made, self.choice = self._best(None)
            return
        least = self.units[0].words.min_sites
        widest = 0 if self.only else self._widest()
        self.made, self.choice = self._best(max(widest, 1))
        if self.choice.feasible or widest <= least:
            return
        some = self._best(0)
        if not some[1].feasible or policy.everywhere:
            self.made, self.choice = some if not some[1].feasible else (self.made, self.choice)
            return
        low, high = len(some[1].open[0]), widest
        for _ in range(MAX_WIDTHS):
            if high - low <= 1:
                break
            middle = (low + high) // 2
            tried = self._best(middle)
            if tried[1].feasible:
                some, low = tried, max(middle, len(tried[1].open[0]))
            else:
                high = middle
        self.made, self.choice = some

    def _best(self, width: int | None, *, by_price: bool = False) -> tuple[Modelled, Choice]:
        """The best choice over so many sites; by_price: the one whose sites cost the least, whatever else is asked for."""
        narrow, pooled = True, True
        problem = self.problem
        if by_price:
            policy = structs.replace(problem.policy, objective=[[Term.PRICE]], weights=ScoreWeights())
            problem = replace(problem, policy=policy, words=replace(problem.words, preference=None))
        while True:
            look(None if self.limits is None else self.limits.stop)
            made = modelled(
                problem,
                self.units,
                self.screenings,
                self.candidates,
                timed=self.timed,
                narrow=narrow,
                limits=self.limits,
                width=width,
                must=self.must,
                rooms_of=self.rooms,
                pooled=pooled,
            )
            limits = made.model.limits
            first = limits
            if made.narrow and limits.core_candidates:
                # What its relaxation says is where to look, and that is looked at: its own choices are not searched for.
                first = replace(_narrow(limits), mip_nodes=0, dives=False, idle=IDLE)
            choice = solve(made.model if first is limits else replace(made.model, limits=first))
            self.iterations += choice.iterations
            if made.narrow and choice.feasible and made.model.limits.core_candidates:
                made, choice = self._around(made, choice)
            # What was cut is as large as all sites, and the model is kept with the decision.
            made = replace(made, whole=None, dear=tuple(self.dear))
            if choice.feasible or not (made.narrow or (pooled and self._poolable)):
                return made, choice
            # Room for several components is one figure, which asks for more than is needed.
            narrow, pooled = narrow and not made.narrow, pooled and made.narrow

    def _around(self, made: Modelled, choice: Choice) -> tuple[Modelled, Choice]:
        """Better choices than the one that was found, with what narrowing left out.

        Candidates are chosen by what the last relaxation says; where it says nothing, near what is open.
        """
        whole = made.whole
        assert whole is not None, "it was made just now"
        for turn in range(ROUNDS):
            look(whole.limits.stop)
            kept, by_prices = self._wider(made, choice)
            near = recut(made, kept)
            places = _among(whole.solved, made.model.units, choice.open)
            inside = tuple(np.searchsorted(mine, one) for mine, one in zip(kept, places, strict=True))
            limits = _narrow(whole.limits)
            if turn < ROUNDS - 1:
                limits = replace(limits, mip_nodes=0, dives=not by_prices)
            begin = replace(choice, open=inside, bound=None, bound_kind="NONE", proved=False, guide=None)
            found = improve(replace(near.model, limits=limits), begin)
            self.iterations += found.iterations
            if not found.proved or better(found.cost, choice.cost):
                made, choice = near, found
            if found.proved:
                break
        return (made, choice) if found.proved and not turn else self._polished(made, choice)

    def _polished(self, made: Modelled, choice: Choice) -> tuple[Modelled, Choice]:
        """A better choice near one that was found, with sites beside it that no relaxation has named."""
        whole, words = made.whole, self.problem.words.units
        assert whole is not None, "it was made just now"
        for _ in range(POLISHED):
            places = _among(whole.solved, made.model.units, choice.open)
            kept = around(whole.solved, words, whole.reaches, places, tiers=made.model.tiers)
            near = recut(made, kept)
            inside = tuple(np.searchsorted(mine, one) for mine, one in zip(kept, places, strict=True))
            found = polished(near.model, replace(choice, open=inside))
            self.iterations += found.iterations
            if not better(found.cost, choice.cost):
                break
            made, choice = near, found
        return made, choice

    def _wider(self, made: Modelled, choice: Choice) -> tuple[list[Ints], bool]:
        """By unit: candidates to search next, ascending; and whether they were chosen by a relaxation's prices."""
        whole, words = made.whole, self.problem.words.units
        assert whole is not None, "the caller has looked"
        places = _among(whole.solved, made.model.units, choice.open)
        if choice.guide is not None:
            guide = replace(choice.guide, near=_among(whole.solved, made.model.units, choice.guide.near))
            kept = guided(whole.solved, words, whole.reaches, places, guide)
            if kept is not None:
                return kept, True
        return around(whole.solved, words, whole.reaches, places, tiers=made.model.tiers), False

    @property
    def _poolable(self) -> bool:
        return self.problem.policy.division is not None and any(len(one.components) > 1 for one in self.units)

    def _widest(self) -> int:
        """The most sites of the first unit that its numbers allow, about."""
        problem, unit = self.problem, self.units[0]
        rows = np.flatnonzero(self.candidates[0])
        limits = [len(rows), unit.words.max_sites]
        least = problem.policy.division.min_each if problem.policy.division is not None else 0
        limits.append(most_sites(problem, unit, least))
        for one in problem.words.spread:
            _, each = np.unique(one.domain[rows], return_counts=True)
            most = one.spread.max_sites_each if one.spread.by is not SpreadBy.SITE else 1
            inside = np.sort(each if most is None else np.minimum(each, most))[::-1]
            limits.append(int(inside[: one.spread.max_domains].sum()))
        if least and problem.words.preference is not None:
            # A later group's site would have its least, though an earlier group has room.
            ranks = problem.words.preference[rows]
            limits.append(int(np.count_nonzero(ranks == ranks.min(initial=0))))
        return min(one for one in limits if one is not None)

    def _wrong(self, layout: Layout) -> bool:
        return bool(layout.undivided or layout.crowded or self._left_empty(layout) or self._too_dear(layout))

    def _left_empty(self, layout: Layout) -> bool:
        """Whether words are not kept by the sites alone that have a part of the total."""
        if self.problem.policy.division is None or not totals_of(self.problem, self.units[0]).any():
            return False
        model = self.made.model
        used = tuple(np.searchsorted(self.made.rows(at), rows).astype(np.int64) for at, rows in enumerate(layout.rows))
        if all(len(one) == len(other) for one, other in zip(used, self.choice.open, strict=True)):
            return False
        solved = tuple(
            replace(one, min_open=unit.words.min_sites, room=None, total=0)
            for one, unit in zip(model.units, self.units, strict=True)
        )
        return not evaluate(replace(model, units=solved), used).feasible

    def _too_dear(self, layout: Layout) -> bool:
        most = self.problem.policy.max_price_per_hour
        if most is None or self.problem.policy.division is None:
            return False
        price = price_of(self.made, layout)
        if price <= most + SLACK * max(1.0, most):
            self.dearest = None
            return False
        self.dearest = price if self.dearest is None else min(price, self.dearest)
        return True

    def _mend(self, layout: Layout) -> bool:
        """Takes away what does not hold; whether there was something to take away."""
        self.cuts += 1
        if layout.crowded:
            # The nodes are the truth: what does not fit there together goes elsewhere.
            for unit, row in layout.crowded:
                self._uncrowd(layout, unit, row)
            return True
        if layout.undivided:
            # What is chosen in any case has a replica, with a weight or without.
            return not self.must and bool(len(self.problem.words.pinned)) and self._need()
        if self._left_empty(layout):
            return self._need()
        return self._cheaper(layout)

    def _uncrowd(self, layout: Layout, last: int, row: int) -> None:
        if self.problem.policy.division is not None and self._less_room(layout, row):
            return
        there = [at for at, rows in enumerate(layout.rows) if row in rows]
        unit = there[0] if self.first else last
        self.candidates[unit] = self.candidates[unit].copy()
        self.candidates[unit][row] = False

    def _less_room(self, layout: Layout, row: int) -> bool:
        """Whether there was room to take away, of a site that does not take its part of the totals together."""
        for at in reversed(range(len(self.units))):
            place = np.flatnonzero(layout.rows[at] == row)
            if not len(place):
                continue
            for n in reversed(range(len(self.units[at].components))):
                replicas = int(layout.replicas[at][n, place[0]])
                fits = min(layout.fits.get((self.units[at].components[n], row), 0), replicas)
                if fits < replicas and fits > 0:
                    self.rooms[at] = self.rooms[at].copy()
                    self.rooms[at][n, row] = fits
                    return True
        return False

    def _need(self) -> bool:
        """Gives those sites a part in any case that the words need; then nothing but these is opened."""
        if self.must:
            if self.only:
                return False
            self.only = True
            return True
        made, choice = self._best(0)
        if not choice.feasible:
            return False
        self.must = tuple(made.rows(at)[open_sites] for at, open_sites in enumerate(choice.open))
        return True

    def _cheaper(self, layout: Layout) -> bool:
        """Leaves out the dearer half of the sites that have a part, but for those that would do for the least."""
        if self.problem.policy.everywhere:
            return False
        if self.cheapest is None:
            self.must, self.only = self.given, False
            made, choice = self._best(0, by_price=True)
            if not choice.feasible:
                return False
            self.cheapest = [np.zeros(len(self.problem), dtype=bool) for _ in self.units]
            for at, mask in enumerate(self.cheapest):
                mask[made.rows(at)[choice.open[at]]] = True
        fewer = [self._without_the_dearer(at, rows, self.cheapest[at]) for at, rows in enumerate(layout.rows)]
        if all(np.array_equal(one, before) for one, before in zip(fewer, self.candidates, strict=True)):
            return False
        self.dear = [
            one | (before & ~left) for one, before, left in zip(self.dear, self.candidates, fewer, strict=True)
        ]
        self.candidates, self.must, self.only = fewer, self.given, False
        return True

    def _without_the_dearer(self, at: int, chosen: Ints, kept: Mask) -> Mask:
        """The candidates of a unit that are kept in any case, and those that are cheaper than half of the others chosen."""
        prices = self._prices(at)
        others = np.unique(prices[chosen[~kept[chosen]]])
        found: Mask = kept.copy()
        if len(others):
            found |= prices < others[min((len(others) + 1) // 2, len(others) - 1)]
        return found & self.candidates[at]

    def _prices(self, at: int) -> Floats:
        """(sites,): price units an hour of the least of a unit at each site."""
        return price_per_hour(self.units[at].problem, np.arange(len(self.problem)))


def _among(whole: Sequence[Solved], units: Sequence[Solved], places: Sequence[Ints]) -> tuple[Ints, ...]:
    """Candidates of units that were cut, as those of the whole units."""
    return tuple(
        np.searchsorted(every.sites, unit.sites[one]) for every, unit, one in zip(whole, units, places, strict=True)
    )


def _narrow(limits: Limits) -> Limits:
    """The limits of a narrowed model, of which several are looked at."""
    return replace(limits, steps=int(limits.steps * STEPS), given=GIVEN)
