"""What choosing another site would have cost: in the place of a chosen one, or besides them.

A local search ends where no single exchange is better, so this is what decided. All candidates are weighed at once: an
exchange changes the costs of opening, and for each place the cheapest open site in reach, of which two are known.
"""

from __future__ import annotations

import numpy as np

from placement.arrays import Floats, Ints
from placement.decision import Reason
from placement.modelling import Modelled
from placement.solve.evaluation import evaluate
from placement.solve.model import Choice, Clients
from placement.wording import told_apart

DIGITS = 4
"""Behind the point of a cost, at least."""
EQUAL = 1e-9


class Rivals:
    """The candidates of one unit that were not chosen, weighed against those that were."""

    def __init__(self, made: Modelled, choice: Choice, unit: int) -> None:
        self._made, self._choice, self._unit = made, choice, unit
        self._model = made.model.units[unit]
        self._open = choice.open[unit]
        self._deltas: Floats | None = None
        """(open, tiers, candidates): by how much an exchange changes the cost; infinite where a place is left out."""

    def not_needed(self, candidate: int) -> Reason:
        """Why a candidate was not chosen."""
        made, tiers = self._made, self._made.model.tiers
        site = made.problem.sites
        if not len(self._open):
            return _reason("it passes every rule, and nothing of it is needed", need="0", have="1", unit="sites")
        deltas = self._exchanges()[:, :, candidate]
        possible = np.flatnonzero(np.isfinite(deltas[:, 0]))
        if len(possible):
            order = np.lexsort((possible, *(deltas[possible, tier].round(9) for tier in reversed(range(tiers)))))
            rival = int(possible[order[0]])
            tier = next((at for at in range(tiers) if abs(deltas[rival, at]) > EQUAL), None)
            name = site[int(self._model.sites[self._open[rival]])].name
            if tier is None:
                return self._as_good(candidate, rival, name=name)
            before = float(self._choice.cost[tier])
            after = before + float(deltas[rival, tier])
            terms = " and ".join(made.tiers[tier])
            if after > before:
                need, have = told_apart(before, after, digits=DIGITS)
                told = f"in the place of {name!r} it would make the cost of {terms} {have}, and not {need}"
                return _reason(f"it passes every rule and is not needed: {told}", need=need, have=have)
            return self._forbidden(candidate, rival, before=before, after=after, terms=terms, name=name)
        added = self._added(candidate)
        tier = next((at for at in range(tiers) if abs(added[at]) > EQUAL), tiers - 1)
        before = float(self._choice.cost[tier])
        after = before + float(added[tier])
        terms = " and ".join(made.tiers[tier])
        need, have = told_apart(before, after, digits=DIGITS)
        told = f"it could take the place of none of the chosen, and besides them the cost of {terms} would be {have}"
        return _reason(f"it passes every rule and is not needed: {told}, and not {need}", need=need, have=have)

    def _broken_by(self, candidate: int, rival: int) -> str:
        """What of the policy as a whole the exchange would break; empty when nothing."""
        exchanged = np.union1d(np.delete(self._open, rival), [candidate])
        opened = tuple(exchanged if at == self._unit else one for at, one in enumerate(self._choice.open))
        broken = evaluate(self._made.model, opened).broken
        return ", ".join(dict.fromkeys(one.label or one.rule for one in broken))

    def _as_good(self, candidate: int, rival: int, *, name: str) -> Reason:
        """The exchange would cost the same."""
        cost = f"{self._choice.cost[-1]:.{DIGITS}f}"
        said = self._broken_by(candidate, rival)
        if said:
            told = f"it passes every rule; in the place of {name!r} it would cost the same, but that breaks {said}"
        elif candidate > self._open[rival]:
            told = f"it passes every rule and is as good as {name!r}, which was chosen: ties go to the smaller id"
        else:
            told = f"it passes every rule and is as good as {name!r}, which was found first"
        return _reason(told, need=cost, have=cost)

    def _forbidden(self, candidate: int, rival: int, *, before: float, after: float, terms: str, name: str) -> Reason:
        """The exchange would cost less: what of the policy as a whole forbids it, or that it was not found."""
        said = self._broken_by(candidate, rival)
        need, have = told_apart(before, after, digits=DIGITS)
        if said:
            told = (
                f"in the place of {name!r} the cost of {terms} would be {have}, and not {need}, but that breaks {said}"
            )
        else:
            told = (
                f"in the place of {name!r} the cost of {terms} would be {have}, and not {need}: the search ended before"
            )
        return _reason(f"it passes every rule; {told}", need=need, have=have)

    def _exchanges(self) -> Floats:
        if self._deltas is None:
            unit, chosen = self._model, self._open
            deltas = unit.open_cost[None, :, :] - unit.open_cost[:, chosen].T[:, :, None]
            if unit.clients is not None:
                tier = unit.clients.tier
                for at, change in enumerate(_served_instead(unit.clients, chosen)):
                    deltas[at, tier] += change
                    deltas[at, :, ~np.isfinite(change)] = np.inf
            self._deltas = deltas
        return self._deltas

    def _added(self, candidate: int) -> Floats:
        unit = self._model
        added: Floats = unit.open_cost[:, candidate].copy()
        if unit.clients is not None:
            added[unit.clients.tier] += float(_served_besides(unit.clients, self._open)[candidate])
        return added


