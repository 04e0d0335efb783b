"""What room is worth where it is short: a relaxation over the choices that are known, and the choice among them.

Each deployment takes one of its known choices or none; what is chosen for a site must have room there. Room is not pooled:
a node with 1.5 cores free has none for a replica that needs two. For needs v and nodes E that v may use, a node takes at
most fit(v) = min over resources of floor(free / v) replicas that need v or more, and a replica that needs k times v counts
k times (the superadditive rounding of Chvatal and Gomory). The sum over the nodes of a site bounds what runs there, for each
kind of need that some component has. The dual values are what a unit of such room is worth; a choice that costs less with
them than the one its deployment has is one that the batch lacks (Dantzig and Wolfe 1960). What the bounds let through is
found on the nodes, and told here as a cut.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, linprog, milp
from scipy.sparse import coo_array, csr_array

from placement.arrays import Floats, Ints, Mask
from placement.batch_drafts import Draft, Option
from placement.batch_room import SharedRoom

MAX_KINDS = 160
"""Kinds of need that are counted; those that fewest deployments have are left out."""
EACH = 8
"""Choices of each problem that the exact choice is made among."""
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
    """What it takes of which room: kind x sites + site, ascending."""
    takes: Floats


@dataclass(frozen=True, slots=True)
class Cut:
    """Choices that do not go together on the nodes of a site."""

    site: int
    uses: Mapping[int, Mapping[int, int]]
    """By problem: replicas by component. Whoever has as many of each counts."""


@dataclass(frozen=True, slots=True)
class Priced:
    """What a relaxation says."""

    prices: Floats
    """(kinds, sites)."""
    worth: Floats
    """(problems,): what the choice of each may cost at most, prices included, to be of use."""


class Prices:
    """The room of all sites by kinds of need."""

    def __init__(self, room: SharedRoom, drafts: Sequence[Draft]) -> None:
        """The drafts must be of the whole room, before anything is taken."""
        self._room = room
        self._sites = len(room.site_ids)
        self.first = np.concatenate(([0], np.cumsum([len(one.problem.components) for one in drafts]))).astype(np.int64)
        """(problems + 1,): the number of each problem's first component."""
        self._drafts = drafts
        needs = np.array([room.need_of(one.at, n) for one in drafts for n in range(len(one.problem.components))])
        masks, mask_of = self._masks()
        kinds = self._kinds(needs, mask_of)
        site, free = room.spare()
        there = np.flatnonzero(site >= 0)
        counts, capacity = [], []
        for need, mask in kinds:
            asked = need > 0
            fits = np.array([not bool((masks[one] & ~masks[mask]).any()) for one in range(len(masks))])
            times = np.floor(needs[:, asked] / need[asked]).min(axis=1)
            counts.append(np.where(fits[mask_of], times, 0.0))
            room_for = (free[asked][:, there] // need[asked, None].astype(np.int64)).min(axis=0) * masks[mask][there]
            capacity.append(np.bincount(site[there], weights=np.maximum(room_for, 0), minlength=self._sites))
        for resource in range(len(room.resources)):
            scale = float(needs[:, resource].max(initial=0.0))
            if scale:
                counts.append(needs[:, resource] / scale)
                pooled = np.maximum(free[resource, there], 0) / scale
                capacity.append(np.bincount(site[there], weights=pooled, minlength=self._sites))
        self.counts: Floats = np.array(counts)
        """(kinds, components): how often each replica counts."""
        self._capacity: Floats = np.array(capacity)

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
        amounts = self.counts[:, table[:, 1]] * table[:, 2]
        rows = np.arange(len(self.counts))[:, None] * self._sites + table[:, 0]
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
                worth = priced.prices.T @ self.counts[:, self.first[at] + component] * one.replicas
                now = problem.current.get(one.id)
                more += worth[site_of] if now is None else np.where(now >= one.replicas, 0.0, worth[site_of])
            found.append(more)
        return found

    def priced(self, known: Sequence[Known], penalties: Floats, cuts: Sequence[Cut]) -> Priced:
        """The relaxation over the known choices."""
        program = _Program(self, known, penalties, cuts)
        answer = linprog(  # type: ignore[call-overload]  # SciPy's stubs leave sparse matrices out.
            program.cost,
            A_ub=program.matrix,
            b_ub=program.most,
            A_eq=program.each,
            b_eq=np.ones(len(penalties)),
            bounds=(0.0, None),
            method="highs",
        )
        prices = np.zeros(self._capacity.size)
        if answer.status != 0:
            return Priced(prices.reshape(self._capacity.shape), penalties)
        prices[program.rows] = np.maximum(0.0, -answer.ineqlin.marginals[: len(program.rows)])
        return Priced(prices.reshape(self._capacity.shape), np.asarray(answer.eqlin.marginals))

    def chosen(self, known: Sequence[Known], penalties: Floats, cuts: Sequence[Cut], *, nodes: int) -> list[Known]:
        """The choices that cost least together, as far as `nodes` of search tell."""
        known = self._promising(known, penalties, cuts)
        program = _Program(self, known, penalties, cuts)
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

    def _promising(self, known: Sequence[Known], penalties: Floats, cuts: Sequence[Cut]) -> list[Known]:
        """Of each problem's choices those that cost least with the prices of their relaxation."""
        priced = self.priced(known, penalties, cuts)
        prices = priced.prices.ravel()
        reduced = np.array([one.cost + float(prices[one.rows] @ one.takes) for one in known])
        at = np.array([one.at for one in known], dtype=np.int64)
        order = np.lexsort((np.arange(len(known)), reduced, at))
        first = np.searchsorted(at[order], at[order])
        kept = np.sort(order[np.arange(len(order)) - first < EACH])
        return [known[one] for one in kept.tolist()]

    def _masks(self) -> tuple[list[Mask], Ints]:
        """Which holders components may use, each set once; and by component the number of its set."""
        masks: list[Mask] = []
        number_of: dict[bytes, int] = {}
        found: list[int] = []
        for of in self._drafts:
            holder = self._room.holder_of[of.at]
            by_component = {}
            for unit, screening in zip(of.units, of.screenings, strict=True):
                for n, component in enumerate(unit.components):
                    mask = np.zeros(self._room.holders, dtype=bool)
                    mask[holder[screening.packing.eligible[n]]] = True
                    by_component[component] = mask
            for component in range(len(of.problem.components)):
                key = np.packbits(by_component[component]).tobytes()
                if key not in number_of:
                    number_of[key] = len(masks)
                    masks.append(by_component[component])
                found.append(number_of[key])
        return masks, np.array(found, dtype=np.int64)

    def _kinds(self, needs: Floats, mask_of: Ints) -> list[tuple[Floats, int]]:
        """What is counted: each need of a component, and each amount of one resource, with the holders they may use."""
        often: dict[tuple[bytes, int], int] = {}
        kinds: dict[tuple[bytes, int], tuple[Floats, int]] = {}
        for need, mask in zip(needs, mask_of.tolist(), strict=True):
            parts = [need]
            for resource in np.flatnonzero(need).tolist():
                part = np.zeros(len(need))
                part[resource] = need[resource]
                parts.append(part)
            for part in parts:
                key = (part.tobytes(), mask)
                kinds[key] = (part, mask)
                often[key] = often.get(key, 0) + 1
        most = sorted(kinds, key=lambda one: (-often[one], one))[:MAX_KINDS]
        return [kinds[one] for one in most]


class _Program:
    """The choices as columns, then one for each problem that has none."""

    def __init__(self, prices: Prices, known: Sequence[Known], penalties: Floats, cuts: Sequence[Cut]) -> None:
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
        capacity = prices._capacity.ravel()
        # Room that even the greediest choices together do not use up is no limit.
        greatest, owner = np.unique(rows * problems + at[column], return_inverse=True)
        most = np.zeros(len(greatest))
        np.maximum.at(most, owner, takes)
        asked = np.bincount(greatest // problems, weights=most, minlength=len(capacity))
        self.rows: Ints = np.flatnonzero(asked > capacity + 1e-9)
        place = np.full(len(capacity), -1, dtype=np.int64)
        place[self.rows] = np.arange(len(self.rows))
        kept = place[rows] >= 0
        more = [(len(self.rows) + n, one) for n, cut in enumerate(cuts) for one in _in(cut, known)]
        self.matrix = csr_array(
            coo_array(
                (
                    np.concatenate((takes[kept], np.ones(len(more)))),
                    (
                        np.concatenate((place[rows[kept]], np.array([row for row, _ in more], dtype=np.int64))),
                        np.concatenate((column[kept], np.array([one for _, one in more], dtype=np.int64))),
                    ),
                ),
                shape=(len(self.rows) + len(cuts), count + problems),
            )
        )
        self.most = np.concatenate((capacity[self.rows], [len(one.uses) - 1.0 for one in cuts]))


def _in(cut: Cut, known: Sequence[Known]) -> list[int]:
    """The choices that count in a cut."""
    found = []
    for number, one in enumerate(known):
        uses = cut.uses.get(one.at)
        if uses is None:
            continue
        here = {component: count for site, component, count in one.entries if site == cut.site}
        if all(here.get(component, 0) >= count for component, count in uses.items()):
            found.append(number)
    return found
