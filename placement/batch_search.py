"""The best that is known of a batch, and the choices that it was found among.

Every step starts from the best that is known and never leaves it for something worse: what is better is told by how many of
each priority have no place, the highest first, and then by what all cost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from placement.arrays import Floats, Ints
from placement.batch_drafts import QUICK, Option, again, draft, held, searched
from placement.batch_jams import Entry
from placement.batch_prices import STEP, Known, Priced, Prices
from placement.batch_room import SharedRoom
from placement.batch_sites import Sites
from placement.problem import Problem
from placement.solve.evaluation import better
from placement.solve.model import Limits
from placement.stopping import Stop, look


class Batch:
    """Problems that share room, and what is chosen for them by now. A problem is known by its place."""

    def __init__(self, problems: Sequence[Problem], priorities: Sequence[int], *, stop: Stop | None = None) -> None:
        """Raises InvalidInput when the problems are not of one revision."""
        self.stop = stop
        """Gives the search up between two decisions when it is asked for."""
        self.room = SharedRoom(problems)
        self.all = range(len(problems))
        self.priorities = tuple(priorities)
        self.order = sorted(self.all, key=lambda at: (-priorities[at], -_size(problems[at]), at))
        """Those with a right to room first, then the large ones."""
        self.drafts = [draft(self.room, at) for at in self.all]
        self.prices = Prices(self.room, self.drafts, stop=stop)
        self.known: list[Known] = []
        """Every choice that was found, each once."""
        self.chosen: dict[int, Known] = {}
        self.alone: dict[int, Option] = {}
        """What each would have without the others, of those that would have a place."""
        self.decided = 0
        """Problems decided."""
        self._ranks = sorted(set(priorities), reverse=True)
        self.movable = self.room.shared_by_all and not any(one.current for one in problems)
        """Whether what is chosen may change nodes: nothing of it runs, and nobody has nodes to itself."""
        self.sites = Sites(self.room, self.prices)
        """What was found of the nodes of each site."""
        self._seen: dict[tuple[int, bytes], Known] = {}
        self._tiers = 1

    def each_alone(self) -> None:
        """What each would have without the others; what a quick search does not find a place for is searched further."""
        for at in self.all:
            look(self.stop)
            found, _ = searched(self.room, self.drafts[at])
            self.decided += 1
            if found is None:
                found, _ = searched(self.room, self.drafts[at], limits=Limits())
                self.decided += 1
            if found is not None:
                self.alone[at] = found
                self._tiers = max(self._tiers, len(found.cost))
                self.learn(at, found)

    def contended(self) -> bool:
        """Whether someone has something else than it would have alone."""
        return any(
            at not in self.chosen or better(one.cost, self.chosen[at].option.cost) for at, one in self.alone.items()
        )

    def levels(self) -> Floats:
        """By priority how many of those that could be placed are not, then the cost by tier: less is better."""
        found = np.zeros(len(self._ranks) + self._tiers)
        for at in self.alone:
            if at not in self.chosen:
                found[self._ranks.index(self.priorities[at])] += 1
        for one in self.chosen.values():
            cost = one.option.cost
            found[len(self._ranks) : len(self._ranks) + len(cost)] += cost
        return found

    def cost(self) -> tuple[float, ...]:
        """By tier, of all that is placed."""
        return tuple(self.levels()[len(self._ranks) :].tolist())

    def penalties(self) -> Floats:
        """(problems,): what it costs to leave one out, more than all that its place and those of lower priority can cost."""
        scale = 10.0 * max((abs(one.cost) for one in self.known), default=1.0) + 1.0
        step = min(float(len(self.priorities) + 1), STEP ** (1.0 / max(1, len(self._ranks) - 1)))
        rank = np.array([len(self._ranks) - 1 - self._ranks.index(one) for one in self.priorities])
        found: Floats = scale * np.power(step, rank.astype(np.float64))
        return found

    def regret(self, at: int) -> float:
        """How much less one would cost alone."""
        one = self.chosen.get(at)
        return float(self.penalties()[at]) if one is None else one.cost - self.alone[at].folded

    def learn(self, at: int, option: Option) -> Known:
        """The choice as one that is known; the one that was known before, if there is."""
        key = (at, b"|".join(one.tobytes() for one in option.open))
        if key not in self._seen:
            self._seen[key] = self.prices.known(at, option)
            self.known.append(self._seen[key])
        return self._seen[key]

    def entries_of(self, at: int, open: Sequence[Ints]) -> tuple[Entry, ...]:
        """What a choice for one problem brings to which sites, when nothing of it runs."""
        problem, first = self.room.problems[at], int(self.prices.first[at])
        return tuple(
            (int(self.room.site_of[at][row]), first + component, problem.components[component].replicas)
            for components, rows in zip(self.drafts[at].components, open, strict=True)
            for row in rows.tolist()
            for component in components
            if problem.components[component].replicas
        )

    def jams(self, entries: Sequence[Entry]) -> bool:
        """Whether a choice jams a site by itself, as far as that is proved, which is learnt."""
        before = len(self.prices.jams)
        for where in sorted({site for site, _, _ in entries}) if self.movable else ():
            self.sites.packed([one for one in entries if one[0] == where])
        return len(self.prices.jams) > before

    def known_of(self, at: int) -> Known | None:
        """What is chosen for a problem, as it was learnt."""
        one = self.chosen.get(at)
        return None if one is None else self.learn(at, one.option)

    def take(self, one: Known, option: Option | None = None) -> None:
        """Chooses it, as it was laid out last or as it is given."""
        if option is not None:
            one = Known(one.at, option, one.cost, one.entries, one.rows, one.takes)
        self.chosen[one.at] = one
        self.room.take(one.option.use)

    def leave(self, at: int) -> Known | None:
        """Takes out what is chosen for a problem."""
        one = self.chosen.pop(at, None)
        if one is not None:
            self.room.give_back(one.option.use)
        return one

    def clear(self) -> None:
        """Takes out everything."""
        for at in list(self.chosen):
            self.leave(at)

    def restore(self, chosen: dict[int, Known]) -> None:
        """Has what was chosen before, and nothing else."""
        for at in [one for one, known in self.chosen.items() if chosen.get(one) is not known]:
            self.leave(at)
        for at, one in chosen.items():
            if at not in self.chosen:
                self.take(one)

    def have(self, one: Known) -> bool:
        """Chooses a known choice, if it can be on the nodes: on those that are left, or when others there change nodes."""
        if self.movable and self.room.problems[one.at].policy.division is None:
            option = again(self.room, one.option, one.at)
        else:
            option = held(self.room, draft(self.room, one.at), one.option.open)
        if option is not None:
            self.take(one, option)
            return True
        return self.movable and self._have_together(one)

    def _have_together(self, one: Known) -> bool:
        """Packs all that is at the sites of a choice anew, with it."""
        anew: dict[int, dict[tuple[int, int], dict[str, int]]] = {}
        for where in sorted({site for site, _, _ in one.entries}):
            there = [
                (known.at, entry)
                for known in (*self.chosen.values(), one)
                for entry in known.entries
                if entry[0] == where
            ]
            found = self.sites.packed([entry for _, entry in there])
            if found is None:
                return False
            for at, (_, component, _) in there:
                key = (component - int(self.prices.first[at]), self.sites.row(at, where))
                anew.setdefault(at, {})[key] = found[component]
        others = {at: known for at in anew if at != one.at and (known := self.leave(at)) is not None}
        for at, assigned in anew.items():
            known = others.get(at, one)
            layout = replace(known.option.layout, assigned={**known.option.layout.assigned, **assigned})
            use = self.room.use_of(at, layout, self.drafts[at].components)
            self.take(known, replace(known.option, layout=layout, use=use))
        return True

    def place(
        self,
        at: int,
        open: Sequence[Ints] | None = None,
        *,
        priced: Priced | None = None,
        limits: Limits = QUICK,
    ) -> bool:
        """Decides one on what is left: as it was chosen, if it is given and can be, else anew, with prices where given."""
        look(self.stop)
        of = draft(self.room, at)
        option = None if open is None else held(self.room, of, open)
        if option is None:
            surcharge = None if priced is None else self.prices.surcharge(at, priced)
            option, _ = searched(self.room, of, surcharge=surcharge, limits=limits)
            self.decided += 1
        if option is None:
            return False
        self.take(self.learn(at, option), option)
        return True

    def improved(self, change: Callable[[], None]) -> bool:
        """Makes a change and keeps it when it is better."""
        before, levels = dict(self.chosen), self.levels()
        change()
        if better(self.levels(), levels):
            return True
        self.restore(before)
        return False


def _size(problem: Problem) -> float:
    return float((problem.needed / np.maximum(problem.bins.typical, 1.0)).max(initial=0.0))
