"""What room is worth where it is short: a relaxation over the choices that are known, and the choice among them.

Each deployment takes one of its known choices or none; what is chosen for a site must have room there, in every way of
counting that is known (`placement.batch_kinds`), and not jam it (`placement.batch_jams`). The dual values are what a unit of
such room is worth; a choice that costs less with them than the one its deployment has is one that the batch lacks (Dantzig
and Wolfe 1960). What this lets through is found on the nodes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array, csc_array

from placement.arrays import Floats, Ints, places_of
from placement.batch_drafts import Draft, Option
from placement.batch_jams import Entry, Jams
from placement.batch_kinds import Kinds
from placement.batch_room import SharedRoom
from placement.batch_rows import telling
from placement.solve.highs_run import run
from placement.stopping import Stop

GAP = 1e-3
"""Relative: an exact choice that is this near to its bound is good enough."""
SLACK = 1e-9
"""Room that is lacked by so little is there."""
STEP = 1e6
"""The most by which a higher priority weighs more in the relaxation, which cannot tell larger figures apart."""


@dataclass(frozen=True, slots=True)
class Known:
    """A choice that is known for one problem, by what it takes."""

    at: int
    option: Option
    cost: float
    entries: tuple[Entry, ...]
    """Of what is new."""
    rows: Ints
    """What it takes of which room: way of counting x sites + site, ascending."""
    takes: Floats


@dataclass(frozen=True, slots=True)
class Priced:
    """What a relaxation says."""

    prices: Floats
    """(ways of counting, sites)."""
    jams: Floats
    """(jams,)."""
    shares: Floats
    """(choices,): how much of each known choice the relaxation takes."""
    reduced: Floats
    """(choices,): by how much more all would cost at least with it."""
    value: float
    """What all that have a known choice cost in the relaxation."""


class Prices:
    """The room of all sites by kinds of need."""

    def __init__(self, room: SharedRoom, drafts: Sequence[Draft], *, stop: Stop | None = None) -> None:
        """The drafts must be of the whole room, before anything is taken."""
        self._room, self._stop = room, stop
        self._sites = len(room.site_ids)
        self.first = np.concatenate(([0], np.cumsum([len(one.problem.components) for one in drafts]))).astype(np.int64)
        """(problems + 1,): the number of each problem's first component."""
        self._drafts = drafts
        self.kinds = Kinds(room, drafts)
        """How room is counted."""
        self.capacity = self.kinds.capacity
        """(ways of counting, sites)."""
        self.jams = Jams()
        """What does not fit together though the counting lets it through."""

    def known(self, at: int, option: Option) -> Known:
        """What a choice takes."""
        problem = self._room.problems[at]
        entries = []
        for unit, components in enumerate(self._drafts[at].components):
            for place, row in enumerate(option.layout.rows[unit].tolist()):
                for n, component in enumerate(components):
                    count = int(option.layout.replicas[unit][n, place])
                    now = problem.current.get(problem.components[component].id)
                    if count and (now is None or now[row] < count):
                        site = int(self._room.site_of[at][row])
                        entries.append((site, int(self.first[at]) + component, count))
        return self.taking(at, option, option.folded, tuple(entries))

    def taking(self, at: int, option: Option, cost: float, entries: tuple[Entry, ...]) -> Known:
        """A choice by what it brings to which sites."""
        table = np.array(entries, dtype=np.int64).reshape(len(entries), 3)
        amounts = self.kinds.takes(table[:, 1], table[:, 2])
        rows = np.arange(len(amounts))[:, None] * self._sites + table[:, 0]
        some = amounts > 0
        found, inverse = np.unique(rows[some], return_inverse=True)
        takes: Floats = np.bincount(inverse, weights=amounts[some], minlength=len(found)).astype(np.float64)
        return Known(at, option, cost, entries, found, takes)

    def surcharge(self, at: int, priced: Priced) -> list[Floats]:
        """By unit of a problem: (sites,) what the room that it would take there is worth."""
        of, problem = self._drafts[at], self._room.problems[at]
        site_of, found = self._room.site_of[at], []
        for unit in of.units:
            more = np.zeros(len(problem))
            for n, component in enumerate(unit.components):
                one = unit.problem.components[n]
                takes = self.kinds.takes(self.first[at : at + 1] + component, np.array([one.replicas]))
                worth = priced.prices.T @ takes[:, 0]
                now = problem.current.get(one.id)
                more += worth[site_of] if now is None else np.where(now >= one.replicas, 0.0, worth[site_of])
                self._jams_too(more, at, component, one.replicas, priced)
            found.append(more)
        return found

    def _jams_too(self, more: Floats, at: int, component: int, replicas: int, priced: Priced) -> None:
        """Adds what a component's part of jams is worth to (sites,) figures of a problem."""
        rows = self._room.row_of[at]
        for number in np.flatnonzero(priced.jams).tolist():
            jam = self.jams[number]
            takes = jam.takes(int(self.first[at]) + component, replicas)
            if takes and rows[jam.site] >= 0:
                more[rows[jam.site]] += takes * priced.jams[number]

    def priced(self, known: Sequence[Known], penalties: Floats, *, others: Sequence[Known] = ()) -> Priced:
        """The relaxation over the known choices, on the room that those of others leave."""
        jams, nothing = np.zeros(len(self.jams)), np.zeros(len(known))
        unknown = Priced(np.zeros(self.capacity.shape), jams, nothing, nothing, -np.inf)
        if not known:
            return unknown
        program = _Program(self, known, penalties, others)
        answer = run(
            program.cost,
            program.matrix,
            low=program.low,
            high=program.high,
            upper=np.full(len(program.cost), np.inf),
            stop=self._stop,
        )
        if answer.duals is None or answer.values is None or answer.reduced is None:
            return unknown
        rows = np.zeros(self.capacity.size + len(self.jams))
        count = len(program.rows)
        rows[program.rows] = np.maximum(0.0, -answer.duals[:count])
        return Priced(
            prices=rows[: self.capacity.size].reshape(self.capacity.shape),
            jams=rows[self.capacity.size :],
            shares=answer.values[: len(known)],
            reduced=answer.reduced[: len(known)],
            value=answer.value,
        )

    def chosen(
        self, known: Sequence[Known], penalties: Floats, *, others: Sequence[Known] = (), nodes: int
    ) -> list[Known]:
        """The choices that cost least together beside those of others, as far as `nodes` of search tell."""
        if not known:
            return []
        program = _Program(self, known, penalties, others)
        rows = program.telling(self)
        answer = run(
            program.cost,
            csc_array(program.matrix[rows]),
            low=program.low[rows],
            high=program.high[rows],
            upper=np.ones(len(program.cost)),
            integral=np.ones(len(program.cost), dtype=bool),
            nodes=nodes,
            gap=GAP,
            stop=self._stop,
        )
        if answer.values is None:
            return []
        return [one for one, value in zip(known, answer.values.tolist(), strict=False) if value > 0.5]

    def room_of(self, one: Known) -> tuple[Ints, Floats]:
        """What a choice takes of which room, ascending: the ways of counting x sites, then the jams."""
        numbers, amounts = self.jams.takes(one.entries)
        if not len(numbers):
            return one.rows, one.takes
        return np.append(one.rows, self.capacity.size + numbers), np.append(one.takes, amounts)

    def fits(self, one: Known, others: Iterable[Known]) -> bool:
        """Whether a choice has room beside those of others."""
        rows, takes = self.room_of(one)
        return bool((takes <= self.left(others)[rows] + SLACK).all())

    def left(self, chosen: Iterable[Known]) -> Floats:
        """(ways of counting x sites + jams,) the room that some choices leave."""
        found = np.append(self.capacity.ravel(), self.jams.most)
        for one in chosen:
            rows, takes = self.room_of(one)
            found[rows] -= takes
        return found


