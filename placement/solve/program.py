"""A model as rows and columns for HiGHS: what may be open, and what must hold between that.

The columns are the candidates (open or not), the alternatives (kept or not), the domains, and what serving each client costs
beyond the cheapest in reach. A client's row says that one in reach is open; the rows that say what that costs are many, and
told by `ladders` as they are needed. `covers` says what follows from several rows of serving together. With open columns
at 0 or 1 all others but the alternatives are whole by themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from scipy.sparse import csr_array

from placement.arrays import Floats, Ints, Mask, places_of
from placement.solve.covers import covers
from placement.solve.ladders import Ladders, joined
from placement.solve.model import Domains, Group, Model, Unit

SAME_COST = 1e-12
"""Costs of serving a client that are no further apart, by their size, do not differ."""

MEANING, COMPOSED = -1, -2
"""In `Program.elements`: a row that only says what columns mean; one that follows from clients and serving together."""


@dataclass(frozen=True, slots=True)
class Program:
    """Minimise `costs[tier] @ x + constants[tier]` with `low <= matrix @ x <= high` and `0 <= x <= upper`."""

    costs: Floats
    """(tiers, columns). Costs of serving are in the first `served` tiers only."""
    constants: Floats
    """(tiers,)"""
    served: int
    """Of how many tiers the costs of serving are told."""
    matrix: csr_array
    """(rows, columns)"""
    low: Floats
    high: Floats
    """(rows,)"""
    upper: Floats
    """(columns,)"""
    integral: Mask
    """(columns,): which must be whole."""
    among: tuple[Ints, ...]
    """By unit: the candidates that have columns, ascending."""
    elements: Ints
    """(rows,): the place in `names` of what a row is for; or `MEANING` or `COMPOSED`."""
    late: Mask
    """(rows,): those that need not be told before an answer breaks them: of each candidate that it is served."""
    clients: Ints
    """(rows,): the client of the first unit without which the row would not be; -1: it is nobody's."""
    names: tuple[str, ...]
    """Labels, or else rules as in `Broken.rule`."""
    ladders: Ladders
    """What serving costs: rows to be told."""
    extras: tuple[Ints, ...]
    """By unit: (clients,) the column of what serving costs beyond the cheapest in reach; -1: none."""

    @property
    def opens(self) -> int:
        """How many columns are candidates; they are the first, by unit."""
        return sum(len(one) for one in self.among)

    @property
    def columns(self) -> int:
        """How many columns there are."""
        return len(self.upper)

    def only(self, which: Ints) -> Program:
        """The same of these rows alone."""
        return replace(
            self,
            matrix=csr_array(self.matrix[which]),
            low=self.low[which],
            high=self.high[which],
            elements=self.elements[which],
            late=self.late[which],
            clients=self.clients[which],
        )

    def opened(self, values: Floats) -> tuple[Ints, ...]:
        """By unit: the candidates whose column is nearer to 1 than to 0."""
        found, start = [], 0
        for kept in self.among:
            found.append(kept[values[start : start + len(kept)] > 0.5])
            start += len(kept)
        return tuple(found)

    def column_values(self, opened: tuple[Ints, ...]) -> Mask:
        """(opens,): which candidate columns are of the given candidates."""
        return np.concatenate([np.isin(kept, one) for kept, one in zip(self.among, opened, strict=True)])

    def step(self, tier: int) -> float:
        """The tier's costs are whole multiples of this; 0 when there is none such, or serving costs something in it."""
        if self.costs[tier, self.ladders.extra].any():
            return 0.0
        costs = np.append(self.costs[tier], self.constants[tier])
        costs = np.abs(costs[costs != 0.0])
        if not len(costs):
            return 0.0
        least = float(costs.min())
        times = costs / least
        return least if times.max() < 1e6 and np.all(np.abs(times - np.rint(times)) < 1e-9) else 0.0


def program(model: Model, *, among: tuple[Ints, ...] | None = None, served: int | None = None) -> Program:
    """The model over the given candidates of each unit (all), with costs of serving in the first `served` tiers (all)."""
    among = tuple(np.arange(unit.count) for unit in model.units) if among is None else among
    return _Assembly(model, among, model.tiers if served is None else served).finished()


def pairs(model: Model) -> int:
    """Of clients and candidates in reach, of all units."""
    own = sum(int(unit.clients.cost.nnz) for unit in model.units if unit.clients is not None)
    return own + sum(int(one.reach.nnz) for one in model.serving)


