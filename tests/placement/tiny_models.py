"""Models small enough to try every choice, drawn from a seed, and the trying: plain sets and loops, nothing of a solver."""

from __future__ import annotations

from itertools import chain, combinations, product

import numpy as np
from scipy.sparse import csr_array

from placement.solve.model import Apart, Budget, Clients, Domains, Group, Model, Serving, Unit


def reach_of(draw: np.random.Generator, rows: int, columns: int, *, share: float, free: bool) -> csr_array:
    """Random entries, explicit zeros when free."""
    row, column = np.nonzero(draw.random((rows, columns)) < share)
    data = np.zeros(len(row)) if free else draw.integers(0, 6, len(row)) / 4
    return csr_array((data, (row, column)), shape=(rows, columns))


def tiny_model(seed: int) -> Model:
    """One to three units of at most five candidates, with any of the model's words, feasible or not."""
    draw = np.random.default_rng(seed)

    def maybe(share: float) -> bool:
        return bool(draw.random() < share)

    tiers = int(draw.integers(1, 4))
    count = int(draw.integers(1, 4))
    units = []
    for number in range(count):
        size = int(draw.integers(2, 6))
        sites = np.sort(draw.choice(8, size, replace=False)).astype(np.int64)
        costs = np.round(draw.random((tiers, size)) * 3, 2)
        if maybe(0.6):
            costs[0] = 1.0
        clients = None
        if (number == 0 and maybe(0.8)) or maybe(0.1):
            reach = reach_of(draw, int(draw.integers(1, 6)), size, share=0.6, free=maybe(0.3))
            clients = Clients(reach, int(draw.integers(tiers)))
        groups = tuple(group_of(draw, size, f"group {number}.{one}") for one in range(int(draw.integers(0, 2))))
        spreads = ()
        if maybe(0.3):
            spreads = (
                Domains(
                    draw.integers(0, 3, size),
                    min_domains=int(draw.integers(0, 3)),
                    max_domains=int(draw.integers(1, 4)) if maybe(0.5) else None,
                    max_each=int(draw.integers(1, 3)) if maybe(0.5) else None,
                    label=f"spread {number}",
                ),
            )
        with_total = maybe(0.3)
        units.append(
            Unit(
                f"unit {number}",
                sites,
                costs,
                clients,
                groups,
                spreads,
                min_open=int(draw.integers(0, 3)),
                max_open=int(draw.integers(1, 5)) if maybe(0.5) else None,
                room=draw.integers(0, 6, size) if with_total else None,
                total=int(draw.integers(1, 9)) if with_total else 0,
            )
        )
    serving = []
    for server in range(1, count):
        if maybe(0.8):
            client = int(draw.integers(0, server))
            reach = reach_of(draw, units[client].count, units[server].count, share=0.6, free=maybe(0.5))
            serving.append(Serving(server, client, reach, int(draw.integers(tiers)), f"serves {server}"))
    apart = (Apart(0, count - 1, "apart"),) if count > 1 and maybe(0.3) else ()
    budgets = ()
    if maybe(0.3):
        amounts = tuple(draw.integers(0, 8, unit.count) / 4 for unit in units)
        budgets = (Budget(amounts, float(draw.integers(2, 24)) / 4, "price"),)
    alternatives = ()
    if maybe(0.3):
        entry = tuple(
            tuple(group_of(draw, units[0].count, f"any {one}.{two}") for two in range(int(draw.integers(1, 3))))
            for one in range(2)
        )
        alternatives = (entry,)
    return Model(tuple(units), tiers, tuple(serving), apart, budgets, alternatives)


def group_of(draw: np.random.Generator, size: int, label: str) -> Group:
    """A group of some of so many candidates."""
    members = np.flatnonzero(draw.random(size) < 0.5)
    least = int(draw.integers(0, 2))
    return Group(members, least, int(draw.integers(least, 3)) if draw.random() < 0.4 else None, label)


def best_by_force(model: Model) -> tuple[float, ...] | None:
    """The least cost by tier of all choices that keep everything; None when there is none."""
    found: list[tuple[float, ...]] = []
    options = [
        list(chain.from_iterable(combinations(range(u.count), k) for k in range(u.count + 1))) for u in model.units
    ]
    kept = [
        [set(one) for one in those if _unit_keeps(unit, set(one))]
        for unit, those in zip(model.units, options, strict=True)
    ]
    for choice in product(*kept):
        if _keeps(model, choice):
            found.append(_cost(model, choice))
    return min(found, key=lambda cost: tuple(round(one, 7) for one in cost)) if found else None


def _group_keeps(group: Group, opened: set[int]) -> bool:
    inside = len(opened & set(group.members.tolist()))
    return inside >= group.at_least and (group.at_most is None or inside <= group.at_most)


def _entries(matrix: csr_array, row: int) -> dict[int, float]:
    at = slice(matrix.indptr[row], matrix.indptr[row + 1])
    return dict(zip(matrix.indices[at].tolist(), matrix.data[at].tolist(), strict=True))


def _unit_keeps(unit: Unit, opened: set[int]) -> bool:
    if len(opened) < unit.min_open or (unit.max_open is not None and len(opened) > unit.max_open):
        return False
    if not all(_group_keeps(group, opened) for group in unit.groups):
        return False
    for spread in unit.domains:
        domains = [int(spread.domain[one]) for one in opened]
        if len(set(domains)) < spread.min_domains:
            return False
        if spread.max_domains is not None and len(set(domains)) > spread.max_domains:
            return False
        if spread.max_each is not None and any(domains.count(one) > spread.max_each for one in domains):
            return False
    if unit.room is not None and sum(int(unit.room[one]) for one in opened) < unit.total:
        return False
    if unit.clients is not None:
        return all(opened & set(_entries(unit.clients.cost, row)) for row in range(unit.clients.count))
    return True


def _keeps(model: Model, choice: tuple[set[int], ...]) -> bool:
    for serving in model.serving:
        for one in choice[serving.client]:
            if not choice[serving.server] & set(_entries(serving.reach, one)):
                return False
    for apart in model.apart:
        sites = [{int(model.units[unit].sites[one]) for one in choice[unit]} for unit in (apart.one, apart.other)]
        if sites[0] & sites[1]:
            return False
    for budget in model.budgets:
        spent = sum(float(budget.amounts[unit][one]) for unit, opened in enumerate(choice) for one in opened)
        if spent > budget.most + 1e-9:
            return False
    return all(
        any(all(_group_keeps(group, choice[0]) for group in alternative) for alternative in entry)
        for entry in model.alternatives
    )


def _cost(model: Model, choice: tuple[set[int], ...]) -> tuple[float, ...]:
    cost = [0.0] * model.tiers
    for unit, opened in zip(model.units, choice, strict=True):
        for tier in range(model.tiers):
            cost[tier] += sum(float(unit.open_cost[tier, one]) for one in opened)
        if unit.clients is not None:
            for row in range(unit.clients.count):
                entries = _entries(unit.clients.cost, row)
                cost[unit.clients.tier] += min(entries[one] for one in opened & set(entries))
    for serving in model.serving:
        for row in choice[serving.client]:
            entries = _entries(serving.reach, row)
            cost[serving.tier] += min(entries[one] for one in choice[serving.server] & set(entries))
    return tuple(cost)
