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

import numpy as np

from placement.arrays import Floats, Ints
from placement.batch_drafts import Option, again, draft, held, searched
from placement.batch_prices import STEP, Cut, Known, Priced, Prices
from placement.batch_room import SharedRoom
from placement.engine import decide, feasible
from placement.problem import Problem
from placement.solve.evaluation import better
from placement.solve.model import Limits
from placement.stopping import Stop, look
from placement.verdict import Verdict

FINE = Limits(exact_candidates=0, core_candidates=20, joint_moves=4, mip_nodes=50)
"""A search that ends with an exact choice among few candidates: for what is nearly decided."""
MAX_TOLD = 2
"""How often in a row what does not fit on nodes is told to the exact choice."""


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

    decisions: int = 700
    """Problems decided, all together."""
    rounds: int = 5
    """Of prices."""
    exchanges: int = 120
    """Times that some are taken out and decided again."""
    together: int = 4
    """How many are taken out at once."""
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
    search = _Search(asked, limits or BatchLimits())
    search.run()
    return search.result()


class _Search:
    """The best that is known, and the choices that it was found among."""

    def __init__(self, asked: Sequence[Asked], limits: BatchLimits) -> None:
        self._asked = sorted(asked, key=lambda one: one.id)
        self._limits = limits
        self._room = SharedRoom([one.problem for one in self._asked])
        self._all = range(len(self._asked))
        self._order = sorted(self._all, key=lambda at: (-self._asked[at].priority, -self._size(at), at))
        self._ranks = sorted({one.priority for one in self._asked}, reverse=True)
        self._drafts = [draft(self._room, at) for at in self._all]
        self._prices = Prices(self._room, self._drafts)
        self._known: list[Known] = []
        self._seen: set[tuple[int, bytes]] = set()
        self._cuts: list[Cut] = []
        self._chosen: dict[int, Option] = {}
        self._alone: dict[int, Option] = {}
        self._tiers = 1
        self._decided = 0
        self._steps = 0
        self._priced: Priced | None = None

    def run(self) -> None:
        """Searches within the limits."""
        for at in self._all:
            look(self._limits.stop)
            found, _ = searched(self._room, self._drafts[at])
            self._decided += 1
            if found is None:
                found, _ = searched(self._room, self._drafts[at], limits=Limits())
                self._decided += 1
            if found is not None:
                self._alone[at] = found
                self._tiers = max(self._tiers, len(found.cost))
                self._learn(at, found)
        self._one_by_one()
        if not self._contended():
            self._polish(Limits())
            return
        for _ in range(self._limits.rounds):
            if self._decided >= self._limits.decisions:
                break
            self._steps += 1
            if not self._round():
                break
        self._choose()
        self._exchange()
        self._polish(FINE)
        self._choose()

    def result(self) -> Together:
        """What was found."""
        placed, missing = {}, []
        self._renew()
        steps = self._decided + self._steps
        for at in self._all:
            look(self._limits.stop)
            one = self._asked[at]
            option = self._chosen.get(at)
            if option is not None:
                verdict = feasible(option.made, option.choice, option.layout, iterations=steps, cut=True)
                placed[one.id] = verdict
            else:
                limits = FINE if at in self._alone else None
                missing.append(NotPlaced(one.id, decide(self._room.left(at), limits=limits), at in self._alone))
        cost = self._levels(self._chosen)[len(self._ranks) :]
        return Together(placed, tuple(missing), tuple(cost.tolist()), steps)

    def _renew(self) -> None:
        """Each choice as one on what all the others leave, so that its words are about the batch as it is in the end."""
        for at in self._order:
            option = self._leave(at)
            if option is not None:
                renewed = held(self._room, draft(self._room, at), option.open)
                self._take(at, option if renewed is None else renewed)

    def _size(self, at: int) -> float:
        problem = self._asked[at].problem
        return float((problem.needed / np.maximum(problem.bins.typical, 1.0)).max(initial=0.0))

    def _contended(self) -> bool:
        """Whether someone has something else than it would have alone."""
        return any(at not in self._chosen or better(one.cost, self._chosen[at].cost) for at, one in self._alone.items())

    def _levels(self, chosen: dict[int, Option]) -> Floats:
        """By priority how many of those that could be placed are not, then the cost by tier."""
        found = np.zeros(len(self._ranks) + self._tiers)
        for at in self._alone:
            if at not in chosen:
                found[self._ranks.index(self._asked[at].priority)] += 1
        for option in chosen.values():
            found[len(self._ranks) : len(self._ranks) + len(option.cost)] += option.cost
        return found

    def _penalties(self) -> Floats:
        """(problems,): what it costs to leave one out, more than all that its place and those of lower priority can cost."""
        scale = 10.0 * max((abs(one.cost) for one in self._known), default=1.0) + 1.0
        step = min(float(len(self._asked) + 1), STEP ** (1.0 / max(1, len(self._ranks) - 1)))
        rank = np.array([len(self._ranks) - 1 - self._ranks.index(one.priority) for one in self._asked])
        found: Floats = scale * np.power(step, rank.astype(np.float64))
        return found

    def _learn(self, at: int, option: Option) -> bool:
        """Notes a choice; whether it is new."""
        key = (at, b"|".join(one.tobytes() for one in option.open))
        if key in self._seen:
            return False
        self._seen.add(key)
        self._known.append(self._prices.known(at, option))
        return True

    def _take(self, at: int, option: Option) -> None:
        self._chosen[at] = option
        self._room.take(option.use)

    def _leave(self, at: int) -> Option | None:
        option = self._chosen.pop(at, None)
        if option is not None:
            self._room.give_back(option.use)
        return option

    def _place(self, at: int, open: Sequence[Ints] | None = None, *, priced: bool = False) -> bool:
        """Decides one on what is left: as it was chosen, if it is given and can be, else anew."""
        of = draft(self._room, at)
        option = None if open is None else held(self._room, of, open)
        if option is None:
            surcharge = self._prices.surcharge(at, self._priced) if priced and self._priced is not None else None
            option, _ = searched(self._room, of, surcharge=surcharge)
            self._decided += 1
        if option is None:
            return False
        self._learn(at, option)
        self._take(at, option)
        return True

    def _one_by_one(self) -> None:
        for at in self._order:
            if at in self._alone:
                self._place(at, self._alone[at].open)

    def _round(self) -> bool:
        """Prices, and what each would have with them; whether something new is known."""
        self._priced = self._prices.priced(self._known, self._penalties(), self._cuts)
        learnt = False
        for at, alone in self._alone.items():
            look(self._limits.stop)
            surcharge = self._prices.surcharge(at, self._priced)
            if not any(more[rows].any() for more, rows in zip(surcharge, alone.open, strict=True)):
                continue  # what it would have without prices costs nothing more with them
            found, _ = searched(self._room, self._drafts[at], surcharge=surcharge)
            self._decided += 1
            learnt |= found is not None and self._learn(at, found)
        return learnt

    def _polish(self, limits: Limits) -> None:
        """Each once more on what all the others leave, searched further."""
        for at in self._order:
            if at not in self._alone:
                continue
            look(self._limits.stop)
            before = self._leave(at)
            found, _ = searched(self._room, draft(self._room, at), limits=limits)
            self._decided += 1
            if found is not None and (before is None or better(found.cost, before.cost)):
                self._learn(at, found)
                self._take(at, found)
            elif before is not None:
                self._take(at, before)

    def _choose(self) -> None:
        """The best choice among all that are known, if it is better on nodes than what is chosen now."""
        for _ in range(MAX_TOLD):
            look(self._limits.stop)
            picked = self._prices.chosen(self._known, self._penalties(), self._cuts, nodes=self._limits.nodes)
            self._steps += 1
            if not picked:
                return
            before = dict(self._chosen)
            levels = self._levels(before)
            self._clear()
            open = {one.at: one for one in picked}
            crowded = []
            for at in self._order:
                if at in open and not self._again(open[at]):
                    crowded.append(at)
            cuts = [cut for at in crowded for cut in self._told(open, at)]
            for at in self._order:
                if at in self._alone and at not in self._chosen:
                    self._place(at)
            if not better(self._levels(self._chosen), levels):
                self._restore(before)
            self._cuts += cuts
            if not cuts:
                return

    def _again(self, one: Known) -> bool:
        """Has a known choice again, if it can be on what is left."""
        if self._room.shared_by_all and one.option.made.problem.policy.division is None:
            option = again(self._room, one.option, one.at)
        else:
            option = held(self._room, draft(self._room, one.at), one.option.open)
        if option is not None:
            self._take(one.at, option)
        return option is not None

    def _told(self, open: dict[int, Known], at: int) -> list[Cut]:
        """Why a choice does not fit beside those that are chosen by now: at each site where it is crowded."""
        of, mine = draft(self._room, at), open[at]
        rows = {
            row
            for unit, chosen in enumerate(mine.option.open)
            for row in chosen[~of.screenings[unit].passed[chosen]].tolist()
        }
        if not rows:
            rows = {row for chosen in mine.option.open for row in chosen.tolist()}
        cuts = []
        for site in sorted(int(self._room.site_of[at][row]) for row in rows):
            uses = {}
            for other in (*self._chosen, at):
                one = open.get(other)
                here = {} if one is None else {n: count for where, n, count in one.entries if where == site}
                if here:
                    uses[other] = here
            if len(uses) > 1 and at in uses:
                cuts.append(Cut(site, uses))
        return cuts

    def _exchange(self) -> None:
        """Takes some out and decides them again in other orders, those first that are worst off."""
        tried: set[tuple[bytes, ...]] = set()
        left = self._limits.exchanges
        moved = True
        while moved and left > 0:
            moved = False
            for at in sorted(self._alone, key=lambda one: (-self._regret(one), one)):
                if left <= 0 or self._decided >= self._limits.decisions or self._regret(at) <= 0.0:
                    break
                out = self._in_the_way(at)
                state = tuple(self._state(one) for one in (at, *out))
                if state in tried:
                    continue
                look(self._limits.stop)
                tried.add(state)
                left -= 1
                self._steps += 1
                moved |= self._exchanged(at, out)

    def _exchanged(self, at: int, out: list[int]) -> bool:
        """Decides one before those that are in its way; whether that is better."""
        before = dict(self._chosen)
        levels = self._levels(before)
        for priced in (False, True):
            for one in (at, *out):
                self._leave(one)
            for one in (at, *out):
                was = before.get(one)
                # Those in its way stay where they are, if they still can.
                self._place(one, None if one == at or was is None else was.open, priced=priced and one != at)
            if better(self._levels(self._chosen), levels):
                return True
            self._restore(before)
        return False

    def _regret(self, at: int) -> float:
        """How much less one would cost alone."""
        chosen = self._chosen.get(at)
        if chosen is None:
            return float(self._penalties()[at])
        return chosen.folded - self._alone[at].folded

    def _in_the_way(self, at: int) -> list[int]:
        """Those that run where one would run alone, of no higher priority: the nearest in size first."""
        sites = self._sites_of(at, self._alone[at])
        mine = self._asked[at].priority
        others = [
            one
            for one, option in self._chosen.items()
            if one != at and self._asked[one].priority <= mine and sites & self._sites_of(one, option)
        ]
        most = {one: len(sites & self._sites_of(one, self._chosen[one])) for one in others}
        return sorted(others, key=lambda one: (-most[one], one))[: self._limits.together - 1]

    def _sites_of(self, at: int, option: Option) -> frozenset[int]:
        return frozenset(self._room.site_of[at][np.concatenate(option.layout.rows)].tolist())

    def _state(self, at: int) -> bytes:
        option = self._chosen.get(at)
        return at.to_bytes(4) + (b"" if option is None else b"|".join(one.tobytes() for one in option.open))

    def _clear(self) -> None:
        for at in list(self._chosen):
            self._leave(at)

    def _restore(self, chosen: dict[int, Option]) -> None:
        self._clear()
        for at, option in chosen.items():
            self._take(at, option)