@dataclass(slots=True)
class _Assembly:
    """Gathers rows and columns."""

    model: Model
    among: tuple[Ints, ...]
    served: int
    starts: list[int] = field(default_factory=list)
    """By unit: its first column."""
    places: list[Ints] = field(default_factory=list)
    """By unit: (candidates,) the column; -1: it has none."""
    columns: int = 0
    rows: int = 0
    uppers: list[Floats] = field(default_factory=list)
    integrals: list[Mask] = field(default_factory=list)
    lows: list[Floats] = field(default_factory=list)
    highs: list[Floats] = field(default_factory=list)
    row_elements: list[Ints] = field(default_factory=list)
    row_clients: list[Ints] = field(default_factory=list)
    lates: list[Mask] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    entries: list[tuple[Ints, Ints, Floats]] = field(default_factory=list)
    costs: list[tuple[int, Ints, Floats]] = field(default_factory=list)
    constants: Floats = field(default_factory=lambda: np.zeros(0))
    ladders: list[Ladders] = field(default_factory=list)
    extras: list[Ints] = field(default_factory=list)

    def finished(self) -> Program:
        """Everything put together."""
        self.constants = np.zeros(self.model.tiers)
        for unit, kept in zip(self.model.units, self.among, strict=True):
            start = self.new_columns(len(kept), integral=True)
            place = places_of(kept, unit.count, first=start)
            self.starts.append(start)
            self.places.append(place)
            for tier in range(self.model.tiers):
                self.costs.append((tier, place[kept], unit.open_cost[tier][kept]))
        for number, unit in enumerate(self.model.units):
            self._counts(number, unit)
            self._clients(number, unit)
            for group in unit.groups:
                self._group(number, group)
            for domains in unit.domains:
                self._domains(number, domains)
        self._between_units()
        for number, (cover, whose) in covers(self.model, self.places).items():
            row = self.new_rows(cover.shape[0], low=1.0, high=np.inf, name=None)
            self.row_elements[-1][:] = COMPOSED
            self.row_clients[-1][:] = whose
            owner = np.repeat(np.arange(cover.shape[0]), np.diff(cover.indptr))
            self.add(row + owner, self.starts[number] + cover.indices.astype(np.int64), 1.0)
        self._alternatives()
        return self._program()

    def new_columns(self, count: int, *, integral: bool) -> int:
        """The first of new columns between 0 and 1."""
        first = self.columns
        self.columns += count
        self.uppers.append(np.ones(count))
        self.integrals.append(np.full(count, integral))
        return first

    def new_rows(self, count: int, *, low: float, high: float, name: str | None) -> int:
        """The first of new rows; those of one name are kept or dropped together."""
        first = self.rows
        self.rows += count
        self.lows.append(np.full(count, low))
        self.highs.append(np.full(count, high))
        self.lates.append(np.zeros(count, dtype=bool))
        if name is None:
            element = MEANING
        elif name in self.names:
            element = self.names.index(name)
        else:
            element = len(self.names)
            self.names.append(name)
        self.row_elements.append(np.full(count, element, dtype=np.int64))
        self.row_clients.append(np.full(count, -1, dtype=np.int64))
        return first

    def add(self, rows: Ints | int, columns: Ints, values: Floats | float) -> None:
        """Entries of the matrix; those without a column are left out."""
        rows = np.broadcast_to(np.asarray(rows, dtype=np.int64), columns.shape)
        values = np.broadcast_to(np.asarray(values, dtype=np.float64), columns.shape)
        there = columns >= 0
        self.entries.append((rows[there], columns[there], values[there]))

    def _counts(self, number: int, unit: Unit) -> None:
        columns = self.places[number][self.among[number]]
        if unit.min_open > 0:
            name = "min_sites" if unit.count else "no_site"
            self.add(self.new_rows(1, low=unit.min_open, high=np.inf, name=name), columns, 1.0)
        if unit.max_open is not None:
            self.add(self.new_rows(1, low=-np.inf, high=unit.max_open, name="max_sites"), columns, 1.0)
        if unit.room is not None and unit.total > 0:
            # Room beyond what is asked for says nothing, and a relaxation that uses it is weaker.
            room = np.minimum(unit.room, unit.total).astype(np.float64)
            scale = max(1.0, float(unit.total))
            row = self.new_rows(1, low=unit.total / scale, high=np.inf, name="total")
            self.add(row, columns, room[self.among[number]] / scale)

    def _clients(self, number: int, unit: Unit) -> None:
        if unit.clients is None or not unit.clients.count:
            self.extras.append(np.empty(0, dtype=np.int64))
            return
        demand = np.full(unit.clients.count, -1, dtype=np.int64)
        cost, tier = unit.clients.cost, unit.clients.tier
        whose = np.arange(len(demand)) if number == 0 else np.full(len(demand), -1)
        self.extras.append(self._served(cost, demand, self.places[number], tier=tier, name="clients", whose=whose))

    def _served(
        self, cost: csr_array, demand: Ints, servers: Ints, *, tier: int, name: str, whose: Ints | None = None
    ) -> Ints:
        """Rows and columns of being served; (rows of cost,) the column of what that costs beyond the cheapest, -1: none.

        `demand` is (rows of cost,): the column of what must be served, -1: it always must; -2: it has none, and so needs
        nothing. `servers` is (columns of cost,): the columns. `whose` is (rows of cost,): clients of the first unit.
        """
        found = np.full(cost.shape[0], -1, dtype=np.int64)
        needing = np.flatnonzero(demand > -2)
        rows = np.repeat(np.arange(cost.shape[0]), np.diff(cost.indptr))
        there = (demand[rows] > -2) & (servers[cost.indices] >= 0)
        rows, columns = rows[there], servers[cost.indices[there]]
        told = tier < self.served
        prices = cost.data[there].astype(np.float64) if told else np.zeros(len(rows))
        empty = np.setdiff1d(needing, rows)
        if len(empty):
            first = self.new_rows(len(empty), low=0.0, high=np.inf, name=name)
            self.lows[-1] = (demand[empty] == -1).astype(np.float64)
            self.add(first + np.arange(len(empty)), demand[empty], -1.0)
        if not len(rows):
            return found
        order = np.lexsort((prices, rows))
        rows, columns, prices = rows[order], columns[order], prices[order]
        owner, starts = np.unique(rows, return_index=True)
        lengths = np.diff(np.append(starts, len(rows)))
        first = self.new_rows(len(owner), low=0.0, high=np.inf, name=name)
        always = demand[owner] == -1
        self.lows[-1] = always.astype(np.float64)
        self.lates[-1] = ~always
        whose = np.full(cost.shape[0], -1) if whose is None else whose
        self.row_clients[-1][:] = whose[owner]
        self.add(first + np.repeat(np.arange(len(owner)), lengths), columns, 1.0)
        self.add(first + np.arange(len(owner)), demand[owner], -1.0)
        if not told:
            return found
        cheapest, dearest = prices[starts], prices[starts + lengths - 1]
        self.constants[tier] += float(cheapest[always].sum())
        self.costs.append((tier, demand[owner[~always]], cheapest[~always]))
        span = dearest - cheapest
        differs = span > SAME_COST * np.maximum(1.0, np.abs(dearest))
        count = int(differs.sum())
        extra = self.new_columns(count, integral=False) + np.arange(count)
        self.costs.append((tier, extra, span[differs]))
        inside = np.repeat(differs, lengths)
        relative = (prices - np.repeat(cheapest, lengths))[inside] / np.repeat(span[differs], lengths[differs])
        ends = np.concatenate([[0], np.cumsum(lengths[differs])])
        self.ladders.append(
            Ladders(columns[inside], relative, ends, demand[owner[differs]], extra, whose[owner[differs]])
        )
        found[owner[differs]] = extra
        return found

    def _group(self, number: int, group: Group, *, kept: int | None = None) -> None:
        """At least, at most so many; only when the column `kept` is 1, where it is given."""
        name = None if kept is not None else group.label or "group"
        columns = self.places[number][group.members]
        if group.at_least > 0:
            row = self.new_rows(1, low=group.at_least if kept is None else 0.0, high=np.inf, name=name)
            self.add(row, columns, 1.0)
            if kept is not None:
                self.add(row, np.array([kept]), -float(group.at_least))
        there = int((columns >= 0).sum())
        if group.at_most is not None and group.at_most < there:
            row = self.new_rows(1, low=-np.inf, high=group.at_most if kept is None else there, name=name)
            self.add(row, columns, 1.0)
            if kept is not None:
                self.add(row, np.array([kept]), float(there - group.at_most))

    def _domains(self, number: int, domains: Domains) -> None:
        name = domains.label or "spread"
        kept = self.among[number]
        columns = self.places[number][kept]
        _, domain = np.unique(domains.domain[kept], return_inverse=True)
        count = int(domain.max()) + 1 if len(kept) else 0
        if domains.max_each is not None:
            row = self.new_rows(count, low=-np.inf, high=domains.max_each, name=name)
            self.add(row + domain, columns, 1.0)
        if domains.min_domains > 0:
            used = self.new_columns(count, integral=False) + np.arange(count)
            row = self.new_rows(count, low=0.0, high=np.inf, name=None)
            self.add(row + domain, columns, 1.0)
            self.add(row + np.arange(count), used, -1.0)
            self.add(self.new_rows(1, low=domains.min_domains, high=np.inf, name=name), used, 1.0)
        if domains.max_domains is not None:
            used = self.new_columns(count, integral=False) + np.arange(count)
            row = self.new_rows(len(kept), low=-np.inf, high=0.0, name=None)
            self.add(row + np.arange(len(kept)), columns, 1.0)
            self.add(row + np.arange(len(kept)), used[domain], -1.0)
            self.add(self.new_rows(1, low=-np.inf, high=domains.max_domains, name=name), used, 1.0)

    def _between_units(self) -> None:
        for serving in self.model.serving:
            demand = self.places[serving.client].copy()
            demand[demand < 0] = -2
            servers = self.places[serving.server]
            self._served(serving.reach, demand, servers, tier=serving.tier, name=serving.label or "serves")
        for apart in self.model.apart:
            one, other = self.model.units[apart.one], self.model.units[apart.other]
            _, first, second = np.intersect1d(one.sites, other.sites, assume_unique=True, return_indices=True)
            columns, others = self.places[apart.one][first], self.places[apart.other][second]
            both = (columns >= 0) & (others >= 0)
            count = int(both.sum())
            first_row = self.new_rows(count, low=-np.inf, high=1.0, name=apart.label or "never_with")
            self.add(first_row + np.arange(count), columns[both], 1.0)
            self.add(first_row + np.arange(count), others[both], 1.0)
        for budget in self.model.budgets:
            name = budget.label or "price_ceiling"
            # A budget of size 1 makes HiGHS's absolute tolerance one of the budget's size.
            scale = max(abs(budget.most), *(float(np.abs(one).max(initial=0.0)) for one in budget.amounts)) or 1.0
            row = self.new_rows(1, low=-np.inf, high=budget.most / scale, name=name)
            for number, amounts in enumerate(budget.amounts):
                kept = self.among[number]
                self.add(row, self.places[number][kept], amounts[kept] / scale)

    def _alternatives(self) -> None:
        for entry in self.model.alternatives:
            labels = dict.fromkeys(group.label for alternative in entry for group in alternative if group.label)
            first = self.new_columns(len(entry), integral=True)
            row = self.new_rows(1, low=1.0, high=np.inf, name=" | ".join(labels) or "group")
            self.add(row, first + np.arange(len(entry)), 1.0)
            for place, alternative in enumerate(entry):
                for group in alternative:
                    self._group(0, group, kept=first + place)

    def _program(self) -> Program:
        nothing = np.empty(0, dtype=np.int64)
        rows = np.concatenate([nothing, *(one[0] for one in self.entries)])
        columns = np.concatenate([nothing, *(one[1] for one in self.entries)])
        values = np.concatenate([np.empty(0), *(one[2] for one in self.entries)])
        costs = np.zeros((self.model.tiers, self.columns))
        for tier, where, amounts in self.costs:
            np.add.at(costs[tier], where, amounts)
        return Program(
            costs=costs,
            constants=self.constants,
            served=self.served,
            matrix=csr_array((values, (rows, columns)), shape=(self.rows, self.columns)),
            low=np.concatenate([np.empty(0), *self.lows]),
            high=np.concatenate([np.empty(0), *self.highs]),
            upper=np.concatenate([np.empty(0), *self.uppers]),
            integral=np.concatenate([np.empty(0, dtype=bool), *self.integrals]),
            among=self.among,
            elements=np.concatenate([nothing, *self.row_elements]),
            late=np.concatenate([np.empty(0, dtype=bool), *self.lates]),
            clients=np.concatenate([nothing, *self.row_clients]),
            names=tuple(self.names),
            ladders=joined(self.ladders),
            extras=tuple(self.extras),
        )
