"""A problem on the room that others have left: its rules asked, its model made, and choices for it laid out on nodes.

A batch decides the same problem many times: with prices for room that is short, with sites that must be kept, or with a
choice that was found before and is to be had again. Each is the engine's own pipeline, taken apart, so that what is kept in
the end is a decision like any other. A choice is known by the rows of its sites, for candidates are numbered anew each time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_array

from placement.arrays import Floats, Ints, Mask
from placement.batch_room import SharedRoom, Use
from placement.choosing import Choosing
from placement.modelling import Modelled, modelled
from placement.packing import pack
from placement.placements import Layout, laid_out
from placement.problem import Problem
from placement.rules import RULES
from placement.screening import Screening, screen
from placement.solve.evaluation import evaluate
from placement.solve.model import Choice, Clients, Group, Limits, Model
from placement.solve.model import Unit as Solved
from placement.solve.solve import solve
from placement.unit_problems import Unit, unit_problems

QUICK = Limits(core_candidates=0, exact_candidates=0, joint_moves=12)
"""A search without an exact core, for what is decided again and again."""
MAX_CUTS = 6
"""How often a choice is made anew because what was chosen does not fit on the nodes of a site together."""
TIER = 1e-3
"""What a later tier weighs against the one before it where tiers are folded into one figure."""


@dataclass(frozen=True, slots=True)
class Option:
    """A choice for one problem that was laid out on nodes."""

    open: tuple[Ints, ...]
    """By unit: the open sites as rows of the problem."""
    cost: Floats
    """(tiers,)."""
    made: Modelled
    choice: Choice
    layout: Layout
    use: Use

    @property
    def folded(self) -> float:
        """The cost as one figure."""
        return float(self.cost @ weights_of(len(self.cost)))


@dataclass(frozen=True, slots=True)
class Draft:
    """A problem whose rules have been asked, on what is left of the room."""

    at: int
    """Its number in the shared room."""
    problem: Problem
    units: tuple[Unit, ...]
    screenings: tuple[Screening, ...]

    def modelled(self, *, narrow: bool, limits: Limits, without: Sequence[tuple[int, int]] = ()) -> Modelled:
        """The model; `without`: units and rows that are no candidates."""
        candidates: list[Mask] = [one.passed for one in self.screenings]
        for unit, row in without:
            candidates[unit] = candidates[unit].copy()
            candidates[unit][row] = False
        return modelled(self.problem, self.units, self.screenings, candidates, timed=True, narrow=narrow, limits=limits)

    @property
    def components(self) -> list[tuple[int, ...]]:
        """By unit: its components' places in the problem."""
        return [one.components for one in self.units]


def draft(room: SharedRoom, at: int, *, alone: bool = False) -> Draft:
    """Asks the rules of a problem on what the others have left; `alone`: on all the room that there was."""
    problem = room.problems[at] if alone else room.left(at)
    units = unit_problems(problem)
    screenings = screen([one.problem for one in units], RULES)
    return Draft(at, problem, tuple(units), tuple(screenings))


def searched(
    room: SharedRoom,
    of: Draft,
    *,
    limits: Limits = QUICK,
    surcharge: Sequence[Floats] | None = None,
    begin: Sequence[Ints] | None = None,
) -> tuple[Option | None, int]:
    """The best choice that was found, its cost without the surcharges, and the steps that were made.

    surcharge: by unit (sites,) what opening costs more, in the folded cost. begin: by unit, rows to begin from. A total is
    divided by what its sites have room for and not by prices, so neither counts for it.
    """
    if of.problem.policy.division is not None or (surcharge is None and begin is None):
        return chosen(room, of, limits=limits)
    crowded: list[tuple[int, int]] = []
    steps, narrow = 0, True
    while True:
        made = of.modelled(narrow=narrow, limits=limits, without=crowded)
        model = made.model
        if surcharge is not None:
            model = charged(folded(model), surcharge)
        if begin is not None:
            model = replace(model, start=_places(made, begin))
        choice = solve(model)
        steps += choice.iterations
        if not choice.feasible and made.narrow:
            narrow = False
            continue
        if not choice.feasible:
            return None, steps
        found = laid(room, of, made, choice.open)
        if isinstance(found, Option):
            return found, steps
        if not found or len(crowded) >= MAX_CUTS:
            return None, steps
        crowded += found


