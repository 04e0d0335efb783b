"""Where deployments go that cannot stay as they are, with the fewest moves: failover, drain, what a rule refuses by now.

Each is put right by itself (`placement.repair_one`). The deployments of one call share their room. They are decided by
priority, the larger first; one that finds no place, or moves more than it would alone, since others of the call took its
room is tried again before each of them, and if some still have no place all are decided as one batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace

import msgspec
import numpy as np

from graph.kinds.policy import Term
from placement.arrays import Ints
from placement.batch import Asked, BatchLimits, decide_together
from placement.batch_drafts import Draft, chosen, draft, held
from placement.batch_room import Renewed, SharedRoom
from placement.engine import decide, feasible
from placement.modelling import objective_of
from placement.problem import Problem
from placement.repair_one import Found, Missed, lessened, moves_in, repaired
from placement.solve.model import Limits, nobody
from placement.stopping import look
from placement.verdict import Verdict

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
    found: dict[int, Found] = {}
    missed: dict[int, Missed] = {}
    steps = 0
    for at in order:
        look(limits.stop)
        one = repaired(room, at, limits)
        steps += one.steps
        if isinstance(one, Missed):
            missed[at] = one
        else:
            found[at] = one
            room.take(one.option.use)
    for at, failed in missed.items():
        steps += _before_others(room, at, _where(room, hits, at, failed.lacks, found), found, limits)
    for at in order:
        mine = found.get(at)
        if mine is not None and mine.moves > mine.least:
            steps += _before_others(room, at, _where(room, hits, at, mine.lacks, found), found, limits)
    if any(at not in found and len(one.lacks) for at, one in missed.items()):
        steps += _all_anew(room, hits, found, limits)
    nowhere: dict[int, Repair] = {}
    for at in order:
        if at not in found:
            last = _not_placed(room, hits, at, missed.get(at), limits)
            if isinstance(last, Found):
                found[at], steps = last, steps + last.steps
                room.take(last.option.use)
            else:
                nowhere[at] = last
    repairs = []
    for at in sorted(range(len(hits)), key=lambda at: hits[at].id):
        if at in nowhere:
            repairs.append(nowhere[at])
            continue
        known = found[at]
        option = known.option
        verdict = feasible(option.made, option.choice, option.layout, iterations=known.steps, cut=True)
        repairs.append(Repair(hits[at].id, verdict, known.moves, known.least))
    return Repairs(tuple(repairs), steps)


def _not_placed(
    room: SharedRoom, hits: Sequence[Hit], at: int, missed: Missed | None, limits: Limits
) -> Repair | Found:
    """Why one has no place; or its place after all, for a decision has ways of its own where units do not fit together."""
    problem, whole = room.left(at), room.problems[at]
    verdict = decide(problem, limits=limits)
    if verdict.feasible:
        option, steps = chosen(room, draft(room, at), limits=limits)
        assert option is not None, "a decision is made by this search"
        return lessened(room, at, option, steps=steps, limits=limits)
    # What lacked no room that others took has no place without them either.
    may_be = problem is not whole and (missed is None or bool(len(missed.lacks)))
    alone = may_be and decide(whole, limits=limits).feasible
    return Repair(hits[at].id, verdict, 0, 0, alone)


def _all_anew(room: SharedRoom, hits: Sequence[Hit], found: dict[int, Found], limits: Limits) -> int:
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
            found[at] = Found(option, moves_in(option), min(least, moves_in(option)), together.iterations, nobody())
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


def _where(room: SharedRoom, hits: Sequence[Hit], at: int, lacks: Ints, found: Mapping[int, Found]) -> list[int]:
    """Those of no higher priority than one that moved to some sites, where it lacks room; by id."""
    others = (
        one
        for one, known in found.items()
        if one != at
        and known.moves
        and hits[one].priority <= hits[at].priority
        and any(np.isin(room.site_of[one][rows], lacks).any() for rows in known.option.open)
    )
    return sorted(others, key=lambda one: hits[one].id)


def _before_others(room: SharedRoom, at: int, others: Sequence[int], found: dict[int, Found], limits: Limits) -> int:
    """Decides one before another that was decided earlier, if both find a place so, and where both had one with fewer moves.

    The steps that were made.
    """
    steps, mine = 0, found.get(at)
    for other in others[:MAX_SWAPS]:
        before = [one for one in (mine, found[other]) if one is not None]
        for one in before:
            room.give_back(one.option.use)
        first = repaired(room, at, limits)
        steps += first.steps
        if isinstance(first, Found):
            room.take(first.option.use)
            second = repaired(room, other, limits)
            steps += second.steps
            if isinstance(second, Found) and (
                mine is None or first.moves + second.moves < mine.moves + found[other].moves
            ):
                room.take(second.option.use)
                found[at], found[other] = first, second
                return steps
            room.give_back(first.option.use)
        for one in before:
            room.take(one.option.use)
    return steps
