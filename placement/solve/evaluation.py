"""What a choice costs and what it breaks: the one definition that every solver's answer is held against.

The cost of a choice is, by tier, the sum of: the open cost of each open candidate of each unit; for each client of a
unit the cheapest open candidate in its reach, in the clients' tier; and for each open candidate of a serving's client
unit the cheapest open candidate of the server unit in its reach, in the serving's tier. A client that nobody serves
costs nothing and is broken instead. The searches keep figures of their own that are quick to change; what leaves them
is evaluated here, from the model.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from placement.arrays import Floats, Ints, Mask
from placement.solve.entries import cheapest
from placement.solve.model import Broken, Choice, Clients, Domains, Group, Model, Unit, mask_of

TOLERANCE = 1e-9
"""Relative, of comparisons: figures that are this near are the same."""
WHOLE_APP = -1
"""`Broken.unit` of what concerns all units together: a budget."""


def evaluate(model: Model, open: tuple[Ints, ...]) -> Choice:
    """The choice that opens these candidates (by unit, ascending): its cost and everything that it does not keep.

    `Broken.unit` is the server's with `serves` (items: the client unit's candidates that are not served), the first of both
    with `never_with` (items: its candidates), and `WHOLE_APP` with `price_ceiling`.
    """
    cost = np.zeros(model.tiers)
    broken: list[Broken] = []
    masks = [mask_of(chosen, unit.count) for unit, chosen in zip(model.units, open, strict=True)]
    for number, (unit, chosen, mask) in enumerate(zip(model.units, open, masks, strict=True)):
        cost += unit.open_cost[:, chosen].sum(axis=1)
        broken.extend(_of_unit(unit, chosen, mask, number))
        if unit.clients is not None:
            served = cheapest(unit.clients.cost, mask)
            cost[unit.clients.tier] += served[np.isfinite(served)].sum()
            broken.extend(_of_clients(unit.clients, served, number))
    broken.extend(_of_alternatives(model, masks))
    for serving in model.serving:
        clients = open[serving.client]
        served = cheapest(serving.reach, masks[serving.server], rows=clients)
        cost[serving.tier] += served[np.isfinite(served)].sum()
        missed = clients[np.isinf(served)]
        if len(missed):
            have = len(clients) - len(missed)
            items = tuple(missed.tolist())
            broken.append(Broken("serves", serving.server, len(clients), have, serving.label, items))
    broken.extend(_of_whole(model, open))
    return Choice(open=open, cost=cost, broken=tuple(broken))


def better(one: Floats, other: Floats) -> bool:
    """Whether the first costs less than the second: by the first figure in which they differ, to a relative 1e-9."""
    for left, right in zip(one.tolist(), other.tolist(), strict=True):
        if abs(left - right) > TOLERANCE * max(1.0, abs(left), abs(right)):
            return bool(left < right)
    return False


def exceeds(have: float, most: float) -> bool:
    """Whether a sum is above its limit by more than rounding."""
    return have - most > TOLERANCE * max(1.0, abs(most))


def group_kept(group: Group, open: Mask) -> bool:
    """Whether so many of the group's members are open as it asks for."""
    have = int(np.count_nonzero(open[group.members]))
    return group.at_least <= have and (group.at_most is None or have <= group.at_most)


def _of_unit(unit: Unit, chosen: Ints, open: Mask, number: int) -> Iterator[Broken]:
    have = len(chosen)
    if not unit.count and unit.min_open:
        yield Broken("no_site", number, unit.min_open, 0)
    elif have < unit.min_open:
        yield Broken("min_sites", number, unit.min_open, have)
    if unit.max_open is not None and have > unit.max_open:
        yield Broken("max_sites", number, unit.max_open, have)
    for group in unit.groups:
        if not group_kept(group, open):
            inside = int(np.count_nonzero(open[group.members]))
            need = group.at_least if inside < group.at_least else group.at_most or 0
            yield Broken("group", number, need, inside, group.label)
    for spread in unit.domains:
        yield from _of_spread(spread, chosen, number)
    if unit.room is not None:
        room = int(unit.room[chosen].sum())
        if room < unit.total:
            yield Broken("total", number, unit.total, room)


def _of_spread(spread: Domains, chosen: Ints, number: int) -> Iterator[Broken]:
    domains, each = np.unique(spread.domain[chosen], return_counts=True)
    if len(each) < spread.min_domains:
        yield Broken("spread", number, spread.min_domains, len(each), spread.label)
    if spread.max_domains is not None and len(each) > spread.max_domains:
        yield Broken("spread", number, spread.max_domains, len(each), spread.label)
    if spread.max_each is not None and len(each) and int(each.max()) > spread.max_each:
        fullest = int(domains[np.argmax(each)])
        yield Broken("spread", number, spread.max_each, int(each.max()), spread.label, (fullest,))


def _of_clients(clients: Clients, served: Floats, number: int) -> Iterator[Broken]:
    missed = np.flatnonzero(np.isinf(served))
    if len(missed):
        yield Broken("clients", number, clients.count, clients.count - len(missed), items=tuple(missed.tolist()))


def _of_alternatives(model: Model, masks: list[Mask]) -> Iterator[Broken]:
    for entry in model.alternatives:
        if not any(all(group_kept(group, masks[0]) for group in groups) for groups in entry):
            labels = dict.fromkeys(group.label for groups in entry for group in groups if group.label)
            yield Broken("group", 0, 1, 0, " | ".join(labels))


def _of_whole(model: Model, open: tuple[Ints, ...]) -> Iterator[Broken]:
    for apart in model.apart:
        one = model.units[apart.one].sites[open[apart.one]]
        common = open[apart.one][np.isin(one, model.units[apart.other].sites[open[apart.other]])]
        if len(common):
            yield Broken("never_with", apart.one, 0, len(common), apart.label, tuple(common.tolist()))
    for budget in model.budgets:
        have = sum(float(amounts[chosen].sum()) for amounts, chosen in zip(budget.amounts, open, strict=True))
        if exceeds(have, budget.most):
            yield Broken("price_ceiling", WHOLE_APP, budget.most, have, budget.label)
