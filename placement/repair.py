"""Where deployments go that cannot stay as they are, with the fewest moves: failover, drain, what a rule refuses by now.

What a deployment has at sites that still pass stays there. What is missing is first looked for as single sites beside what
stays, which is one pass over arrays and the answer of nearly every failover. Only where that does not do is the whole model
searched: with what stays held, then free, with the moves before everything else. That no choice moves less is known from
what the remaining sites lack, or from the exact model where it is small.

The deployments of one call share their room. They are decided by priority, the larger first; one that finds no place since
others of the call took it is tried again in their stead, and if some still have none all are decided as one batch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace

import msgspec
import numpy as np

from graph.kinds.policy import Term
from placement.arrays import Ints
from placement.batch import Asked, BatchLimits, decide_together
from placement.batch_drafts import Draft, Option, chosen, draft, held, keeping, laid
from placement.batch_room import Renewed, SharedRoom
from placement.engine import decide, feasible
from placement.modelling import Modelled, objective_of
from placement.placements import moves_of
from placement.problem import Problem
from placement.repair_beside import beside, least_moves, staying
from placement.scores.moves import moves
from placement.solve.evaluation import TOLERANCE, evaluate
from placement.solve.model import Clients, Group, Limits, Model
from placement.solve.solve import solve
from placement.stopping import look
from placement.verdict import Verdict

MAX_CUTS = 6
"""How often a choice is made anew because what was chosen does not fit on nodes."""
MAX_SWAPS = 16
"""How many others are tried again in another order for one that found no place."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A deployment that cannot stay as it is."""

    id: str
    problem: Problem
    """Made without its own use (`excluding_deployment_id`); what it has lost is refused by a rule, or is no longer there."""
    priority: int = 0
    """The higher come first."""
    renewed: frozenset[str] = frozenset()
    """Sites where it is given nodes anew, also for what stays there."""
    nodes: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """With `renewed`: by component id and node id the replicas that are there now."""


@dataclass(frozen=True, slots=True)
class Repair:
    """What becomes of one deployment."""

    id: str
    verdict: Verdict
    moves: int
    """Components at sites where they did not run; 0 when it is not feasible."""
    least: int
    """It is proved that no choice has fewer moves, also if this deployment were the only one."""
    alone: bool = True
    """Whether it has a place, or would have one without the others of the call."""

    @property
    def proved(self) -> bool:
        """Whether there are proved to be no fewer moves."""
        return self.verdict.feasible and self.moves <= self.least


@dataclass(frozen=True, slots=True)
class Repairs:
    """What becomes of all deployments of one call."""

    repairs: tuple[Repair, ...]
    """By ascending id."""
    iterations: int = 0

    @property
    def moves(self) -> int:
        """Of all that are feasible."""
        return sum(one.moves for one in self.repairs)

    @property
    def least(self) -> int:
        """No repair of those that are feasible has fewer moves in all."""
        return sum(one.least for one in self.repairs if one.verdict.feasible)

    @property
    def not_placed(self) -> tuple[str, ...]:
        """The ids of those for which no place was found."""
        return tuple(one.id for one in self.repairs if not one.verdict.feasible)


@dataclass(frozen=True, slots=True)
class _Found:
    option: Option
    moves: int
    least: int
    steps: int


def repair(hits: Sequence[Hit], *, limits: Limits | None = None) -> Repairs:
    """The fewest moves that put every hit deployment right, and of those the best choice by its own policy.

    limits: of each search; without a core only what the remaining sites lack proves a number of moves.
    Raises InvalidInput when the problems are not of one revision, and Stopped when `limits.stop` is asked for.
    """
    if not hits:
        return Repairs(())
    limits = limits or Limits()
    room = SharedRoom([one.problem for one in hits], renewed=[Renewed(one.renewed, one.nodes) for one in hits])
    order = sorted(range(len(hits)), key=lambda at: (-hits[at].priority, -_size(hits[at].problem), hits[at].id))
    found: dict[int, _Found] = {}
    failed: list[int] = []
    steps = 0
    for at in order:
        look(limits.stop)
        one, made = _repaired(room, at, limits)
        steps += made
        if one is None:
            failed.append(at)
        else:
            found[at] = one
            room.take(one.option.use)
    for at in failed:
        steps += _in_the_stead_of_others(room, hits, at, found, limits)
    if len(found) < len(hits) and any(one.moves for one in found.values()):
        steps += _all_anew(room, hits, found, limits)
    repairs = []
    for at in sorted(range(len(hits)), key=lambda at: hits[at].id):
        known = found.get(at)
        if known is None:
            repairs.append(_not_placed(room, hits, at, limits))
            continue
        option = known.option
        verdict = feasible(option.made, option.choice, option.layout, iterations=known.steps, cut=True)
        repairs.append(Repair(hits[at].id, verdict, known.moves, known.least))
    return Repairs(tuple(repairs), steps)


