"""One deployment put right on the room that is left, with the fewest moves.

What a deployment has at sites that still pass stays there. What is missing is first looked for as single sites beside what
stays, which is one pass over arrays and the answer of nearly every failover, proved by what the remaining sites lack. Where
that does not prove it, a search that puts the moves first betters it, the fewest moves are counted and proved by themselves
(`placement.repair_fewest`), and of the choices with so few the cheapest are looked through (`placement.repair_cheaper`).
Only where the count ends without a proof, or leads to what does not hold on nodes, is the whole model searched: with what
stays held, then free.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from placement.arrays import Floats, Ints, Mask
from placement.batch_drafts import Draft, Option, chosen, draft, keeping, laid
from placement.batch_room import SharedRoom
from placement.modelling import Modelled, recut
from placement.placements import moves_of
from placement.problem import Problem
from placement.repair_beside import beside, least_moves, staying
from placement.repair_cheaper import cheaper
from placement.repair_fewest import can_be, fewest
from placement.scores.moves import moves
from placement.solve.evaluation import TOLERANCE, better, evaluate
from placement.solve.model import Clients, Group, Limits, Model, nobody
from placement.solve.solve import solve

MAX_CUTS = 6
"""How often a choice is made anew because what was chosen does not fit on nodes."""


@dataclass(frozen=True, slots=True)
class Found:
    """A repair on the room that was left."""

    option: Option
    moves: int
    least: int
    """It is proved that no choice has fewer, also with all the room that others take."""
    steps: int
    lacks: Ints
    """Sites by their numbers in the room that might do, had the others not taken room there."""


@dataclass(frozen=True, slots=True)
class Missed:
    """No repair was found on the room that was left."""

    steps: int
    lacks: Ints
    """Sites by their numbers in the room where the others took what it might do with; without any it has no place alone."""


def repaired(room: SharedRoom, at: int, limits: Limits) -> Found | Missed:
    """The best repair of a problem on what is left of the room."""
    of = draft(room, at)
    if of.problem.policy.division is not None:
        return _divided(room, of, limits)
    made = of.modelled(narrow=True, limits=limits)
    now = staying(made)
    search = _Search(room, of, made, now, least_moves(made, now), limits)
    search.run()
    best = search.best
    if best is None:
        return _missed(room, of, search.steps)
    return _found(room, of, best, least=search.least, steps=search.steps, limits=limits)


def lessened(room: SharedRoom, at: int, option: Option, *, steps: int, limits: Limits) -> Found:
    """A choice that was found by other ways than these, or of its sites and those that stay the best with the fewest moves.

    steps: those that were made before.
    """
    of = draft(room, at)
    if of.problem.policy.division is not None:
        return Found(option, moves_in(option), 0, steps, nobody())
    made = of.modelled(narrow=True, limits=limits)
    whole, now = made.whole, staying(made)
    assert whole is not None, "it was made just now"
    kept = [
        np.searchsorted(one.sites, np.union1d(made.rows(unit)[now[unit]], option.open[unit]))
        for unit, one in enumerate(whole.solved)
    ]
    few = recut(made, kept)
    found, took, _ = _searched(room, of, few, few.model, begin=option)
    best = fewer(option, found)
    assert best is not None, "there is one to begin with"
    return _found(room, of, best, least=least_moves(made, now), steps=steps + took, limits=limits)


def _found(room: SharedRoom, of: Draft, best: Option, *, least: int, steps: int, limits: Limits) -> Found:
    """A repair, with the moves that are proved; `least`: how few are proved on the room that was left."""
    count, lacks = moves_in(best), _lacks_room(room, of)
    least = min(least, count)
    if least and lacks.any():
        least = min(_least_alone(room, of.at, below=count, limits=limits), count)
    return Found(best, count, least, steps, room.site_of[of.at][lacks])


@dataclass(slots=True)
class _Search:
    """The search for one deployment: the best that is known, and the fewest moves that are proved on this room."""

    room: SharedRoom
    of: Draft
    made: Modelled
    now: tuple[Ints, ...]
    """By unit: the candidates that stay."""
    least: int
    limits: Limits
    best: Option | None = field(init=False, default=None)
    steps: int = field(init=False, default=0)

    def run(self) -> None:
        """Searches until the fewest moves are proved, or everything has been tried."""
        self.best = self._near()
        if self.proved or (self.best is None and not self.made.narrow and not can_be(self.made.model, news(self.made))):
            return
        if self.limits.core_candidates:
            self._locally()
            if self._counted():
                self._locally()
            if self.proved:
                self._cheaper()
                return
        self._wholly()

    @property
    def proved(self) -> bool:
        """Whether there is a choice, and none has fewer moves."""
        return self.best is not None and moves_in(self.best) <= self.least

    def _near(self) -> Option | None:
        """What stays, with single sites beside it where it lacks some; None when that does not do."""
        open: tuple[Ints, ...] | None = self.now
        if not evaluate(self.made.model, self.now).feasible:
            open = beside(self.made, self.now)
        return None if open is None else self._laid(open)

    def _locally(self) -> None:
        """Betters it by the searches alone."""
        quick = replace(self.made.model, limits=replace(self.limits, core_candidates=0))
        found, steps, _ = _searched(self.room, self.of, self.made, quick, begin=self.best)
        self.best, self.steps = fewer(self.best, found), self.steps + steps

    def _counted(self) -> bool:
        """Counts how few moves there can be; whether there is a choice with fewer than before."""
        if self.best is None or self.proved:
            return False
        count = fewest(self.made.model, news(self.made), below=moves_in(self.best))
        self.steps += count.iterations
        if not self.made.narrow:
            self.least = max(self.least, count.least)
        found = None if count.open is None else self._laid(count.open)
        if found is None or moves_in(found) >= moves_in(self.best):
            return False
        self.best = found
        return True

    def _cheaper(self) -> None:
        """Looks for what costs less and moves no more."""
        assert self.best is not None, "it is proved"
        choice = evaluate(self.made.model, _places(self.made, self.best))
        found = cheaper(self.made.model, choice, news(self.made))
        self.steps += found.iterations
        if better(found.cost, choice.cost):
            self.best = fewer(self.best, self._laid(found.open))

    def _wholly(self) -> None:
        """Searches the whole model: with what stays held, then free."""
        units = zip(self.made.model.units, self.now, strict=True)
        kept = tuple(keeping(one, rows, label="stays") for one, rows in units)
        held = replace(self.made.model, units=kept)
        found, steps, _ = _searched(self.room, self.of, self.made, held, begin=self.best)
        self.best, self.steps = fewer(self.best, found), self.steps + steps
        if self.proved:
            return
        found, steps, bound = _searched(self.room, self.of, self.made, self.made.model, begin=self.best)
        self.steps += steps
        if found is None and self.made.narrow:
            self.made = self.of.modelled(narrow=False, limits=self.limits)
            found, steps, bound = _searched(self.room, self.of, self.made, self.made.model, begin=self.best)
            self.steps += steps
        self.best = fewer(self.best, found)
        self.least = max(self.least, bound)

    def _laid(self, open: tuple[Ints, ...]) -> Option | None:
        found = laid(self.room, self.of, self.made, open)
        return found if isinstance(found, Option) else None


def _lacks_room(room: SharedRoom, of: Draft) -> Mask:
    """(sites,): those that others took room of and that are no candidates of some unit.

    Where there are none, what is proved holds with all the room, too.
    """
    found = np.zeros(len(of.problem), dtype=bool)
    for one in of.screenings:
        found |= one.may_run & ~one.passed
    return found & room.touched(of.at)


def _missed(room: SharedRoom, of: Draft, steps: int) -> Missed:
    lacks = _lacks_room(room, of)
    if len(of.units) > 1 or of.problem.policy.division is not None:
        # Each fits at a site by itself, and not together; or less of a total.
        lacks = room.touched(of.at) & np.any([one.may_run for one in of.screenings], axis=0)
    return Missed(steps, room.site_of[of.at][lacks])


def _least_alone(room: SharedRoom, at: int, *, below: int, limits: Limits) -> int:
    """How few moves are proved of a problem that has all the room."""
    made = draft(room, at, alone=True).modelled(narrow=True, limits=limits)
    least = least_moves(made, staying(made))
    if least < below and not made.narrow:
        least = max(least, fewest(made.model, news(made), below=below).least)
    return least


def _divided(room: SharedRoom, of: Draft, limits: Limits) -> Found | Missed:
    """A repair of totals: where they run now, else there and at others, else anywhere; nothing is proved of the moves."""
    here = [_running(unit.problem) for unit in of.units]
    first = [here[0], *(one[:0] for one in here[1:])]
    best, steps = None, 0
    for among, must in ((here, ()), (None, first), (None, ())):
        if among is not None and not all(map(len, among)):
            continue
        found, took = chosen(room, of, limits=limits, among=among, must=must)
        best, steps = fewer(best, found), steps + took
        if best is not None and not moves_in(best):
            break
    return _missed(room, of, steps) if best is None else Found(best, moves_in(best), 0, steps, nobody())


def _running(problem: Problem) -> Ints:
    """The rows where something of it runs."""
    there = list(problem.current.values())
    return np.flatnonzero(np.any(there, axis=0)) if there else nobody()


def _searched(
    room: SharedRoom, of: Draft, made: Modelled, model: Model, *, begin: Option | None
) -> tuple[Option | None, int, int]:
    """The best choice with the moves before everything else, the steps made, and how few moves are proved."""
    model, steps = _moves_first(made, model), 0
    if begin is not None:
        model = replace(model, start=_places(made, begin))
    least: int | None = None
    for _ in range(MAX_CUTS):
        choice = solve(model)
        steps += choice.iterations
        if least is None:
            # Later models have fewer candidates: their bounds are none of the whole.
            least = 0 if choice.bound is None or made.narrow else math.ceil(float(choice.bound[0]) - TOLERANCE)
        if not choice.feasible:
            break
        found = laid(room, of, made, choice.open)
        if isinstance(found, Option):
            return found, steps, least
        if not found:
            break
        model = _without(made, model, found)
    return None, steps, least or 0


def _moves_first(made: Modelled, model: Model) -> Model:
    """The model with a tier more, before all others: the moves."""
    units = []
    for one, new in zip(model.units, news(made), strict=True):
        cost = np.vstack([new, one.open_cost])
        clients = None if one.clients is None else Clients(one.clients.cost, one.clients.tier + 1)
        units.append(replace(one, open_cost=cost, clients=clients))
    serving = tuple(replace(one, tier=one.tier + 1) for one in model.serving)
    return replace(model, units=tuple(units), tiers=model.tiers + 1, serving=serving)


def _without(made: Modelled, model: Model, crowded: Sequence[tuple[int, int]]) -> Model:
    """The model in which some units are not opened at some rows."""
    units = list(model.units)
    for unit, row in crowded:
        place = np.flatnonzero(made.rows(unit) == row)
        units[unit] = replace(units[unit], groups=(*units[unit].groups, Group(place, at_most=0, label="crowded")))
    return replace(model, units=tuple(units))


def _places(made: Modelled, option: Option) -> tuple[Ints, ...]:
    """By unit: what is open, as candidates of the model."""
    return tuple(np.flatnonzero(np.isin(made.rows(unit), rows)) for unit, rows in enumerate(option.open))


def news(made: Modelled) -> list[Floats]:
    """By unit: (candidates,) the moves that opening each takes."""
    return [moves(one.problem, made.rows(at)) for at, one in enumerate(made.units)]


def moves_in(option: Option) -> int:
    """How many moves a choice comes to."""
    return moves_of(option.made, option.layout)


def fewer(one: Option | None, other: Option | None) -> Option | None:
    """The one with fewer moves, of as many the one that costs less, else the first."""
    if one is None or other is None:
        return one or other
    left, right = moves_in(one), moves_in(other)
    return other if right < left or (right == left and better(other.cost, one.cost)) else one
