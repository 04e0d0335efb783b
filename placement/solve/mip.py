"""The exact answer, tier by tier.

Each tier is minimised with the tiers before it held at what they came to. First as a relaxation: its value often proves at
once that what is known already is best, its fractions are often none, and its reduced costs name the candidates that no
choice as good as the known one opens, so that HiGHS searches what is left. Every answer is evaluated from the model before
it is believed; one that HiGHS's tolerance let through is forbidden, and the search repeated.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from scipy.sparse import csr_array

from placement.arrays import Floats, Ints, Mask, places_of
from placement.solve.along import Web, more_with, web_of
from placement.solve.evaluation import better, evaluate
from placement.solve.highs import Relaxed, solved
from placement.solve.ladders import Rows, Told, stacked
from placement.solve.model import Choice, Guide, Model, nobody
from placement.solve.pool import Pool, ends_of
from placement.solve.program import Program, program
from placement.solve.relaxation import WHOLE, Relaxation
from placement.solve.restriction import numbered_among, restricted
from placement.solve.streams import chains_of
from placement.solve.tiers import held_before, rounded_up

PROOF = 1e-6
"""Relative: HiGHS's own tolerance. A bound this near to a cost proves it."""
BESIDE = 2
"""More of them for each one of the best known."""
DIVED, DIVED_HASTILY = 400, 1_500
"""Candidates of a relaxation from which it is dived at most, and within so many steps as half a relaxation has; of more, the
most promising are searched apart first."""
FEW = 150
"""Where more are left than `Limits.branched`, as many of each unit: those with the least reduced costs, which what is found
is best of."""
HASTY_IDLE, HASTY_LOOKS = 1, 2
"""Of a search of these: its `Limits.idle`, and what part of `Limits.mip_looks` it has."""
ORDINARY = 40_000
"""Entries of a relaxation for which the steps are meant; of more there are fewer, for each takes longer."""
NEAR = 60
"""Candidates of a unit that a guide names besides those that are open in part."""
MAX_FORBIDDEN = 8
"""Answers that were let through by tolerance, before the search gives up."""


def exact(
    model: Model,
    *,
    among: tuple[Ints, ...] | None = None,
    incumbent: Choice | None = None,
    node_limit: int | None = None,
    few: bool = False,
) -> Choice | None:
    """The best choice, or the incumbent when none is better; of the given candidates of each unit, ascending, or of all.

    Over all candidates the choice has a bound, of kind `EXACT` and proved when the search ended; and a model that no choice
    keeps comes back as a choice that is broken and proved. Over some there is no bound but what the incumbent has. With
    `few`, those of them that the relaxation opens in part are branched over, however many they are, and once.

    `node_limit` is for all tiers together (the model's). `iterations` are the nodes of this search alone. None: nothing
    feasible was found, and it is not proved that there is nothing.
    """
    nodes = model.limits.mip_nodes if node_limit is None else node_limit
    known = incumbent if incumbent is not None and incumbent.feasible else None
    if among is None or all(len(kept) == unit.count for kept, unit in zip(among, model.units, strict=True)):
        search = Search(model, left=nodes, best=known, few=few)
        search.run()
        return search.answer(incumbent)
    search = Search(restricted(model, among), left=nodes, best=_inside(known, among), few=few)
    search.run()
    found = None
    if search.best is not None:
        opened = tuple(kept[one] for kept, one in zip(among, search.best.open, strict=True))
        found = replace(evaluate(model, opened), iterations=search.nodes)
    guide = search.guide if search.guide is None else guide_of_whole(search.guide, among)
    if found is None or (known is not None and not better(found.cost, known.cost)):
        return None if incumbent is None or known is None else replace(known, iterations=search.nodes, guide=guide)
    found = replace(found, guide=guide)
    if incumbent is None:
        return found
    return replace(found, bound=incumbent.bound, bound_kind=incumbent.bound_kind)


def guide_of_whole(guide: Guide, among: tuple[Ints, ...]) -> Guide:
    """A guide of a part of the candidates, as one of all."""
    return replace(guide, near=tuple(kept[one] for kept, one in zip(among, guide.near, strict=True)))


def _inside(choice: Choice | None, among: tuple[Ints, ...]) -> Choice | None:
    """The choice with its candidates numbered among the given ones; None when one is not given."""
    if choice is None or not all(np.isin(one, kept).all() for one, kept in zip(choice.open, among, strict=True)):
        return None
    return numbered_among(choice, among)