def _not_placed(room: SharedRoom, hits: Sequence[Hit], at: int, limits: Limits) -> Repair:
    problem = room.left(at)
    alone = problem is not room.problems[at] and decide(room.problems[at], limits=limits).feasible
    return Repair(hits[at].id, decide(problem, limits=limits), 0, 0, alone)


def _all_anew(room: SharedRoom, hits: Sequence[Hit], found: dict[int, _Found], limits: Limits) -> int:
    """Decides all as one batch, with the moves first, and takes that when it leaves fewer of a priority without a place."""
    asked = [Asked(one.id, moves_first(one.problem), one.priority) for one in hits]
    bounds = BatchLimits(
        decisions=8 * len(hits), rounds=2, exchanges=2 * len(hits), fine_rounds=0, settlings=0, stop=limits.stop
    )
    together = decide_together(asked, limits=bounds)
    number = {one.id: at for at, one in enumerate(hits)}
    if _unplaced(hits, {number[one] for one in together.placed}) >= _unplaced(hits, set(found)):
        return together.iterations
    before = dict(found)
    for one in before.values():
        room.give_back(one.option.use)
    found.clear()
    for at in sorted((number[one] for one in together.placed), key=lambda at: -hits[at].priority):
        of = draft(room, at)
        option = held(room, of, _rows(of, together.placed[hits[at].id]))
        if option is not None:
            room.take(option.use)
            least = before[at].least if at in before else 0
            found[at] = _Found(option, _moves(option), min(least, _moves(option)), together.iterations)
    if _unplaced(hits, set(found)) >= _unplaced(hits, set(before)):
        for one in found.values():
            room.give_back(one.option.use)
        found.clear()
        found.update(before)
        for one in before.values():
            room.take(one.option.use)
    return together.iterations


def _unplaced(hits: Sequence[Hit], placed: Set[int]) -> tuple[int, ...]:
    """By priority, the highest first, how many have no place."""
    ranks = sorted({one.priority for one in hits}, reverse=True)
    return tuple(sum(one.priority == rank and at not in placed for at, one in enumerate(hits)) for rank in ranks)


def _rows(of: Draft, verdict: Verdict) -> tuple[Ints, ...]:
    """By unit: the rows of the sites that a decision has it run at."""
    row_of = of.problem.columns.row_of
    found = []
    for unit in of.units:
        mine = {of.problem.components[one].id for one in unit.components}
        sites = [
            row_of[one.site_id]
            for one in verdict.placements
            if any(each.component_id in mine and each.replicas for each in one.components)
        ]
        found.append(np.array(sorted(sites), dtype=np.int64))
    return tuple(found)


def moves_first(problem: Problem) -> Problem:
    """The problem with its moves before all else that its policy wants."""
    policy = problem.policy
    rest = [[term for term in tier if term is not Term.MOVES] for tier in objective_of(policy)]
    return replace(
        problem,
        policy=msgspec.structs.replace(
            policy,
            objective=[[Term.MOVES], *(tier for tier in rest if tier)],
            weights=msgspec.structs.replace(policy.weights, moves=1.0),
        ),
    )


def _size(problem: Problem) -> float:
    """How much of a typical node all its replicas need, by the resource that they need most of."""
    return float((problem.needed / np.maximum(problem.bins.typical, 1.0)).max(initial=0.0))


