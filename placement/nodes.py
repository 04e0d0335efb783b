"""Nodes as columns: what has room for replicas, in the order in which it is filled.

A row is a node, or the stated capacity of a site, which counts where nodes are not observed. Rows are ordered by site, then
those without accelerators first, so that ordinary work does not fill the machines that have them, then by id: the order in
which first fit goes through them, so that a decision reads slices and gathers nothing.

Amounts are arrays of a row a resource. Columns are values: a change overwrites rows in a copy of the columns that it
changes, which at 100,000 nodes is some 20 us a column. Rows move when nodes come and go, so each id has a slot, a number
that stays: dictionaries are kept by slot and never made anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import overload

import numpy as np

from graph.values import Taint
from placement.arrays import Ints, Mask
from placement.codes import Codes

RESOURCES = ("cpu_millicores", "memory_bytes", "storage_bytes")
"""The rows of every amount; accelerators are kept apart, for few nodes have any."""
LARGEST = 2**53 - 1
"""The largest amount of the model; more in use than that is as much, and sums stay within 64 bits."""


@dataclass(frozen=True, slots=True)
class Accelerators:
    """What nodes have of one model, for those that have or use any, by ascending slot."""

    slots: Ints
    offered: Ints
    available: Ints
    """Offered less foreign use, never below zero."""
    used: Ints
    """By our releases."""

    def column(self, name: str) -> dict[int, int]:
        """What is not zero of a column, by slot."""
        values = getattr(self, name)
        return {int(self.slots[at]): int(values[at]) for at in np.flatnonzero(values).tolist()}

    def replaced(
        self, stock: Mapping[int, tuple[int, int]], used: Mapping[int, int], *, more_used: bool
    ) -> Accelerators:
        """With what some slots have (offered and available) and with use set or, with `more_used`, added."""
        touched = np.array(sorted({*stock, *used}), dtype=np.int64)
        place = np.searchsorted(self.slots, touched)
        known = place < len(self.slots)
        known[known] = self.slots[place[known]] == touched[known]
        slots = self.slots if known.all() else np.union1d(self.slots, touched)
        at = np.searchsorted(slots, self.slots)
        columns = {}
        for name in ("offered", "available", "used"):
            columns[name] = np.zeros(len(slots), dtype=np.int64)
            columns[name][at] = getattr(self, name)
        for slot, (offered, available) in stock.items():
            row = int(np.searchsorted(slots, slot))
            columns["offered"][row], columns["available"][row] = offered, available
        for slot, count in used.items():
            row = int(np.searchsorted(slots, slot))
            columns["used"][row] = count + (int(columns["used"][row]) if more_used else 0)
        return Accelerators(slots=slots, **columns)


@dataclass(frozen=True, slots=True)
class NodeColumns:
    """Nodes and stated capacities by row."""

    ids: list[str]
    """The node's id, or the site's for its stated capacity."""
    slot: Ints
    slot_of: dict[str, int]
    """The slot of every id that ever had a row; shared by all columns that follow each other."""
    row_of_slot: Ints
    """-1: none any more."""
    site: Ints
    first: Ints
    """(sites + 1): where each site's rows begin."""
    cluster: Ints
    """-1: under none."""
    arch: Ints
    """A number of `archs`; -1 for stated capacity."""
    tenant: Ints
    """Whose it is: a number of `tenants`; 0: nobody's."""
    taints: Ints
    """A number of `taint_sets`."""
    stated: Mask
    """Is the stated capacity of a site, not a node."""
    accelerated: Mask
    """Offers accelerators."""
    cordoned: Mask
    not_ready: Mask
    tainted: Mask
    """Has a taint that keeps work away."""
    usable: Ints
    """(resources, nodes): allocatable."""
    available: Ints
    """(resources, nodes): allocatable less foreign use, never below zero."""
    used: Ints
    """(resources, nodes): what our releases take up."""
    free: Ints
    """(resources, nodes): available less used, never below zero."""
    accelerators: Mapping[str, Accelerators]
    """By model."""
    tenants: Codes[str | None]
    archs: Codes[str]
    taint_sets: Codes[tuple[Taint, ...]]
    structure: object
    """Another object when which nodes there are, where, under which cluster or whose has changed."""
    labels: object
    """Another object when which nodes there are or what labels they have has changed."""

    @property
    def row_of(self) -> RowOf:
        """The row of each id that has one."""
        return RowOf(self)

    def row(self, holder_id: str) -> int | None:
        """The row of a node, or of a site's stated capacity."""
        slot = self.slot_of.get(holder_id)
        if slot is None or slot >= len(self.row_of_slot):
            return None
        row = int(self.row_of_slot[slot])
        return None if row < 0 else row

    def accelerator_columns(self, model: str) -> tuple[Ints, Ints]:
        """(nodes,) twice: usable and free of a model."""
        usable, free = np.zeros(len(self.ids), dtype=np.int64), np.zeros(len(self.ids), dtype=np.int64)
        found = self.accelerators.get(model)
        if found is not None:
            rows = self.row_of_slot[found.slots]
            there = rows >= 0
            usable[rows[there]] = found.offered[there]
            free[rows[there]] = np.maximum(found.available - found.used, 0)[there]
        return usable, free


class RowOf:
    """The rows of ids, to be asked as a dictionary is."""

    __slots__ = ("_nodes",)

    def __init__(self, nodes: NodeColumns) -> None:
        self._nodes = nodes

    def __contains__(self, holder_id: str) -> bool:
        return self._nodes.row(holder_id) is not None

    def __getitem__(self, holder_id: str) -> int:
        row = self._nodes.row(holder_id)
        if row is None:
            raise KeyError(holder_id)
        return row

    def __len__(self) -> int:
        return len(self._nodes.ids)

    @overload
    def get(self, holder_id: str) -> int | None: ...

    @overload
    def get(self, holder_id: str, default: int) -> int: ...

    def get(self, holder_id: str, default: int | None = None) -> int | None:
        """The row of an id, or the default."""
        row = self._nodes.row(holder_id)
        return default if row is None else row


def no_nodes(sites: int) -> NodeColumns:
    """The columns of no nodes."""
    nothing, never = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=bool)
    amounts = np.zeros((len(RESOURCES), 0), dtype=np.int64)
    return NodeColumns(
        ids=[],
        slot=nothing,
        slot_of={},
        row_of_slot=nothing,
        site=nothing,
        first=np.zeros(sites + 1, dtype=np.int64),
        cluster=nothing,
        arch=nothing,
        tenant=nothing,
        taints=nothing,
        stated=never,
        accelerated=never,
        cordoned=never,
        not_ready=never,
        tainted=never,
        usable=amounts,
        available=amounts,
        used=amounts,
        free=amounts,
        accelerators={},
        tenants=Codes([None]),
        archs=Codes(),
        taint_sets=Codes(),
        structure=object(),
        labels=object(),
    )
