"""What room is worth where it is short: a relaxation over the choices that are known, and the choice among them.

Each deployment takes one of its known choices or none; what is chosen for a site must have room there, in every way of
counting that is known (`placement.batch_kinds`). The dual values are what a unit of such room is worth; a choice that costs
less with them than the one its deployment has is one that the batch lacks (Dantzig and Wolfe 1960). What the counting lets
through is found on the nodes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, linprog, milp
from scipy.sparse import coo_array, csr_array

from placement.arrays import Floats, Ints
from placement.batch_drafts import Draft, Option
from placement.batch_kinds import Kinds
from placement.batch_room import SharedRoom

GAP = 1e-3
"""Relative: an exact choice that is this near to its bound is good enough."""
STEP = 1e6
"""The most by which a higher priority weighs more in the relaxation, which cannot tell larger figures apart."""


@dataclass(frozen=True, slots=True)
class Known:
    """A choice that is known for one problem, by what it takes."""

    at: int
    option: Option
    cost: float
    entries: tuple[tuple[int, int, int], ...]
    """(site, component, replicas), numbered as in the shared room and here, of what is new."""
    rows: Ints
    """What it takes of which room: way of counting x sites + site, ascending."""
    takes: Floats


@dataclass(frozen=True, slots=True)
class Priced:
    """What a relaxation says."""

    prices: Floats
    """(ways of counting, sites)."""
    worth: Floats
    """(problems,): what the choice of each may cost at most, prices included, to be of use."""
    shares: Floats
    """(choices,): how much of each known choice the relaxation takes."""


class Prices:
    """The room of all sites by kinds of need."""

    def __init__(self, room: SharedRoom, drafts: Sequence[Draft]) -> None:
        """The drafts must be of the whole room, before anything is taken."""
        self._room = room
        self._sites = len(room.site_ids)
        self.first = np.concatenate(([0], np.cumsum([len(one.problem.components) for one in drafts]))).astype(np.int64)
        """(problems + 1,): the number of each problem's first component."""
        self._drafts = drafts
        self.kinds = Kinds(room, drafts)
        """How room is counted."""
        self.capacity = self.kinds.capacity
        """(ways of counting, sites)."""

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
        table = np.array(entries, dtype=np.int64).reshape(len(entries), 3)
        amounts = self.kinds.takes(table[:, 1], table[:, 2])
        rows = np.arange(len(amounts))[:, None] * self._sites + table[:, 0]
        some = amounts > 0
        found, inverse = np.unique(rows[some], return_inverse=True)
        takes: Floats = np.bincount(inverse, weights=amounts[some], minlength=len(found)).astype(np.float64)
        return Known(at, option, option.folded, tuple(entries), found, takes)

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
            found.append(more)
        return found

    def priced(self, known: Sequence[Known], penalties: Floats, *, others: Sequence[Known] = ()) -> Priced:
        """The relaxation over the known choices, on the room that those of others leave."""
        program = _Program(self, known, penalties, others)
        answer = linprog(  # type: ignore[call-overload]  # SciPy's stubs leave sparse matrices out.
            program.cost,
            A_ub=program.matrix,
            b_ub=program.most,
            A_eq=program.each,
            b_eq=np.ones(len(penalties)),
            bounds=(0.0, None),
            method="highs",
        )
        prices = np.zeros(self.capacity.size)
        if answer.status != 0:
            return Priced(prices.reshape(self.capacity.shape), penalties, np.zeros(len(known)))
        prices[program.rows] = np.maximum(0.0, -answer.ineqlin.marginals)
        worth = np.asarray(answer.eqlin.marginals)
        return Priced(prices.reshape(self.capacity.shape), worth, np.asarray(answer.x[: len(known)]))

    def chosen(
        self, known: Sequence[Known], penalties: Floats, *, others: Sequence[Known] = (), nodes: int
    ) -> list[Known]:
        """The choices that cost least together beside those of others, as far as `nodes` of search tell."""
        program = _Program(self, known, penalties, others)
        answer = milp(
            program.cost,
            integrality=np.ones(len(program.cost), dtype=np.int64),
            bounds=Bounds(0.0, 1.0),
            constraints=[
                LinearConstraint(program.matrix, -np.inf, program.most),
                LinearConstraint(program.each, 1.0, 1.0),
            ],
            options={"node_limit": nodes, "mip_rel_gap": GAP},
        )
        if answer.x is None:
            return []
        return [one for one, value in zip(known, answer.x.tolist(), strict=False) if value > 0.5]

    def left(self, chosen: Sequence[Known]) -> Floats:
        """(ways of counting x sites,) the room that some choices leave."""
        found = self.capacity.ravel().copy()
        for one in chosen:
            found[one.rows] -= one.takes
        return found


class _Program:
    """The choices as columns, then one for each problem that has none."""

    def __init__(self, prices: Prices, known: Sequence[Known], penalties: Floats, others: Sequence[Known]) -> None:
        count, problems = len(known), len(penalties)
        at = np.array([one.at for one in known], dtype=np.int64)
        self.cost = np.concatenate(([one.cost for one in known], penalties))
        columns = np.concatenate((np.arange(count), count + np.arange(problems)))
        self.each = csr_array(
            (np.ones(count + problems), (np.concatenate((at, np.arange(problems))), columns)),
            shape=(problems, count + problems),
        )
        lengths = [len(one.rows) for one in known]
        rows = np.concatenate([np.empty(0, dtype=np.int64), *(one.rows for one in known)])
        takes = np.concatenate([np.empty(0), *(one.takes for one in known)])
        column = np.repeat(np.arange(count), lengths)
        capacity = prices.left(others)
        # Room that even the greediest choices together do not use up is no limit.
        greatest, owner = np.unique(rows * problems + at[column], return_inverse=True)
        most = np.zeros(len(greatest))
        np.maximum.at(most, owner, takes)
        asked = np.bincount(greatest // problems, weights=most, minlength=len(capacity))
        self.rows: Ints = np.flatnonzero(asked > capacity + 1e-9)
        place = np.full(len(capacity), -1, dtype=np.int64)
        place[self.rows] = np.arange(len(self.rows))
        kept = place[rows] >= 0
        self.matrix = csr_array(
            coo_array((takes[kept], (place[rows[kept]], column[kept])), shape=(len(self.rows), count + problems))
        )
        # What runs on nodes fits in every way of counting but for what is rounded off.
        self.most = np.maximum(capacity[self.rows], 0.0)