def _in_the_stead_of_others(
    room: SharedRoom, hits: Sequence[Hit], at: int, found: dict[int, _Found], limits: Limits
) -> int:
    """Decides one before another that was decided earlier and is of no higher priority, if both find a place so."""
    steps = 0
    others = sorted(
        (one for one in found if found[one].moves and hits[one].priority <= hits[at].priority),
        key=lambda one: hits[one].id,
    )
    for other in others[:MAX_SWAPS]:
        before = found[other]
        room.give_back(before.option.use)
        first, made = _repaired(room, at, limits)
        steps += made
        if first is not None:
            room.take(first.option.use)
            second, made = _repaired(room, other, limits)
            steps += made
            if second is not None:
                room.take(second.option.use)
                found[at], found[other] = first, second
                return steps
            room.give_back(first.option.use)
        room.take(before.option.use)
    return steps


def _repaired(room: SharedRoom, at: int, limits: Limits) -> tuple[_Found | None, int]:
    """The best repair on what is left of the room, and the steps of search."""
    of = draft(room, at)
    if of.problem.policy.division is not None:
        return _divided(room, of, limits)
    made = of.modelled(narrow=True, limits=limits)
    now = staying(made)
    least = least_moves(made, now)
    best, steps = _near(room, of, made, now), 0
    if best is None or _moves(best) > least:
        kept = tuple(keeping(one, rows, label="stays") for one, rows in zip(made.model.units, now, strict=True))
        found, took, _ = _searched(room, of, made, replace(made.model, units=kept), begin=best)
        best, steps = _fewer(best, found), steps + took
    if best is None or _moves(best) > least:
        found, took, bound = _searched(room, of, made, made.model, begin=best)
        if found is None and made.narrow:
            made = of.modelled(narrow=False, limits=limits)
            found, more, bound = _searched(room, of, made, made.model, begin=best)
            took += more
        best, steps = _fewer(best, found), steps + took
        if room.left(at) is room.problems[at]:
            least = max(least, bound)
    if best is None:
        return None, steps
    return _Found(best, _moves(best), min(least, _moves(best)), steps), steps


def _divided(room: SharedRoom, of: Draft, limits: Limits) -> tuple[_Found | None, int]:
    """A repair of totals: where they run now, else there and at others, else anywhere; nothing is proved of the moves."""
    here = [_running(unit.problem) for unit in of.units]
    first = [here[0], *(one[:0] for one in here[1:])]
    best, steps = None, 0
    for among, must in ((here, ()), (None, first), (None, ())):
        if among is not None and not all(map(len, among)):
            continue
        found, took = chosen(room, of, limits=limits, among=among, must=must)
        best, steps = _fewer(best, found), steps + took
        if best is not None and not _moves(best):
            break
    return (None if best is None else _Found(best, _moves(best), 0, steps)), steps


def _running(problem: Problem) -> Ints:
    """The rows where something of it runs."""
    there = list(problem.current.values())
    return np.flatnonzero(np.any(there, axis=0)) if there else np.empty(0, dtype=np.int64)


def _near(room: SharedRoom, of: Draft, made: Modelled, now: tuple[Ints, ...]) -> Option | None:
    """What stays, with single sites beside it where it lacks some; None when that does not do."""
    open: tuple[Ints, ...] | None = now
    if not evaluate(made.model, now).feasible:
        open = beside(made, now)
    if open is None:
        return None
    found = laid(room, of, made, open)
    return found if isinstance(found, Option) else None


def _searched(
    room: SharedRoom, of: Draft, made: Modelled, model: Model, *, begin: Option | None
) -> tuple[Option | None, int, int]:
    """The best choice with the moves before everything else, the steps made, and how few moves are proved."""
    model, steps = _moves_first(made, model), 0
    if begin is not None:
        start = [np.flatnonzero(np.isin(made.rows(unit), rows)) for unit, rows in enumerate(begin.open)]
        model = replace(model, start=tuple(start))
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
    for at, one in enumerate(model.units):
        cost = np.vstack([moves(made.units[at].problem, one.sites), one.open_cost])
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


def _moves(option: Option) -> int:
    return moves_of(option.made, option.layout)


def _fewer(one: Option | None, other: Option | None) -> Option | None:
    """The one with fewer moves, else the first."""
    if one is None or other is None:
        return one or other
    return other if _moves(other) < _moves(one) else one
