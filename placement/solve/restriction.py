"""A model on some of its candidates: what a search of a few of ten thousand is given, so that it looks at those alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.sparse import csr_array

from placement.altered import altered
from placement.arrays import Ints, places_of
from placement.solve.entries import columns_of, rows_at
from placement.solve.model import Budget, Choice, Clients, Group, Model, Serving, Unit, nobody


def restricted(model: Model, among: tuple[Ints, ...]) -> Model:
    """The model in which each unit has only these candidates (ascending), numbered from 0; without a start.

    A choice of it, as candidates of the whole model, costs the same there and keeps the same.
    """
    units = tuple(cut(unit, kept) for unit, kept in zip(model.units, among, strict=True))
    serving = tuple(
        Serving(
            server=one.server,
            client=one.client,
            reach=_columns(_rows(one.reach, among[one.client]), among[one.server]),
            tier=one.tier,
            label=one.label,
        )
        for one in model.serving
    )
    budgets = tuple(
        Budget(tuple(amounts[kept] for amounts, kept in zip(one.amounts, among, strict=True)), one.most, one.label)
        for one in model.budgets
    )
    first = places_of(among[0], model.units[0].count) if model.alternatives else nobody()
    alternatives = tuple(
        tuple(tuple(cut_group(group, first) for group in alternative) for alternative in entry)
        for entry in model.alternatives
    )
    return replace(model, units=units, serving=serving, budgets=budgets, alternatives=alternatives, start=None)


def numbered_among(choice: Choice, among: tuple[Ints, ...]) -> Choice:
    """The choice with its candidates numbered among these, which have them all."""
    return replace(choice, open=tuple(np.searchsorted(kept, one) for kept, one in zip(among, choice.open, strict=True)))


def cut(unit: Unit, kept: Ints) -> Unit:
    """The unit with some of its candidates alone, ascending, which keep their order; what it asks for stays."""
    if len(kept) == unit.count:
        return unit
    clients, place = unit.clients, places_of(kept, unit.count)
    return altered(
        unit,
        sites=unit.sites[kept],
        open_cost=unit.open_cost[:, kept],
        clients=None if clients is None else Clients(columns_of(clients.cost, kept), clients.tier),
        groups=tuple(cut_group(one, place) for one in unit.groups),
        domains=tuple(replace(one, domain=_renumbered(one.domain[kept])) for one in unit.domains),
        room=None if unit.room is None else unit.room[kept],
    )


def cut_group(group: Group, place: Ints) -> Group:
    """The group with those of its members that are kept, by their places; what it asks for stays."""
    members = place[group.members]
    return replace(group, members=members[members >= 0])


def _renumbered(domain: Ints) -> Ints:
    return np.unique(domain, return_inverse=True)[1].astype(np.int64)


def _columns(matrix: csr_array, kept: Ints) -> csr_array:
    """Some columns; of all of them the matrix itself, for there may be millions of entries."""
    return matrix if len(kept) == matrix.shape[1] else columns_of(matrix, kept)


def _rows(matrix: csr_array, kept: Ints) -> csr_array:
    """Some rows; of all of them the matrix itself."""
    return matrix if len(kept) == matrix.shape[0] else rows_at(matrix, kept)