def chosen(
    room: SharedRoom,
    of: Draft,
    *,
    limits: Limits,
    among: Sequence[Ints] | None = None,
    must: Sequence[Ints] = (),
) -> tuple[Option | None, int]:
    """The choice of the engine's own search, and the steps that were made.

    among: by unit, the only rows that may be chosen. must: by unit, rows that have a part of the total in any case.
    """
    search = Choosing(of.problem, of.units, of.screenings, timed=True, limits=limits)
    if among is not None:
        search.candidates = [
            one & np.isin(np.arange(len(one)), rows) for one, rows in zip(search.candidates, among, strict=True)
        ]
    search.must = must
    search.run()
    layout = search.layout
    if layout is None or not search.found:
        return None, search.iterations
    made, choice = search.made, search.choice
    rows = tuple(made.rows(unit)[one] for unit, one in enumerate(choice.open))
    use = room.use_of(of.at, layout, of.components)
    return Option(rows, choice.cost, made, choice, layout, use), search.iterations


def held(room: SharedRoom, of: Draft, open: Sequence[Ints]) -> Option | None:
    """The choice of these rows on what is left of the room; None when it no longer can be."""
    made = of.modelled(narrow=False, limits=QUICK)
    places = _places(made, open)
    if made.problem.policy.division is None and any(
        len(one) < len(rows) for one, rows in zip(places, open, strict=True)
    ):
        return None
    found = laid(room, of, made, places)
    return found if isinstance(found, Option) else None


def again(room: SharedRoom, option: Option, at: int) -> Option | None:
    """The same choice on what is left of the room, of which only its own sites are looked at; None when it does not fit.

    Its cost and its words stay those of the room that it was found on; `held` makes them anew.
    """
    made = option.made
    problem = room.left(at)
    screenings = list(made.screenings)
    if len(made.units) == 1:
        old = screenings[0].packing
        among = np.zeros(len(problem), dtype=bool)
        among[option.layout.rows[0]] = True
        components = made.units[0].problem.components
        packing = pack(problem.bins, components, eligible=old.eligible, sites=len(problem), among=among)
        if not packing.fits[among].all():
            return None
        screenings[0] = replace(screenings[0], packing=packing)
    layout = laid_out(replace(made, problem=problem, screenings=tuple(screenings)), option.choice)
    if layout.undivided or layout.crowded:
        return None
    return replace(option, layout=layout, use=room.use_of(at, layout, [one.components for one in made.units]))


def laid(room: SharedRoom, of: Draft, made: Modelled, open: tuple[Ints, ...]) -> Option | list[tuple[int, int]]:
    """A choice on nodes; else units and rows where it does not fit, none when it breaks something else."""
    choice = evaluate(made.model, open)
    if not choice.feasible:
        return []
    layout = laid_out(made, choice)
    if layout.undivided or layout.crowded:
        return list(layout.crowded)
    if of.problem.policy.division is not None and not _holds(of, made, choice, layout):
        return []
    use = room.use_of(of.at, layout, of.components)
    rows = tuple(made.rows(unit)[one] for unit, one in enumerate(open))
    return Option(rows, choice.cost, made, choice, layout, use)


def _holds(of: Draft, made: Modelled, choice: Choice, layout: Layout) -> bool:
    """Whether the policy is kept by the sites that have a part of the totals, once these are divided."""
    search = Choosing(of.problem, of.units, of.screenings, timed=True, limits=None)
    search.made, search.choice, search.layout = made, choice, layout
    return search.found


def weights_of(tiers: int) -> Floats:
    """(tiers,): what each weighs where they are folded into one figure."""
    found: Floats = np.power(TIER, np.arange(tiers, dtype=np.float64))
    return found


def folded(model: Model) -> Model:
    """The model with one tier."""
    if model.tiers == 1:
        return model
    weights = weights_of(model.tiers)
    units = []
    for one in model.units:
        clients = one.clients
        if clients is not None:
            cost = csr_array(clients.cost, copy=True)
            cost.data = cost.data * weights[clients.tier]
            clients = Clients(cost, 0)
        units.append(replace(one, open_cost=(weights @ one.open_cost)[None, :], clients=clients))
    serving = []
    for link in model.serving:
        reach = csr_array(link.reach, copy=True)
        reach.data = reach.data * weights[link.tier]
        serving.append(replace(link, reach=reach, tier=0))
    return replace(model, units=tuple(units), tiers=1, serving=tuple(serving))


def keeping(unit: Solved, places: Ints, *, label: str) -> Solved:
    """The unit with some candidates that are opened in any case."""
    if not len(places):
        return unit
    return replace(unit, groups=(*unit.groups, Group(places, at_least=len(places), label=label)))


def charged(model: Model, surcharge: Sequence[Floats]) -> Model:
    """The model with what opening costs more, by unit and row of the problem."""
    units = tuple(
        replace(one, open_cost=one.open_cost + more[one.sites])
        for one, more in zip(model.units, surcharge, strict=True)
    )
    return replace(model, units=units)


def _places(made: Modelled, open: Sequence[Ints]) -> tuple[Ints, ...]:
    """Rows of the problem as candidates, those that are."""
    return tuple(np.flatnonzero(np.isin(made.rows(unit), rows)) for unit, rows in enumerate(open))
