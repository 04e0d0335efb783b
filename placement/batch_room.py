"""The room that several problems share, and what of it the decisions among them have taken.

A problem has its own bins: those that its tenant may use, with what its own deployment uses left out. Here the same node has
one number in all of them, so that what is decided for one is less room for the others, and is given back when that decision
is taken out again. Problems themselves are immutable: each is looked at as a copy with less that is free.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from graph.refusal import InvalidInput
from placement.arrays import Floats, Ints, Mask, places_of
from placement.placements import Layout
from placement.problem import Problem
from placement.words import PolicyWords


@dataclass(frozen=True, slots=True)
class Use:
    """What one decision takes that was not there before."""

    holders: Ints
    """Nodes and stated capacities by their numbers in a `SharedRoom`; the same one may come again."""
    amounts: Ints
    """(resources of the shared room, holders)."""
    alone: Mask
    """(holders,): whether it is for what has its nodes to itself."""


@dataclass(frozen=True, slots=True)
class Renewed:
    """What stays at a site and is given nodes anew there: a node is drained, or lost."""

    site_ids: frozenset[str] = frozenset()
    nodes: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """By component id and node id: replicas that are there now, which the other problems see as taken."""


class SharedRoom:
    """The room that some problems share."""

    def __init__(self, problems: Sequence[Problem], *, renewed: Sequence[Renewed] | None = None) -> None:
        """renewed: by problem. Raises InvalidInput when the problems are not of one revision of one graph."""
        first = problems[0]
        self._renewed = renewed
        for at, one in enumerate(problems):
            if one.revision != first.revision or len(one.bins.node_ids) != len(first.bins.node_ids):
                raise InvalidInput(
                    f"problem {at} is of revision {one.revision}, the first of {first.revision}",
                    remedy="make all problems of a batch from the same graph",
                    path=f"asked[{at}]",
                )
        self.problems = tuple(problems)
        names = {name for one in problems for name in one.bins.resources}
        common = first.bins.resources[:3]
        self.resources = (*common, *sorted(names - set(common)))
        # Problems of one tenant mostly look at the same sites and bins, so these are numbered once for all of them.
        listed = {id(one.sites): one.sites for one in problems}
        self.site_ids = tuple(sorted({site.id for sites in listed.values() for site in sites}))
        self._nodes = len(first.bins.node_ids)
        number = {site_id: at for at, site_id in enumerate(self.site_ids)}
        numbers = {key: np.array([number[site.id] for site in sites], dtype=np.int64) for key, sites in listed.items()}
        self.site_of = [numbers[id(one.sites)] for one in problems]
        """By problem: the number here of each of its sites."""
        rows = {key: places_of(one, len(self.site_ids)) for key, one in numbers.items()}
        self.row_of = [rows[id(one.sites)] for one in problems]
        """By problem: (sites of the room,) the row that each is, -1 where it is none."""
        places: dict[tuple[int, ...], tuple[Ints, Ints]] = {}
        keys = [(id(one.sites), id(one.bins.site), id(one.bins.node)) for one in problems]
        for key, one, site_of in zip(keys, problems, self.site_of, strict=True):
            if key not in places:
                places[key] = self._places(one, site_of)
        self.holder_of = [places[key][0] for key in keys]
        """By problem: the number of the node or stated capacity that each bin is."""
        self._bin_of = [places[key][1] for key in keys]
        """By problem: (holders,) the bin that each is, -1 where it is none."""
        self._columns = [[self.resources.index(name) for name in one.bins.resources] for one in problems]
        self._taken = np.zeros((len(self.resources), self.holders), dtype=np.int64)
        self._uses = np.zeros(self.holders, dtype=np.int64)
        self._used = np.zeros(self.holders, dtype=bool)
        self._alone = np.zeros(self.holders, dtype=np.int64)

    @property
    def holders(self) -> int:
        """How many numbers there are."""
        return self._nodes + len(self.site_ids)

    @property
    def shared_by_all(self) -> bool:
        """Whether nobody has nodes to itself, keeps off those of others or goes with them: on nodes only room matters."""
        return not any(
            one.alone or one.away_from or one.beside for problem in self.problems for one in problem.components
        )

    def take(self, use: Use) -> None:
        """Less room by what a decision takes."""
        self._add(use, 1)

    def give_back(self, use: Use) -> None:
        """As much room as before the decision."""
        self._add(use, -1)

    def left(self, at: int) -> Problem:
        """A problem with what the others have left of its room; the same one as long as they took nothing of it."""
        problem, touched = self.problems[at], self._touched(at)
        if not len(touched):
            return problem
        bins, columns = problem.bins, np.array(self._columns[at])
        free = np.array(bins.free, order="F")
        taken = self._taken[columns[:, None], self.holder_of[at][touched]]
        free[touched] = np.maximum(free[touched] - taken.T, 0)
        return replace(problem, bins=replace(bins, free=free), words=self._words(problem))

    def touched(self, at: int) -> Mask:
        """(sites,): those of a problem of whose room the others took some."""
        problem = self.problems[at]
        found = np.zeros(len(problem), dtype=bool)
        found[problem.bins.site[self._touched(at)]] = True
        return found

    def use_of(self, at: int, layout: Layout, units: Sequence[Sequence[int]]) -> Use:
        """What a choice on nodes takes of a problem's room.

        units: the components of each unit. What runs at a site already with as many replicas takes nothing more there, and
        where it is given nodes anew what it has not had on them.
        """
        problem = self.problems[at]
        renewed = Renewed() if self._renewed is None else self._renewed[at]
        holders: list[int] = []
        amounts: list[Ints] = []
        alone: list[bool] = []
        for unit, components in enumerate(units):
            for place, row in enumerate(layout.rows[unit].tolist()):
                anew = problem.sites[row].id in renewed.site_ids
                for n, component in enumerate(components):
                    one, count = problem.components[component], int(layout.replicas[unit][n, place])
                    now = problem.current.get(one.id)
                    if not count or (now is not None and now[row] >= count and not anew):
                        continue
                    for holder, some in self._where(at, row, layout.assigned.get((component, row)), count):
                        if anew and holder < self._nodes:
                            some -= renewed.nodes.get((one.id, problem.bins.node_ids[holder]), 0)
                        if some > 0:
                            holders.append(holder)
                            amounts.append(one.need * some)
                            alone.append(one.alone)
        table = np.zeros((len(self.resources), len(holders)), dtype=np.int64)
        if holders:
            table[self._columns[at]] = np.array(amounts).T
        return Use(np.array(holders, dtype=np.int64), table, np.array(alone, dtype=bool))

    def spare(self) -> tuple[Ints, Ints]:
        """(holders,) the site of each, -1 where no problem looks at it; (resources, holders) what all of them see free.

        A problem leaves out what its own deployment uses, so what any of them has free at a node is an upper bound.
        """
        site = np.full(self.holders, -1, dtype=np.int64)
        free = np.zeros((len(self.resources), self.holders), dtype=np.int64)
        known = np.zeros((len(self.resources), self.holders), dtype=bool)
        seen = set()
        for at, one in enumerate(self.problems):
            holder = self.holder_of[at]
            same = id(one.bins.free), id(holder), one.bins.resources
            if same in seen:
                continue
            seen.add(same)
            site[holder] = self.site_of[at][one.bins.site]
            for place, column in enumerate(self._columns[at]):
                here = one.bins.free[:, place]
                free[column, holder] = np.where(known[column, holder], np.minimum(free[column, holder], here), here)
                known[column, holder] = True
        return site, free

    def need_of(self, at: int, component: int) -> Floats:
        """(resources,) what a replica of a problem's component needs."""
        found = np.zeros(len(self.resources))
        found[self._columns[at]] = self.problems[at].components[component].need
        return found

    def _places(self, problem: Problem, site_of: Ints) -> tuple[Ints, Ints]:
        """The holder that each of a problem's bins is, and the bin that each holder is."""
        node = problem.bins.node
        holder_of: Ints = np.where(node >= 0, node, self._nodes + site_of[problem.bins.site])
        return holder_of, places_of(holder_of, self.holders)

    def _touched(self, at: int) -> Ints:
        """The bins of a problem of whose room the others took some, ascending."""
        bins = self._bin_of[at][np.flatnonzero(self._used)]
        return np.sort(bins[bins >= 0])

    def _add(self, use: Use, sign: int) -> None:
        for resource, amounts in enumerate(use.amounts):
            np.add.at(self._taken[resource], use.holders, sign * amounts)
        np.add.at(self._uses, use.holders, sign)
        self._used[use.holders] = self._uses[use.holders] > 0
        np.add.at(self._alone, use.holders[use.alone], sign)

    def _where(self, at: int, row: int, assigned: dict[str, int] | None, count: int) -> list[tuple[int, int]]:
        """The holders of a component's replicas at a site, and how many each has."""
        bins = self.problems[at].bins
        here = bins.of_site(row)
        if not assigned:
            return [(int(self.holder_of[at][here.start]), count)] if here.stop > here.start else []
        nodes = bins.node[here].tolist()
        return [(node, some) for node in nodes if node >= 0 and (some := assigned.get(bins.node_ids[node], 0))]

    def _words(self, problem: Problem) -> PolicyWords:
        """The problem's words, with the nodes that the others now have to themselves, or run on."""
        words, nodes = problem.words, self._nodes
        if self._alone.any():
            taken = np.zeros(nodes + 1, dtype=bool) if words.taken is None else words.taken.copy()
            taken[:nodes] |= self._alone[:nodes] > 0
            words = replace(words, taken=taken)
        if words.busy is not None:
            busy = words.busy.copy()
            busy[:nodes] |= self._used[:nodes]
            words = replace(words, busy=busy)
        return words
