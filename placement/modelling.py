"""From sites that passed every rule to what a solver is given: costs in tiers, and what a choice must keep.

The policy's words that are about one site are rules, and have refused what they refuse. What is left are the words about the
choice as a whole: places, groups, spread, ceilings, units that serve each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from graph.kinds.policy import PlacementPolicy, Term
from placement.arrays import Floats, Ints, Mask, places_of
from placement.narrowing import WIDE, clients_first, narrowed
from placement.problem import Problem
from placement.reaches import Reaches
from placement.rules.latency import reach
from placement.scores import SCORES, Score
from placement.scores.latency import SCALE_MS as LATENCY_SCALE_MS
from placement.scores.moves import moves
from placement.scores.price import price_per_hour
from placement.screening import Screening
from placement.sifting import WIDE as SIFTED
from placement.sifting import Places, sifted
from placement.solve.entries import matrix_of
from placement.solve.model import Apart, Budget, Clients, Group, Limits, Model, Serving
from placement.solve.model import Unit as Solved
from placement.solve.restriction import cut, cut_group
from placement.totals import most_sites, pooled_room, room_for
from placement.unit_problems import Unit

DEFAULT_OBJECTIVE: tuple[tuple[Term, ...], ...] = (
    (Term.SITES,),
    (Term.LATENCY, Term.HEADROOM, Term.PRICE, Term.MOVES),
)
"""The fewest sites, and of these what is best in all else."""


def objective_of(policy: PlacementPolicy) -> Sequence[Sequence[Term]]:
    """The tiers of a policy's objective, the most important first; the default one when it states none."""
    return policy.objective or DEFAULT_OBJECTIVE


@dataclass(frozen=True, slots=True)
class Measured:
    """One score of one unit's candidates."""

    score: Score
    tier: int
    weight: float
    values: Floats
    """(candidates,) in the score's unit; of places served: zeros."""

    @property
    def cost(self) -> Floats:
        """(candidates,) what each costs by it; not to be written to."""
        found, scale, weight = self.values, self.score.scale, self.weight
        # Nothing of the size of all candidates is made where it would be the same.
        if scale != 1.0:
            found = found / scale
        return found if weight == 1.0 else found * weight


@dataclass(frozen=True, slots=True)
class Whole:
    """All candidates of the units, and what is not told by unit."""

    solved: tuple[Solved, ...]
    measured: tuple[tuple[Measured, ...], ...]
    rooms: tuple[Ints, ...]
    start: tuple[Ints, ...] | None
    alternatives: tuple[tuple[tuple[Group, ...], ...], ...]
    reaches: Reaches
    tier_of: dict[Term, int]
    tiers: int
    limits: Limits


@dataclass(frozen=True, slots=True)
class Modelled:
    """A model, and what it was made from."""

    problem: Problem
    model: Model
    units: tuple[Unit, ...]
    screenings: tuple[Screening, ...]
    measured: tuple[tuple[Measured, ...], ...]
    """By unit."""
    tiers: tuple[tuple[str, ...], ...]
    """The names of the scores in each tier."""
    preferences: int
    """How many of the tiers are of preference groups; these come first and have no scores."""
    demand: Floats
    """(places,) each one's share of all demand."""
    rooms: tuple[Ints, ...]
    """By unit, with a total to divide: (components, candidates) for how many replicas of each there is room."""
    candidates: tuple[Mask, ...]
    """By unit: the sites that might have been chosen; a narrow model has only some of them."""
    narrow: bool
    """Whether units were cut to their best candidates."""
    must: tuple[Ints, ...]
    """By unit: rows that are opened, and that have a part of a total, in any case; empty: none."""
    whole: Whole | None
    """What it was made from, before units were cut; None once it is not cut anew."""
    dear: tuple[Mask, ...] = ()
    """By unit: the sites that are no candidates because with them a total costs too much; empty: none."""

    def eligible(self, unit: int, component: int) -> Mask:
        """The bins that no rule keeps a component of a unit out of."""
        return self.screenings[unit].packing.eligible[self.units[unit].components.index(component)]

    def rows(self, unit: int) -> Ints:
        """The candidates of a unit as rows of the problem."""
        return self.model.units[unit].sites


