"""Small models for the tests of solvers, and what is best for them by looking at every choice.

The check here is written on its own, in plain loops over sets, so that it shares no mistake with the solvers.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

import numpy as np
from hypothesis import strategies as st
from scipy.sparse import csr_array

from placement.solve.model import (
    Apart,
    Budget,
    Clients,
    Domains,
    Group,
    Limits,
    Model,
    Serving,
    Unit,
)

NO_CORE = Limits(core_candidates=0)
"""Searches alone."""


def sparse(rows: Sequence[dict[int, float]], count: int) -> csr_array:
    """A matrix with these entries, zeros kept."""
    indptr = np.cumsum([0, *(len(row) for row in rows)])
    indices = [column for row in rows for column in sorted(row)]
    data = [row[column] for row in rows for column in sorted(row)]
    parts = (np.array(data, dtype=np.float64), np.array(indices, dtype=np.int32), indptr.astype(np.int32))
    return csr_array(parts, shape=(len(rows), count))


def entries(matrix: csr_array) -> list[dict[int, float]]:
    """The entries of each row."""
    found: list[dict[int, float]] = []
    for row in range(matrix.shape[0]):
        inside = slice(int(matrix.indptr[row]), int(matrix.indptr[row + 1]))
        found.append(dict(zip(matrix.indices[inside].tolist(), matrix.data[inside].tolist(), strict=True)))
    return found


def unit(costs: Sequence[float] | Sequence[Sequence[float]], **more: object) -> Unit:
    """A unit with these open costs: of one tier, or a row for each."""
    table = np.atleast_2d(np.array(costs, dtype=np.float64))
    sites = np.array(more.pop("sites", range(table.shape[1])), dtype=np.int64)
    return Unit(name=str(more.pop("name", "app")), sites=sites, open_cost=table, **more)  # type: ignore[arg-type]  # any field of a unit


def group(members: Iterable[int], at_least: int = 0, at_most: int | None = None, label: str = "") -> Group:
    """A group."""
    return Group(np.array(sorted(members), dtype=np.int64), at_least, at_most, label)


def opened(*units: Iterable[int]) -> tuple[np.ndarray, ...]:
    """Open candidates by unit."""
    return tuple(np.array(sorted(one), dtype=np.int64) for one in units)


def _group_kept(one: Group, chosen: set[int]) -> bool:
    have = len(chosen & set(one.members.tolist()))
    return one.at_least <= have and (one.at_most is None or have <= one.at_most)


def _unit_kept(one: Unit, chosen: set[int]) -> bool:
    if len(chosen) < one.min_open or (one.max_open is not None and len(chosen) > one.max_open):
        return False
    if not all(_group_kept(each, chosen) for each in one.groups):
        return False
    for spread in one.domains:
        inside = [int(spread.domain[each]) for each in chosen]
        if len(set(inside)) < spread.min_domains:
            return False
        if spread.max_domains is not None and len(set(inside)) > spread.max_domains:
            return False
        if spread.max_each is not None and any(inside.count(each) > spread.max_each for each in set(inside)):
            return False
    return one.room is None or sum(int(one.room[each]) for each in chosen) >= one.total


def _served(rows: Iterable[dict[int, float]], chosen: set[int]) -> list[float] | None:
    costs = [min((row[each] for each in chosen if each in row), default=None) for row in rows]
    return None if None in costs else [one for one in costs if one is not None]


def check(model: Model, choice: Sequence[Iterable[int]]) -> list[float] | None:
    """The cost of a choice by tier; None when it breaks anything."""
    chosen = [set(one) for one in choice]
    cost = [0.0] * model.tiers
    for one, open in zip(model.units, chosen, strict=True):
        if not _unit_kept(one, open):
            return None
        for tier in range(model.tiers):
            cost[tier] += sum(float(one.open_cost[tier, each]) for each in open)
        if one.clients is not None:
            served = _served(entries(one.clients.cost), open)
            if served is None:
                return None
            cost[one.clients.tier] += sum(served)
    for serving in model.serving:
        rows = entries(serving.reach)
        served = _served([rows[each] for each in chosen[serving.client]], chosen[serving.server])
        if served is None:
            return None
        cost[serving.tier] += sum(served)
    for apart in model.apart:
        one, other = ({int(model.units[at].sites[each]) for each in chosen[at]} for at in (apart.one, apart.other))
        if one & other:
            return None
    for budget in model.budgets:
        used = sum(float(by[each]) for by, open in zip(budget.amounts, chosen, strict=True) for each in open)
        if used > budget.most + 1e-9:
            return None
    for entry in model.alternatives:
        if not any(all(_group_kept(one, chosen[0]) for one in groups) for groups in entry):
            return None
    return cost


def every(model: Model) -> Iterable[tuple[tuple[int, ...], ...]]:
    """Every choice there is whose units each keep their own rules."""
    each = []
    for one in model.units:
        subsets = itertools.chain.from_iterable(
            itertools.combinations(range(one.count), size) for size in range(one.count + 1)
        )
        each.append([subset for subset in subsets if _unit_kept(one, set(subset))])
    return itertools.product(*each)


def best(model: Model) -> list[float] | None:
    """The least cost of all choices, tier by tier; None when every choice breaks something."""
    found: list[float] | None = None
    for choice in every(model):
        cost = check(model, choice)
        if cost is None:
            continue
        cost = [round(one, 9) for one in cost]
        if found is None or cost < found:
            found = cost
    return found


_COSTS = st.integers(0, 6).map(lambda one: one / 2)


@st.composite
def _rows(draw: st.DrawFn, rows: int, columns: int) -> csr_array:
    found = []
    for _ in range(rows):
        inside = draw(st.sets(st.integers(0, columns - 1), min_size=1, max_size=columns))
        found.append({one: draw(_COSTS) for one in sorted(inside)})
    return sparse(found, columns)


@st.composite
def _units(draw: st.DrawFn, tiers: int, first: bool) -> Unit:
    count = draw(st.integers(1, 5))
    sites = sorted(draw(st.sets(st.integers(0, 6), min_size=count, max_size=count)))
    costs = [[draw(_COSTS) for _ in range(count)] for _ in range(tiers)]
    more: dict[str, object] = {"sites": sites, "min_open": draw(st.sampled_from([0, 1, 1, 1, 2]))}
    if first and draw(st.booleans()):
        more["clients"] = Clients(draw(_rows(draw(st.integers(1, 4)), count)), draw(st.integers(0, tiers - 1)))
    if draw(st.integers(0, 2)) == 0:
        more["max_open"] = draw(st.integers(1, 3))
    subsets = st.sets(st.integers(0, count - 1), min_size=1)
    if draw(st.integers(0, 2)) == 0:
        members = draw(subsets)
        most = draw(st.sampled_from([None, 1, 2]))
        more["groups"] = (group(members, draw(st.integers(0, min(len(members), 2))), most),)
    if draw(st.integers(0, 2)) == 0:
        domain = np.array([draw(st.integers(0, 2)) for _ in range(count)], dtype=np.int64)
        options = (draw(st.integers(0, 2)), draw(st.sampled_from([None, 1, 2])), draw(st.sampled_from([None, 1])))
        more["domains"] = (Domains(domain, *options),)
    if draw(st.integers(0, 3)) == 0:
        more["room"] = np.array([draw(st.integers(0, 3)) for _ in range(count)], dtype=np.int64)
        more["total"] = draw(st.integers(0, 5))
    return unit(costs, **more)


@st.composite
def models(draw: st.DrawFn, limits: Limits = NO_CORE) -> Model:
    """Models of one or two units of at most five candidates, with any of the rules."""
    tiers = draw(st.integers(1, 2))
    units = tuple(draw(_units(tiers, number == 0)) for number in range(draw(st.integers(1, 2))))
    serving: tuple[Serving, ...] = ()
    apart: tuple[Apart, ...] = ()
    if len(units) == 2:
        if draw(st.booleans()):
            server, client = draw(st.sampled_from([(1, 0), (1, 0), (0, 1)]))
            reach = draw(_rows(units[client].count, units[server].count))
            serving = (Serving(server, client, reach, draw(st.integers(0, tiers - 1)), "serves"),)
        if draw(st.integers(0, 3)) == 0:
            apart = (Apart(0, 1, "apart"),)
    budgets: tuple[Budget, ...] = ()
    if draw(st.integers(0, 3)) == 0:
        amounts = tuple(
            np.array([draw(st.integers(0, 3)) for _ in range(one.count)], dtype=np.float64) for one in units
        )
        budgets = (Budget(amounts, float(draw(st.integers(1, 8)))),)
    alternatives: tuple[tuple[tuple[Group, ...], ...], ...] = ()
    if draw(st.integers(0, 3)) == 0:
        subsets = st.sets(st.integers(0, units[0].count - 1), min_size=1)
        entry = tuple((group(draw(subsets), 1),) for _ in range(draw(st.integers(1, 2))))
        alternatives = (entry,)
    return Model(units, tiers, serving, apart, budgets, alternatives, limits=limits)