def _reason(message: str, *, need: str, have: str, unit: str = "cost") -> Reason:
    return Reason(rule="not_needed", need=need, have=have, unit=unit, message=message)


def _cheapest(clients: Clients, chosen: Ints) -> tuple[Floats, Ints, Floats]:
    """For each client: the least cost among the chosen, which of them has it, and the least among the others."""
    cost = clients.cost.tocsc()[:, chosen].tocsr()
    count = cost.shape[0]
    best, second = np.full(count, np.inf), np.full(count, np.inf)
    which = np.full(count, -1, dtype=np.int64)
    rows = np.repeat(np.arange(count), np.diff(cost.indptr))
    order = np.lexsort((cost.indices, cost.data, rows))
    rows, data, places = rows[order], cost.data[order], cost.indices[order]
    first = np.flatnonzero(np.r_[True, rows[1:] != rows[:-1]]) if len(rows) else np.empty(0, dtype=np.int64)
    best[rows[first]], which[rows[first]] = data[first], places[first]
    after = first + 1
    after = after[(after < len(rows))]
    after = after[np.isin(after, first, invert=True)]
    second[rows[after]] = data[after]
    return best, which, second


def _served_besides(clients: Clients, chosen: Ints) -> Floats:
    """(candidates,) by how much serving costs less with each besides the chosen."""
    best, _, _ = _cheapest(clients, chosen)
    cost = clients.cost
    rows = np.repeat(np.arange(cost.shape[0]), np.diff(cost.indptr))
    gain = np.minimum(cost.data - best[rows], 0.0)
    return np.bincount(cost.indices, weights=gain, minlength=cost.shape[1]).astype(np.float64)


def _served_instead(clients: Clients, chosen: Ints) -> list[Floats]:
    """For each of the chosen: (candidates,) the change of serving with each in its place; infinite: one is left out."""
    best, which, second = _cheapest(clients, chosen)
    cost = clients.cost
    rows = np.repeat(np.arange(cost.shape[0]), np.diff(cost.indptr))
    found = []
    for at in range(len(chosen)):
        left = np.where(which == at, second, best)
        alone = ~np.isfinite(left)
        known = np.where(alone, 0.0, left)
        entry = np.where(alone[rows], cost.data, np.minimum(cost.data - known[rows], 0.0))
        change = np.bincount(cost.indices, weights=entry, minlength=cost.shape[1]).astype(np.float64)
        change += float((known - best)[~alone].sum()) - float(best[alone].sum())
        if alone.any():
            reached = np.bincount(cost.indices[alone[rows]], minlength=cost.shape[1])
            change[reached < np.count_nonzero(alone)] = np.inf
        found.append(change)
    return found