def modelled(
    problem: Problem,
    units: Sequence[Unit],
    screenings: Sequence[Screening],
    candidates: Sequence[Mask],
    *,
    timed: bool,
    narrow: bool = True,
    limits: Limits | None = None,
    width: int | None = None,
    must: Sequence[Ints] = (),
    rooms_of: Sequence[Ints] | None = None,
    pooled: bool = True,
) -> Modelled:
    """The model of a problem whose rules have been asked.

    candidates: by unit, the sites that may be chosen, of those that passed.
    timed: whether places must be served in time.
    narrow: whether units that must be near each other may be cut to their best candidates.
    width: at least so many sites of the first unit are opened; None: all that there are and may be, with `everywhere` or a
        total to divide, else as many as the policy needs.
    must: by unit, rows that are opened in any case, besides those that the policy names; empty: none.
    rooms_of: with a total to divide, by unit: (components, sites) for how many replicas of each there is room, when it is
        known already.
    pooled: whether what is open must have room for the totals.
    """
    policy = problem.policy
    ranks = _preference_tiers(problem)
    objective = objective_of(policy)
    tier_of = {term: len(ranks) + at for at, terms in reversed(list(enumerate(objective))) for term in terms}
    tiers = len(ranks) + len(objective)
    demand = _shares(problem)
    solved, measured = [], []
    narrow = narrow and any(words.within_ms is not None for words in problem.words.units)
    sifting = not (limits or Limits()).core_candidates
    rows_of = [np.flatnonzero(passed) for passed in candidates]
    narrow = narrow and max(map(len, rows_of)) > (SIFTED if sifting else WIDE)
    sifting = sifting and narrow
    places = _places(problem, tier_of, demand) if timed else None
    if rooms_of is None:
        rooms_of = [room_for(problem, unit, screening) for unit, screening in zip(units, screenings, strict=True)]
    rooms = tuple(found[:, rows] for found, rows in zip(rooms_of, rows_of, strict=True))
    for at, (unit, screening) in enumerate(zip(units, screenings, strict=True)):
        rows = rows_of[at]
        found = _measures(unit.problem, screening, rows, tier_of=tier_of)
        costs = np.zeros((tiers, len(rows)))
        for one in found:
            if one.score.measure is not None:
                costs[one.tier] += one.cost
        for tier, rank in enumerate(ranks):
            costs[tier] += rank[rows]
        measured.append(tuple(found))
        solved.append(
            _solved(
                problem,
                unit,
                rows,
                costs,
                clients=None if at or sifting or places is None else places.clients(rows),
                rooms=rooms[at],
                width=width,
                must=must[at] if must else None,
                pooled=pooled,
            )
        )
    whole = Whole(
        solved=tuple(solved),
        measured=tuple(measured),
        rooms=rooms,
        start=_start(units, solved),
        alternatives=() if problem.words.groups is None else problem.words.groups.among(solved[0].sites)[1],
        reaches=Reaches(problem),
        tier_of=tier_of,
        tiers=tiers,
        limits=limits or Limits(),
    )
    kept = [np.arange(one.count) for one in solved]
    if narrow:
        order, words = clients_first(problem.words.units), problem.words.units
        if sifting:
            kept = sifted(solved, words, whole.reaches, order=order, places=places, start=whole.start)
        else:
            kept = narrowed(solved, words, whole.reaches, order=order, tiers=tiers, start=whole.start)
    model, kept_measured, rooms = _cut(problem, units, whole, kept)
    if sifting and places is not None:
        first = replace(model.units[0], clients=places.clients(model.units[0].sites))
        model = replace(model, units=(first, *model.units[1:]))
    names = tuple((f"preference {len(ranks) - at}",) for at in range(len(ranks))) + tuple(
        tuple(term.name.lower() for term in terms) for terms in objective
    )
    return Modelled(
        problem=problem,
        model=model,
        units=tuple(units),
        screenings=tuple(screenings),
        measured=kept_measured,
        tiers=names,
        preferences=len(ranks),
        demand=demand,
        rooms=rooms,
        candidates=tuple(candidates),
        narrow=any(len(mine) < one.count for mine, one in zip(kept, solved, strict=True)),
        must=tuple(must),
        whole=whole,
    )


