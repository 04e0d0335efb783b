"""Several deployments decided together, on room that does not suffice for what each would have alone.

Decided one after the other, the first take what the last cannot do without. So choices are collected: what each would have
alone, what it has when room has a price, what it has beside the others. A relaxation over all that are known says what room
is worth, which finds further choices; an exact choice among them is laid out on nodes, and what does not fit there is told
to the next. In between and at the end, some are taken out and decided again in another order, and what is better is kept.

Of two results the one is better that places more of the highest priority, then of the next; then the one that costs less in
all. Every step starts from the best that is known and never leaves it for something worse. All limits are counts.

What is decided is held against the nodes, and against which of them others have to themselves; that two policies of one
batch keep their apps together or apart is seen when the decisions are committed one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from placement.batch_drafts import draft, held
from placement.batch_moves import dive, in_the_way, priced_out, renewed, reselect
from placement.batch_prices import Priced
from placement.batch_search import Batch
from placement.batch_settling import settle
from placement.engine import decide, feasible
from placement.problem import Problem
from placement.solve.model import Limits
from placement.stopping import Stop, look
from placement.verdict import Verdict

FINE = Limits(exact_candidates=0, core_candidates=20, core_joint_moves=4, mip_nodes=50)
"""A search that ends with an exact choice among few candidates: for what is nearly decided."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One deployment to be placed."""

    id: str
    problem: Problem
    priority: int = 0
    """The higher come first."""


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """Where the search for a batch ends: counts, never seconds."""

    decisions: int = 1_000
    """Problems decided, all together, before the last look at each."""
    rounds: int = 10
    """Of prices."""
    exchanges: int = 24
    """Times that some are taken out and decided again."""
    together: int = 10
    """How many are taken out at once, for choices that are known."""
    anew: int = 2
    """How many make way for one that is searched anew."""
    fine_rounds: int = 3
    """Of prices for what has a place by then, with choices that are searched further."""
    turns: int = 3
    """Times that all that follows is gone through, others first each time."""
    settlings: int = 4
    """Times in a turn that those are decided again whose choices the relaxation would not make."""
    nodes: int = 20
    """Of an exact choice among what is known."""
    stop: Stop | None = None
    """Gives the search up between two decisions when it is asked for."""


@dataclass(frozen=True, slots=True)
class NotPlaced:
    """One that has no place."""

    id: str
    verdict: Verdict
    """Why, on what the others have left."""
    alone: bool
    """Whether it would have one without the others."""


@dataclass(frozen=True, slots=True)
class Together:
    """What was decided."""

    placed: dict[str, Verdict]
    """By id, ascending."""
    not_placed: tuple[NotPlaced, ...]
    """By ascending id."""
    cost: tuple[float, ...]
    """By tier of the policies' objectives: the sum over what is placed."""
    iterations: int
    """Problems that were decided, exchanges and rounds."""


def decide_together(asked: Sequence[Asked], *, limits: BatchLimits | None = None) -> Together:
    """Where all of some deployments run, on room that they share.

    Raises InvalidInput when the problems are not of one revision of one graph.
    """
    if not asked:
        return Together({}, (), (), 0)
    ordered = sorted(asked, key=lambda one: one.id)
    limits = limits or BatchLimits()
    batch = Batch([one.problem for one in ordered], [one.priority for one in ordered], stop=limits.stop)
    steps = _searched(batch, limits)
    return _told(batch, ordered, steps)


def _searched(batch: Batch, limits: BatchLimits) -> int:
    """Finds the best within the limits; the steps that were made."""
    batch.each_alone()
    for at in batch.order:
        if at in batch.alone:
            batch.place(at, batch.alone[at].open)
    if not batch.contended():
        _polish(batch, Limits())
        return 0
    steps, priced = 0, None
    for _ in range(limits.rounds):
        if batch.decided >= limits.decisions:
            break
        steps += 1
        priced = batch.prices.priced(batch.known, batch.penalties())
        if not priced_out(batch, priced):
            break
    batch.improved(partial(dive, batch))
    steps += _exchanged(batch, limits, priced)
    return steps + _settled(batch, limits)


def _settled(batch: Batch, limits: BatchLimits) -> int:
    """Makes what those that have a place cost less, by choices that are searched further; the steps that were made.

    What is found for one beside all the others is one more choice that a relaxation knows, and what that leads to leaves
    other room: so they take turns.
    """
    steps = later = 0
    for turn in range(limits.turns):
        wanted = frozenset(batch.chosen)
        for _ in range(1 if turn else limits.fine_rounds):
            if batch.decided >= limits.decisions:
                break
            steps += 1
            priced = batch.prices.priced([one for one in batch.known if one.at in wanted], batch.penalties())
            if not priced_out(batch, priced, wanted=wanted, limits=Limits()):
                break
        for _ in range(limits.settlings):
            steps += 1
            known = [one for one in batch.known if one.at in wanted]
            priced = batch.prices.priced(known, batch.penalties())
            again = partial(settle, batch, priced, known, later=later, nodes=limits.nodes)
            later = 0 if batch.improved(again) else later + 1
        steps += 1
        _polish(batch, FINE)
        if batch.decided >= limits.decisions:
            break
    return steps


def _exchanged(batch: Batch, limits: BatchLimits, priced: Priced | None) -> int:
    """Gives those that are worst off their turn, again and again; the steps that were made."""
    tried: set[tuple[tuple[int, int], ...]] = set()
    steps, moved = 0, True
    while moved:
        moved = False
        for at in sorted(batch.alone, key=lambda one: (-batch.regret(one), one)):
            if steps >= limits.exchanges or batch.regret(at) <= 0.0:
                break
            group = in_the_way(batch, at, most=limits.together - 1)
            state = tuple((one, id(batch.known_of(one))) for one in (at, *group))
            if state in tried:
                continue
            tried.add(state)
            steps += 1
            moved |= batch.improved(partial(reselect, batch, (at, *group), nodes=limits.nodes))
            if batch.decided < limits.decisions:
                few = group[: limits.anew]
                moved |= batch.improved(partial(renewed, batch, at, few, None))
                moved |= batch.improved(partial(renewed, batch, at, few, priced))
    return steps


def _polish(batch: Batch, limits: Limits) -> None:
    """Each once more on what all the others leave, searched further."""
    for at in batch.order:
        if at in batch.alone:
            batch.improved(partial(_again, batch, at, limits))


def _again(batch: Batch, at: int, limits: Limits) -> None:
    batch.leave(at)
    batch.place(at, limits=limits)


def _told(batch: Batch, asked: Sequence[Asked], steps: int) -> Together:
    """What was found. Each choice is one on what all the others leave, so that its words are about the batch in the end."""
    placed, missing = {}, []
    steps += batch.decided
    for at in batch.order:
        one = batch.leave(at)
        if one is not None:
            option = held(batch.room, draft(batch.room, at), one.option.open)
            batch.take(one, option)
    for at in batch.all:
        look(batch.stop)
        known = batch.chosen.get(at)
        if known is not None:
            option = known.option
            placed[asked[at].id] = feasible(option.made, option.choice, option.layout, iterations=steps, cut=True)
        else:
            limits = FINE if at in batch.alone else None
            missing.append(NotPlaced(asked[at].id, decide(batch.room.left(at), limits=limits), at in batch.alone))
    return Together(placed, tuple(missing), batch.cost(), steps)
