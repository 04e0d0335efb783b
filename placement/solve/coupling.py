"""What units mean for one another: which candidates they need served, what they share, and where they may not meet.

A search moves one unit while the others stand still. `Stage.ground` is that unit's view: the open candidates of its client
units are clients of its own, the sites of a unit apart from it are barred, and what the others use of a budget is gone. Once
servers are open, being served by them is part of what opening a candidate costs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from placement.arrays import Floats, Ints, Mask
from placement.solve.evaluation import cheapest, entries_of, exceeds
from placement.solve.ground import Ground, stand
from placement.solve.layout import ELSEWHERE, Layout, Rows
from placement.solve.model import Model, Serving, mask_of

Opens = list[Ints | None]
"""By unit its open candidates; None for one that has not been solved."""


@dataclass(frozen=True, slots=True)
class Link:
    """A serving, on the candidates of both units that a search may open."""

    serving: Serving
    clients: Ints
    """Candidates of the client unit, ascending: the rows of `matrix`."""
    matrix: csr_array
    """(clients, candidates of the server)."""

    def rows(self, open: Ints) -> Rows:
        """The open candidates of the client unit as clients of the server."""
        return Rows(self.matrix, np.searchsorted(self.clients, open), self.serving.tier)


def link(serving: Serving, client: Layout, server: Layout) -> Link:
    """The serving between two layouts."""
    clients = np.sort(np.concatenate((client.columns, client.fixed)))
    entries, lengths = entries_of(serving.reach, clients)
    servers = serving.reach.indices.take(entries)
    inside = np.flatnonzero(server.column_of.take(servers) != ELSEWHERE)
    start = np.zeros(len(clients) + 1, dtype=np.int64)
    start[1:] = np.searchsorted(inside, np.cumsum(lengths))
    parts = (serving.reach.data.take(entries.take(inside)), servers.take(inside), start)
    return Link(serving, clients, csr_array(parts, shape=(len(clients), server.unit.count)))


@dataclass(frozen=True, slots=True)
class Stage:
    """All units on their layouts, with what connects them."""

    model: Model
    layouts: tuple[Layout, ...]
    links: tuple[Link, ...]

    def ground(self, number: int, open: Opens, *, charged: bool = True) -> Ground:
        """The unit's ground while the others have these open; without `charged` it need not be served."""
        layout = self.layouts[number]
        unit = layout.unit
        rows: list[Rows] = []
        charge: Floats | None = None
        barred: Floats | None = None
        for one in self.links:
            clients, servers = open[one.serving.client], open[one.serving.server]
            if one.serving.server == number and clients is not None and one.serving.client != number:
                rows.append(one.rows(clients))
            if charged and one.serving.client == number and servers is not None:
                charge = np.zeros((self.model.tiers, unit.count)) if charge is None else charge
                barred = np.zeros(unit.count) if barred is None else barred
                served = cheapest(one.matrix, mask_of(servers, one.matrix.shape[1]))
                reached = np.isfinite(served)
                charge[one.serving.tier, one.clients[reached]] += served[reached]
                barred[one.clients[~reached]] += 1.0
        barred = self._apart(number, open, barred)
        return layout.ground(rows=rows, charge=charge, barred=barred, budgets=self._budgets(number, open))

    def levels(self, open: Sequence[Ints]) -> Floats:
        """(1 + tiers,): how much a choice of all units breaks, and what it costs."""
        levels = self.shared(open)
        for number in range(len(self.layouts)):
            levels += self.alone(number, open)
        return levels

    def alone(self, number: int, open: Sequence[Ints]) -> Floats:
        """(1 + tiers,): what the unit breaks and costs by itself and as a server; sums of these count nothing twice."""
        rows = [
            one.rows(open[one.serving.client])
            for one in self.links
            if one.serving.server == number and one.serving.client != number
        ]
        ground = self.layouts[number].ground(rows=rows)
        return stand(ground, ground.open_columns(open[number])).levels

    def independent(self, number: int) -> bool:
        """Whether the unit's ground has nothing of other units but clients: it is served by none and shares nothing."""
        return (
            not self.model.budgets
            and not any(number in (one.one, one.other) for one in self.model.apart)
            and not any(one.serving.client == number for one in self.links)
        )

    def shared(self, open: Sequence[Ints]) -> Floats:
        """(1 + tiers,): what units break together, by being not apart and by budgets."""
        levels = np.zeros(1 + self.model.tiers)
        for apart in self.model.apart:
            one, other = (self.model.units[at].sites[open[at]] for at in (apart.one, apart.other))
            levels[0] += np.count_nonzero(np.isin(one, other))
        for budget in self.model.budgets:
            have = sum(float(amounts[chosen].sum()) for amounts, chosen in zip(budget.amounts, open, strict=True))
            if exceeds(have, budget.most):
                levels[0] += (have - budget.most) / max(abs(budget.most), 1e-9)
        return levels

    def _apart(self, number: int, open: Opens, barred: Floats | None) -> Floats | None:
        for apart in self.model.apart:
            if number not in (apart.one, apart.other):
                continue
            there = apart.other if number == apart.one else apart.one
            chosen = open[there]
            if chosen is None or there == number:
                continue
            common = _member(self.layouts[number].unit.sites, self.model.units[there].sites[chosen])
            more = common.astype(np.float64)
            barred = more if barred is None else barred + more
        return barred

    def _budgets(self, number: int, open: Opens) -> list[tuple[Floats, float]]:
        found = []
        for budget in self.model.budgets:
            used = sum(
                float(amounts[chosen].sum())
                for at, (amounts, chosen) in enumerate(zip(budget.amounts, open, strict=True))
                if at != number and chosen is not None
            )
            found.append((budget.amounts[number], budget.most - used))
        return found


def order_of(model: Model) -> list[int]:
    """The units, those that are served before those that serve them; of a circle the first first."""
    left = list(range(len(model.units)))
    found: list[int] = []
    while left:
        ready = [
            one
            for one in left
            if not any(
                serving.server == one and serving.client in left and serving.client != one for serving in model.serving
            )
        ]
        found.append((ready or left)[0])
        left.remove(found[-1])
    return found


def _member(sites: Ints, among: Ints) -> Mask:
    """Which of the sites (ascending) are among those given (ascending)."""
    if not len(among):
        return np.zeros(len(sites), dtype=bool)
    at = np.minimum(np.searchsorted(among, sites), len(among) - 1)
    found: Mask = among[at] == sites
    return found