def recut(made: Modelled, kept: Sequence[Ints]) -> Modelled:
    """The same with other candidates of each unit, as places among all of them, ascending; of what can be cut anew."""
    assert made.whole is not None, "it can be cut anew"
    model, measured, rooms = _cut(made.problem, made.units, made.whole, kept)
    narrow = any(len(mine) < one.count for mine, one in zip(kept, made.whole.solved, strict=True))
    return replace(made, model=model, measured=measured, rooms=rooms, narrow=narrow)


def _cut(
    problem: Problem, units: Sequence[Unit], whole: Whole, kept: Sequence[Ints]
) -> tuple[Model, tuple[tuple[Measured, ...], ...], tuple[Ints, ...]]:
    """The model of some candidates of each unit, what they were measured to be, and their room."""
    solved, measured, rooms, start = whole.solved, whole.measured, whole.rooms, whole.start
    alternatives = whole.alternatives
    if any(len(mine) < one.count for mine, one in zip(kept, solved, strict=True)):
        alternatives = _kept_alternatives(alternatives, kept[0], solved[0].count)
        if start is not None:
            start = tuple(np.searchsorted(mine, one) for mine, one in zip(kept, start, strict=True))
        measured = tuple(
            tuple(Measured(one.score, one.tier, one.weight, one.values[mine]) for one in found)
            for mine, found in zip(kept, measured, strict=True)
        )
        rooms = tuple(room[:, mine] for mine, room in zip(kept, rooms, strict=True))
        solved = tuple(cut(one, mine) for mine, one in zip(kept, solved, strict=True))
    model = Model(
        units=solved,
        tiers=whole.tiers,
        serving=tuple(_servings(problem, solved, whole.tier_of, whole.reaches)),
        apart=tuple(
            Apart(at, other, label=f"{words.name} never with {problem.words.units[other].name}")
            for at, words in enumerate(problem.words.units)
            for other in words.never_with
        ),
        budgets=tuple(_budgets(problem, units, solved)),
        alternatives=alternatives,
        start=start,
        limits=whole.limits,
    )
    return model, measured, rooms


def _measures(problem: Problem, screening: Screening, rows: Ints, *, tier_of: dict[Term, int]) -> list[Measured]:
    found = []
    for score in SCORES:
        tier = tier_of.get(score.term)
        weight = float(score.weight(problem.policy.weights))
        if tier is None or (score.term is Term.LATENCY and not problem.targets):
            continue
        if score.term is Term.MOVES and not problem.current:
            continue
        values = np.zeros(len(rows)) if score.measure is None else score.measure(problem, screening.packing, rows)
        found.append(Measured(score, tier, weight, values))
    return found


def _solved(
    problem: Problem,
    unit: Unit,
    rows: Ints,
    costs: Floats,
    *,
    clients: Clients | None,
    rooms: Ints,
    width: int | None,
    must: Ints | None,
    pooled: bool,
) -> Solved:
    policy, words = problem.policy, unit.words
    least, most = words.min_sites, words.max_sites
    found: tuple[Ints | None, int] = (None, 0)
    if policy.division is not None:
        ceiling = most_sites(problem, unit, policy.division.min_each)
        most = min((one for one in (most, ceiling) if one is not None), default=None)
        if pooled:
            found = pooled_room(problem, unit, rows, rooms)
    if not unit.apart and width is not None:
        least = max(least, width)
    elif not unit.apart and (policy.everywhere or policy.division is not None):
        # Every site that passes; with a total, those that get nothing are left out afterwards.
        least = max(least, len(rows) if most is None else min(len(rows), most))
    return Solved(
        name=unit.words.name,
        sites=rows,
        open_cost=costs,
        clients=clients,
        groups=(*(() if unit.apart else _mandatory(problem, rows)), *_kept_open(rows, must)),
        domains=() if unit.apart else tuple(one.among(rows) for one in problem.words.spread),
        min_open=least,
        max_open=most,
        room=found[0],
        total=found[1],
    )