@dataclass(slots=True)
class Search:
    """One exact search: what is known so far."""

    model: Model
    left: int
    """Nodes that may still be searched."""
    best: Choice | None
    few: bool = False
    """Whether candidates are branched over however many they are, those that the relaxation opens in part, and once: nothing
    is proved by it."""
    among: tuple[Ints, ...] | None = None
    """Candidates that can be in a choice as good as the best known; None: all."""
    nodes: int = 0
    steps: int = 0
    """Of the simplex, in relaxations."""
    bounds: list[float] = field(default_factory=list)
    """Of the tiers so far; only for choices no worse than the best in the tiers before."""
    proved: bool = True
    infeasible: bool = False
    """Proved."""
    forbidden: list[tuple[Ints, ...]] = field(default_factory=list)
    pool: Pool | None = None
    """Rows of the tier that are known, where units serve one another."""
    web: Web | None = None
    more: Floats | None = None
    """(candidates of all units,): by how much more than the bound a choice costs at least with each, as the last relaxation
    has it."""

    guide: Guide | None = None
    """Of the first relaxation."""

    @property
    def hasty(self) -> bool:
        """Whether it ends sooner: nothing is proved by it, and what serving one another makes of sites takes long."""
        return self.few and bool(self.model.serving)

    def run(self) -> None:
        """Minimises every tier."""
        for tier in range(self.model.tiers):
            self._tier(tier)
            if self.infeasible or self.best is None:
                return

    def answer(self, incumbent: Choice | None) -> Choice | None:
        """What came of it, over all candidates."""
        best = self.best
        if best is None:
            if not self.infeasible:
                return None
            near = incumbent or evaluate(self.model, self.model.start or tuple(nobody() for _ in self.model.units))
            return replace(near, bound=None, bound_kind="NONE", proved=True, iterations=self.nodes)
        bounds = np.minimum(np.array(self.bounds), best.cost)
        kind = "EXACT" if self.proved else "LP"
        return replace(best, bound=bounds, bound_kind=kind, proved=self.proved, iterations=self.nodes, guide=self.guide)

    def _leave_out(self, dropped: Mask) -> None:
        """Leaves these nodes out from now on, but for what is open in the best known."""
        assert self.best is not None, "candidates are left out only beside what is known"
        among, start = [], 0
        for number, unit in enumerate(self.model.units):
            stays = ~dropped[start : start + unit.count]
            start += unit.count
            stays[self.best.open[number]] = True
            before = np.arange(unit.count) if self.among is None else self.among[number]
            among.append(before[stays[before]])
        self.among = tuple(among)

    def _tier(self, tier: int) -> None:
        if self.model.serving and (self.pool is None or self.pool.tier != tier):
            self.pool, self.more = Pool(self.model, tier), None
        rows = program(self.model, among=self.among, served=tier + 1)
        told = Told(rows.ladders)
        told.begin(None if self.best is None else rows.column_values(self.best.open).astype(np.float64))
        known = None if self.pool is None else self.pool.over(rows)
        asked = Relaxation(
            rows, tier, told, chains_of(self.model, rows), self._more(rows, tier), known, self._given(rows, tier)
        )
        limits = self.model.limits
        target = np.inf
        if self.best is not None:
            cost = float(self.best.cost[tier])
            target = cost - PROOF * max(1.0, abs(cost)) - float(rows.constants[tier])
        relaxation = asked.run(
            enough=limits.enough,
            most_steps=int(limits.steps * min(1.0, ORDINARY / max(1, rows.matrix.nnz))),
            target=target,
            idle=HASTY_IDLE if self.hasty else limits.idle,
            stop=limits.stop,
        )
        self.steps += asked.steps
        if relaxation.feasible is False:
            self._none_left(rows, tier)
            return
        if tier == 0 and self.guide is None:
            self.guide = self._guided(asked, relaxation)
        low = rounded_up(relaxation.value + float(rows.constants[tier]), rows.step(tier))
        if not self._reached(tier, low):
            self._take_whole(rows, relaxation)
        if not self._reached(tier, low):
            self._dive(asked, relaxation)
        if self._reached(tier, low):
            self._end(tier)
            return
        self._branch(asked, relaxation, low)

    def _guided(self, asked: Relaxation, relaxation: Relaxed) -> Guide | None:
        """What the relaxation says of where better choices are."""
        clients, rows = self.model.units[0].clients if self.model.units else None, asked.rows
        if clients is None or not self.model.serving or relaxation.values is None or relaxation.reduced is None:
            return None
        place = places_of(rows.among[0], self.model.units[0].count)
        least = ends_of(clients.cost, place)[0] if clients.tier == 0 else np.zeros(clients.count)
        near, start = [], 0
        for kept in rows.among:
            end = start + len(kept)
            some = relaxation.values[start:end] > WHOLE
            some[np.argsort(relaxation.reduced[start:end], kind="stable")[:NEAR]] = True
            near.append(kept[some])
            start = end
        return Guide(least + asked.prices(clients.count), tuple(near))

    def _take_whole(self, rows: Program, relaxation: Relaxed) -> None:
        """Takes the relaxation's answer for the best when it has no fractions and is."""
        if relaxation.values is not None:
            values = relaxation.values[rows.integral]
            if np.abs(values - np.rint(values)).max(initial=0.0) <= WHOLE:
                self._take(rows.opened(relaxation.values))

    def _dive(self, asked: Relaxation, relaxation: Relaxed) -> None:
        """Takes what a dive from the relaxation's answer comes to for the best, when it is."""
        limits = self.model.limits
        if not limits.dives or relaxation.values is None or not asked.rows.ladders.clients:
            return
        if asked.rows.opens > DIVED_HASTILY:
            return
        most = np.inf
        if self.best is not None:
            most = float(self.best.cost[asked.tier]) - float(asked.rows.constants[asked.tier])
        most_steps = None if asked.rows.opens <= DIVED else limits.steps // 2
        values = asked.dive(relaxation.values, most=most, most_steps=most_steps, stop=limits.stop)
        self.steps += asked.steps
        if values is not None:
            self._take(asked.rows.opened(values))

    def _take(self, opened: tuple[Ints, ...]) -> None:
        """The choice is the best known when it is feasible and better."""
        choice = evaluate(self.model, opened)
        if choice.feasible and (self.best is None or better(choice.cost, self.best.cost)):
            self.best = choice

    def _reached(self, tier: int, low: float) -> bool:
        """Whether the best known costs no more than the bound."""
        if self.best is None:
            return False
        cost = float(self.best.cost[tier])
        return low >= cost - PROOF * max(1.0, abs(cost))

    def _fixed(self, rows: Program, relaxation: Relaxed, tier: int, low: float) -> Floats:
        """(columns,) upper bounds; the candidates that only a worse choice opens have 0, and are left out from now on."""
        upper = rows.upper.copy()
        if self.best is None or relaxation.reduced is None:
            return upper
        gap = float(self.best.cost[tier]) - float(rows.constants[tier]) - relaxation.value
        slack = PROOF * max(1.0, abs(low), abs(gap))
        reduced = relaxation.reduced[: rows.opens]
        left = np.full(self.model.candidates, np.inf)
        node = self._nodes(rows)
        left[node] = np.maximum(reduced, 0.0)
        if self.model.serving:
            self.web = self.web or web_of(self.model)
            left = more_with(self.model, self.web, left)
        self.more = left
        self._leave_out(left > gap + slack)
        assert self.among is not None, "some were left out"
        upper[: rows.opens][~rows.column_values(self.among)] = 0.0
        return upper

    def _given(self, rows: Program, tier: int) -> Mask | None:
        """(opens,) the candidates that HiGHS is given to begin with: what is open, and the least dear; None: all."""
        if self.best is None or rows.opens <= self.model.limits.given or not rows.ladders.clients:
            return None
        figures = (
            np.concatenate([unit.open_cost[tier] for unit in self.model.units]) if self.more is None else self.more
        )
        given, start = rows.column_values(self.best.open), 0
        nodes = self._nodes(rows)
        for kept in rows.among:
            mine = figures[nodes[start : start + len(kept)]]
            given[start + np.argsort(mine, kind="stable")[: self.model.limits.given // (4 * len(rows.among))]] = True
            start += len(kept)
        return given

    def _nodes(self, rows: Program) -> Ints:
        """(opens,): of each candidate's column, its number among the candidates of all units."""
        sizes = np.cumsum([0, *(unit.count for unit in self.model.units)])[:-1].tolist()
        return np.concatenate([first + kept for first, kept in zip(sizes, rows.among, strict=True)])

    def _branch(self, asked: Relaxation, relaxation: Relaxed, low: float) -> None:
        """Searches the tier to its end, or to the limit."""
        rows, tier = asked.rows, asked.tier
        told, cuts = asked.told, None if relaxation.values is None else asked.tight(relaxation.values)
        self._fixed(rows, relaxation, tier, low)
        if self._many(rows) and relaxation.reduced is not None and self.left > 0:
            some = self._promising(rows, relaxation.reduced)
            # Where the most promising are all that there are, there is no smaller model to search.
            assert self.among is not None, "some were left out"
            if any(len(one) < len(kept) for one, kept in zip(some, self.among, strict=True)):
                self._some(some)
                self._open_end(rows, tier, low)
                return
        if self.best is not None and self.among is not None and 2 * sum(len(one) for one in self.among) <= rows.opens:
            # Half and more can only be in a worse choice: what is left is asked anew, without their columns, and with
            # the rows that mattered in the end.
            if asked.known is not None and cuts is not None:
                self.pool = Pool(self.model, tier)
                self.pool.learn(cuts, asked.known.terms, rows.opens)
            self._tier(tier)
            return
        while self.left > 0:
            upper = self._fixed(rows, relaxation, tier, low)
            if self.hasty and relaxation.values is not None:
                upper[: rows.opens][~self._likely(rows, relaxation.values)] = 0.0
            parts = [self._more(rows, tier), told.rows(rows.columns), cuts]
            more = stacked([one for one in parts if one is not None])
            limits = self.model.limits
            found = solved(
                rows,
                rows.costs[tier],
                upper=upper,
                more=more,
                nodes=self.left,
                looks=limits.mip_looks // (HASTY_LOOKS if self.hasty else 1),
                start=None if self.few or self.best is None else rows.column_values(self.best.open),
                stop=limits.stop,
            )
            self.left -= max(1, found.nodes)
            self.nodes += max(1, found.nodes)
            if found.status == "infeasible":
                self._none_left(rows, tier)
                return
            if not self.few:
                low = max(low, rounded_up(found.bound + float(rows.constants[tier]), rows.step(tier)))
            opened = None if found.values is None else rows.opened(found.values)
            if opened is not None:
                self._take(opened)
            if self._reached(tier, low):
                self._end(tier)
                return
            if self.few or found.status != "optimal" or opened is None or found.values is None:
                break
            if told.learn(found.values):
                continue
            if len(self.forbidden) >= MAX_FORBIDDEN:
                break
            self.forbidden.append(opened)
        self._open_end(rows, tier, low)

    def _many(self, rows: Program) -> bool:
        """Whether more candidates are left than are branched over."""
        if self.few or self.best is None or self.among is None or not rows.ladders.clients:
            return False
        return sum(len(one) for one in self.among) > self.model.limits.branched

    def _promising(self, rows: Program, reduced: Floats) -> tuple[Ints, ...]:
        """By unit: of the candidates that are left those with the least reduced costs, and what is open."""
        assert self.best is not None, "candidates are left out only beside what is known"
        among, start, each = [], 0, FEW // len(rows.among)
        for kept, opened in zip(rows.among, self.best.open, strict=True):
            costs = reduced[start : start + len(kept)]
            start += len(kept)
            least = kept[np.argsort(costs, kind="stable")[: each + BESIDE * len(opened)]]
            among.append(np.union1d(least, opened))
        return tuple(among)

    def _likely(self, rows: Program, values: Floats) -> Mask:
        """(opens,): the candidates that a relaxation opens in part, and what is open in the best known."""
        likely: Mask = values[: rows.opens] > WHOLE
        return likely if self.best is None else likely | rows.column_values(self.best.open)

    def _some(self, among: tuple[Ints, ...]) -> None:
        """Searches some candidates as a model of their own."""
        found = exact(self.model, among=among, incumbent=self.best, node_limit=self.left, few=True)
        if found is not None:
            self.left -= max(1, found.iterations)
            self.nodes += found.iterations
            self._take(found.open)

    def _end(self, tier: int) -> None:
        """The best known is best in this tier."""
        assert self.best is not None
        self.bounds.append(float(self.best.cost[tier]))

    def _open_end(self, rows: Program, tier: int, low: float) -> None:
        """The tier's search ended without a proof."""
        least = float(rows.constants[tier] + np.minimum(rows.costs[tier], 0.0) @ rows.upper)
        self.bounds.append(max(low, least))
        self.proved = False

    def _none_left(self, rows: Program, tier: int) -> None:
        """No choice keeps everything and is as good as the best known in the tiers before."""
        if self.best is None:
            self.infeasible = not self.forbidden
        else:
            # The best known is one: only rounding says otherwise.
            self._open_end(rows, tier, -np.inf)

    def _more(self, rows: Program, tier: int) -> Rows | None:
        """Holds the tiers before, and forbids what was let through by tolerance."""
        before = None if self.best is None else held_before(rows, tier, self.best.cost)
        return stacked([one for one in (before, self._others_than(rows)) if one is not None])

    def _others_than(self, rows: Program) -> Rows | None:
        """Rows that the forbidden choices break, and no other choice does."""
        dense, low = [], []
        for opened in self.forbidden:
            if not all(np.isin(one, kept).all() for one, kept in zip(opened, rows.among, strict=True)):
                continue
            chosen = rows.column_values(opened)
            row = np.zeros(rows.columns)
            row[: rows.opens] = np.where(chosen, -1.0, 1.0)
            dense.append(row)
            low.append(1.0 - float(chosen.sum()))
        return Rows(csr_array(np.array(dense)), np.array(low), np.full(len(low), np.inf)) if dense else None