class _Program:
    """The choices as columns, then for each problem that has some one that it has none of them."""

    def __init__(self, prices: Prices, known: Sequence[Known], penalties: Floats, others: Sequence[Known]) -> None:
        asked, at = np.unique(np.array([one.at for one in known], dtype=np.int64), return_inverse=True)
        count, problems = len(known), len(asked)
        self.cost = np.concatenate(([one.cost for one in known], penalties[asked]))
        rooms = [prices.room_of(one) for one in known]
        lengths = [len(rows) for rows, _ in rooms]
        rows = np.concatenate([np.empty(0, dtype=np.int64), *(one for one, _ in rooms)])
        takes = np.concatenate([np.empty(0), *(one for _, one in rooms)])
        column = np.repeat(np.arange(count), lengths)
        capacity = prices.left(others)
        # Room that even the greediest choices together do not use up is no limit.
        greatest, owner = np.unique(rows * problems + at[column], return_inverse=True)
        most = np.zeros(len(greatest))
        np.maximum.at(most, owner, takes)
        wanted = np.bincount(greatest // problems, weights=most, minlength=len(capacity))
        self.rows: Ints = np.flatnonzero(wanted > capacity + SLACK)
        """The room that is limited: the first rows of the matrix; then one for each problem, which takes one column."""
        place = places_of(self.rows, len(capacity))
        kept = place[rows] >= 0
        each = len(self.rows) + np.concatenate((at, np.arange(problems)))
        self.matrix = csc_array(
            coo_array(
                (
                    np.concatenate((takes[kept], np.ones(count + problems))),
                    (
                        np.concatenate((place[rows[kept]], each)),
                        np.concatenate((column[kept], np.arange(count + problems))),
                    ),
                ),
                shape=(len(self.rows) + problems, count + problems),
            )
        )
        self.low: Floats = np.concatenate((np.full(len(self.rows), -np.inf), np.ones(problems)))
        # What runs on nodes fits in every way of counting but for what is rounded off.
        self.high: Floats = np.concatenate((np.maximum(capacity[self.rows], 0.0), np.ones(problems)))

    def telling(self, prices: Prices) -> Ints:
        """The rows of the matrix but those of room that other room stands in for."""
        count = len(self.rows)
        jams = np.array([prices.jams[one].site for one in range(len(prices.jams))], dtype=np.int64)
        sites = prices.capacity.shape[1]
        of_jam = self.rows - prices.capacity.size
        site = np.where(of_jam < 0, self.rows % sites, 0)
        site[of_jam >= 0] = jams[of_jam[of_jam >= 0]]
        kept = telling(self.matrix[:count].toarray(), self.high[:count], site)
        return np.concatenate((np.flatnonzero(kept), np.arange(count, len(self.high)))).astype(np.int64)