def _places(problem: Problem, tier_of: dict[Term, int], demand: Floats) -> Places | None:
    if not problem.targets:
        return None
    tier = tier_of.get(Term.LATENCY)
    factor = 0.0 if tier is None else problem.policy.weights.latency / LATENCY_SCALE_MS
    return Places(reach(problem), demand * factor, tier or 0)


def _shares(problem: Problem) -> Floats:
    weights = problem.words.demand
    total = float(weights.sum())
    return weights / total if total > 0 else np.full(len(weights), 1.0 / max(len(weights), 1))


def _servings(problem: Problem, solved: Sequence[Solved], tier_of: dict[Term, int], reaches: Reaches) -> list[Serving]:
    found = []
    for server, words in enumerate(problem.words.units):
        if words.within_ms is None:
            continue
        for client in words.serves:
            label = f"{words.name} within {words.within_ms:g} ms of {problem.words.units[client].name}"
            # It must be in reach; that it is as near as can be is not asked for.
            reached = reaches(solved[client].sites, solved[server].sites, words)
            reach = matrix_of(reached, columns=solved[server].count)
            found.append(Serving(server, client, reach, tier=tier_of.get(Term.LATENCY, 0), label=label))
    return found


def _budgets(problem: Problem, units: Sequence[Unit], solved: Sequence[Solved]) -> list[Budget]:
    policy, budgets = problem.policy, []
    if policy.max_price_per_hour is not None and (policy.division is None or policy.division.min_each):
        # Of a total only the least of each site is known before it is divided.
        amounts = tuple(price_per_hour(unit.problem, one.sites) for unit, one in zip(units, solved, strict=True))
        budgets.append(Budget(amounts, policy.max_price_per_hour, label="max_price_per_hour"))
    if policy.max_moves is not None and problem.current:
        amounts = tuple(moves(unit.problem, one.sites) for unit, one in zip(units, solved, strict=True))
        budgets.append(Budget(amounts, float(policy.max_moves), label="max_moves"))
    return budgets


def _start(units: Sequence[Unit], solved: Sequence[Solved]) -> tuple[Ints, ...] | None:
    start = []
    for unit, one in zip(units, solved, strict=True):
        current = [unit.problem.current[each.id] for each in unit.problem.components if each.id in unit.problem.current]
        if not current:
            return None
        start.append(np.flatnonzero(np.any(current, axis=0)[one.sites]))
    return tuple(start) if start else None


def _preference_tiers(problem: Problem) -> list[Floats]:
    """For each preference group but the first, the last first: 1.0 at its sites."""
    ranks = problem.words.preference
    if ranks is None:
        return []
    return [(ranks == rank).astype(np.float64) for rank in range(int(ranks.max(initial=0)), 0, -1)]


def _kept_alternatives(
    alternatives: tuple[tuple[tuple[Group, ...], ...], ...], kept: Ints, count: int
) -> tuple[tuple[tuple[Group, ...], ...], ...]:
    if not alternatives:
        return alternatives
    place = places_of(kept, count)
    return tuple(tuple(tuple(cut_group(one, place) for one in groups) for groups in entry) for entry in alternatives)


def _mandatory(problem: Problem, rows: Ints) -> tuple[Group, ...]:
    """What the groups demand, and the sites that are chosen in any case: also of sites that no longer are candidates."""
    words = problem.words
    demanded = () if words.groups is None else words.groups.among(rows)[0]
    if len(words.pinned):
        demanded = (*demanded, _all_of(words.pinned, rows, label="pinnedSiteIds"))
    return demanded


def _kept_open(rows: Ints, must: Ints | None) -> tuple[Group, ...]:
    return () if must is None or not len(must) else (_all_of(must, rows, label="division"),)


def _all_of(wanted: Ints, rows: Ints, *, label: str) -> Group:
    place = np.searchsorted(rows, wanted)
    there = place < len(rows)
    there[there] = rows[place[there]] == wanted[there]
    return Group(place[there], at_least=len(wanted), label=label)
