"""The columns of nodes that come, go and change: each call gives columns of its own and leaves those before as they were.

What stays the same is shared between them. Rows are overwritten in copies of the columns that differ; only when a node
comes, goes or changes its place in the order are all columns spliced, which is a few array copies and a walk over nothing.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from graph.kinds import Node, Site
from graph.taints import blocking_taint
from graph.values import Resources
from placement.arrays import Ints, Mask, places_of
from placement.conditions import is_not_ready
from placement.nodes import RESOURCES, Accelerators, NodeColumns, no_nodes
from placement.sites import SiteColumns
from placement.splicing import Splice

Holder = Node | Site
"""What a row is made of."""

_SMALL = ("cluster", "arch", "tenant", "taints", "stated", "accelerated", "cordoned", "not_ready", "tainted")
_AMOUNTS = ("usable", "available")
_STRUCTURE = ("cluster", "tenant", "stated")


def columns_of(nodes: Sequence[Node], *, sites: SiteColumns, cluster_row_of: Mapping[str, int]) -> NodeColumns:
    """The columns of nodes by ascending id, and of the capacities that sites state. Nothing is in use."""
    listed = sites.row_of
    holders: list[Holder] = [one for one in nodes if one.site_id in listed]
    holders += [one for one in sites.sites if one.capacity is not None]
    columns = _numbered(no_nodes(len(sites.sites)), holders)
    made = _Made(holders, columns, sites, cluster_row_of)
    # Ids of nodes sort before those of sites, by their prefixes: the order within a site is that of the ids.
    order = np.argsort(made.site * 2 + made.columns["accelerated"], kind="stable")
    ids = [holders[at].id for at in order.tolist()]
    count, site = len(ids), made.site[order]
    columns = replace(
        columns,
        ids=ids,
        slot=np.arange(count),
        slot_of=dict(zip(ids, range(count), strict=True)),
        row_of_slot=np.arange(count),
        site=site,
        first=_firsts(site, len(sites.sites)),
        usable=np.ascontiguousarray(made.usable[:, order]),
        available=np.ascontiguousarray(made.available[:, order]),
        used=np.zeros((len(RESOURCES), count), dtype=np.int64),
        free=np.ascontiguousarray(made.available[:, order]),
        **{name: made.columns[name][order] for name in _SMALL},
    )
    accelerated = {ids[row]: holders[order[row]] for row in np.flatnonzero(columns.accelerated).tolist()}
    return _with_stock(columns, accelerated, accelerated)


def with_holders(
    nodes: NodeColumns,
    holders: Mapping[str, Holder | None],
    *,
    sites: SiteColumns,
    cluster_row_of: Mapping[str, int],
    relabelled: bool,
) -> tuple[NodeColumns, list[str]]:
    """The columns with what some ids now stand for (None: nothing any more), and the ids that have a row for the first time.

    Those have nothing in use yet. A node of a site that is not listed has no row, nor has a site that states no capacity.
    """
    listed = {one: holder for one, holder in holders.items() if holder is not None and _is_listed(holder, sites)}
    kept: list[tuple[int, str]] = []
    gone: list[int] = []
    moved: list[str] = []
    new: list[str] = []
    for holder_id in holders:
        row = nodes.row(holder_id)
        holder = listed.get(holder_id)
        if holder is None:
            gone += [] if row is None else [row]
        elif row is None:
            new.append(holder_id)
        elif nodes.site[row] == sites.row_of[_site_id(holder)] and nodes.accelerated[row] == _is_accelerated(holder):
            kept.append((row, holder_id))
        else:
            gone.append(row)
            moved.append(holder_id)
    used_before = nodes.used[:, [nodes.row_of[one] for one in moved]] if moved else None
    columns = _numbered(nodes, list(listed.values()))
    if kept:
        made = _Made([listed[one] for _, one in kept], columns, sites, cluster_row_of)
        columns = _replaced(columns, np.array([row for row, _ in kept], dtype=np.int64), made)
    if gone or moved or new:
        come = sorted((*moved, *new), key=lambda one: _key(listed[one], sites))
        made = _Made([listed[one] for one in come], columns, sites, cluster_row_of)
        columns = _merged(columns, gone, come, made, sites=len(sites.sites))
        if used_before is not None:
            rows = [columns.row_of[one] for one in moved]
            columns.used[:, rows] = used_before  # a copy of this very call
            columns.free[:, rows] = np.maximum(columns.available[:, rows] - used_before, 0)
    columns = _with_stock(columns, holders, listed)
    if relabelled or gone or new:
        columns = replace(columns, labels=object())
    return columns, new


def with_use(
    nodes: NodeColumns,
    amounts: Mapping[str, Sequence[int]],
    accelerators: Mapping[str, Mapping[str, int]],
) -> NodeColumns:
    """The columns with more in use, or less: amounts by id, and accelerators by model and id.

    Ids without a row are passed over.
    """
    changes = [(row, more) for one, more in amounts.items() if (row := nodes.row(one)) is not None and any(more)]
    if changes:
        rows = np.array([row for row, _ in changes], dtype=np.int64)
        used, free = nodes.used.copy(), nodes.free.copy()
        used[:, rows] += np.array([more for _, more in changes], dtype=np.int64).T
        free[:, rows] = np.maximum(nodes.available[:, rows] - used[:, rows], 0)
        nodes = replace(nodes, used=used, free=free)
    models = dict(nodes.accelerators)
    for model, by_id in accelerators.items():
        more_used = {nodes.slot_of[one]: count for one, count in by_id.items() if count and nodes.row(one) is not None}
        if more_used:
            models[model] = models.get(model, _NONE).replaced({}, more_used, more_used=True)
    return replace(nodes, accelerators=models) if accelerators else nodes


def moved_to(nodes: NodeColumns, *, site_rows: Ints | None, cluster_rows: Ints | None, sites: int) -> NodeColumns:
    """The columns after sites or clusters have other rows: (rows before,) the row now of each, -1: gone.

    Nodes of a site that is gone lose their rows. The order of sites by id stays, so rows of nodes keep theirs.
    """
    if cluster_rows is not None:
        under = nodes.cluster >= 0
        cluster = np.where(under, cluster_rows[np.where(under, nodes.cluster, 0)] if len(cluster_rows) else -1, -1)
        nodes = replace(nodes, cluster=cluster, structure=object())
    if site_rows is not None:
        site = site_rows[nodes.site] if len(nodes.site) else nodes.site
        nodes = replace(nodes, site=site, structure=object())
        gone = np.flatnonzero(site < 0).tolist()
        if gone:
            nodes = _merged(nodes, gone, [], None, sites=sites)
        else:
            nodes = replace(nodes, first=_firsts(site, sites))
    return nodes


class _Made:
    """The columns of some holders, in their order."""

    def __init__(
        self,
        holders: Sequence[Holder],
        columns: NodeColumns,
        sites: SiteColumns,
        cluster_row_of: Mapping[str, int],
    ) -> None:
        real = [one for one in holders if isinstance(one, Node)]
        archs, taint_sets, tenants = columns.archs, columns.taint_sets, columns.tenants
        cluster_row = cluster_row_of.get
        usable = [_usable(one) for one in holders]
        stated = np.fromiter((type(one) is Site for one in holders), dtype=bool, count=len(holders))
        if len(real) == len(holders):
            row_of = sites.row_of
            self.site = np.array([row_of[one.site_id] for one in real], dtype=np.int64)
        else:
            self.site = np.array([sites.row_of[_site_id(one)] for one in holders], dtype=np.int64)
        untainted = taint_sets.get(())
        taints = np.full(len(real), untainted, dtype=np.int64)
        blocked = np.zeros(len(real), dtype=bool)
        for at in [at for at, one in enumerate(real) if one.taints]:
            taints[at], blocked[at] = taint_sets[tuple(real[at].taints)], blocking_taint(real[at].taints) is not None
        under = np.array([cluster_row(one.cluster_id or "", -1) for one in real], dtype=np.int64)
        archs_of = np.array([archs[one.arch] for one in real], dtype=np.int64)
        cordoned = np.array([not one.schedulable for one in real], dtype=bool)
        not_ready = np.array([is_not_ready(one) for one in real], dtype=bool)
        self.columns: dict[str, Any] = {
            "cluster": _spread(under, stated, -1),
            "arch": _spread(archs_of, stated, -1),
            "tenant": np.array([tenants[one.tenant_id] for one in holders], dtype=np.int64),
            "taints": _spread(taints, stated, untainted),
            "stated": stated,
            "accelerated": np.array([bool(one.accelerators) for one in usable], dtype=bool),
            "cordoned": _spread(cordoned, stated, False),
            "not_ready": _spread(not_ready, stated, False),
            "tainted": _spread(blocked, stated, False),
        }
        self.usable = _amounts(usable)
        foreign = np.zeros_like(self.usable)
        foreign[:, ~stated] = _amounts([one.foreign_use for one in real])
        self.available = np.maximum(self.usable - foreign, 0)


def _spread(values: np.ndarray, stated: Mask, otherwise: int) -> np.ndarray:
    """Values of nodes among stated capacities, which have another."""
    if len(values) == len(stated):
        return values
    column = np.full(len(stated), otherwise, dtype=values.dtype)
    column[~stated] = values
    return column


def _replaced(nodes: NodeColumns, rows: Ints, made: _Made) -> NodeColumns:
    columns: dict[str, Any] = {}
    for name in _SMALL:
        if not np.array_equal(getattr(nodes, name)[rows], made.columns[name]):
            columns[name] = getattr(nodes, name).copy()
            columns[name][rows] = made.columns[name]
    for name in _AMOUNTS:
        if not np.array_equal(getattr(nodes, name)[:, rows], getattr(made, name)):
            columns[name] = getattr(nodes, name).copy()
            columns[name][:, rows] = getattr(made, name)
    if "available" in columns:
        columns["free"] = nodes.free.copy()
        columns["free"][:, rows] = np.maximum(made.available - nodes.used[:, rows], 0)
    structure = object() if any(one in columns for one in _STRUCTURE) else nodes.structure
    return replace(nodes, structure=structure, **columns)


def _merged(
    nodes: NodeColumns, gone: Sequence[int], come: Sequence[str], made: _Made | None, *, sites: int
) -> NodeColumns:
    """Without some rows, and with others, whose ids these no longer have, in their order."""
    before = [] if made is None else _places(nodes, come, made)
    splice = Splice(len(nodes.ids), gone=sorted(gone), before=before)
    slot_of = nodes.slot_of
    for one in come:
        slot_of.setdefault(one, len(slot_of))
    ids = splice.items(nodes.ids, come)
    slot = splice.column(nodes.slot, _ints(slot_of[one] for one in come))
    row_of_slot = places_of(slot, len(slot_of))
    site = splice.column(nodes.site, None if made is None else made.site)
    columns: dict[str, Any] = {
        name: splice.column(getattr(nodes, name), None if made is None else made.columns[name]) for name in _SMALL
    }
    columns |= {
        name: splice.column(getattr(nodes, name), None if made is None else getattr(made, name)) for name in _AMOUNTS
    }
    unused = np.zeros((len(RESOURCES), len(come)), dtype=np.int64)
    return replace(
        nodes,
        ids=ids,
        slot=slot,
        row_of_slot=row_of_slot,
        site=site,
        first=_firsts(site, sites),
        used=splice.column(nodes.used, unused),
        free=splice.column(nodes.free, None if made is None else made.available),
        structure=object(),
        **columns,
    )


def _places(nodes: NodeColumns, come: Sequence[str], made: _Made) -> list[int]:
    """Before which of the rows that are there each new one belongs."""
    places = []
    for one, site, last in zip(come, made.site.tolist(), made.columns["accelerated"].tolist(), strict=True):
        start, stop = int(nodes.first[site]), int(nodes.first[site + 1])
        middle = start + int(np.count_nonzero(~nodes.accelerated[start:stop]))
        start, stop = (middle, stop) if last else (start, middle)
        places.append(bisect_left(nodes.ids, one, start, stop))
    return places


def _firsts(site: Ints, sites: int) -> Ints:
    """(sites + 1): where each site's rows begin."""
    return np.concatenate(([0], np.cumsum(np.bincount(site, minlength=sites))))


def _with_stock(nodes: NodeColumns, holders: Mapping[str, Holder | None], listed: Mapping[str, Holder]) -> NodeColumns:
    """The accelerators that some holders have now."""
    stock: dict[str, dict[int, tuple[int, int]]] = {}
    slots = {slot for one in holders if (slot := nodes.slot_of.get(one)) is not None}
    if nodes.accelerators and slots:
        touched = np.array(sorted(slots), dtype=np.int64)
        for model, column in nodes.accelerators.items():
            had = column.slots[np.isin(column.slots, touched)].tolist()
            if had:
                stock[model] = dict.fromkeys(had, (0, 0))
    dropped = {nodes.slot_of[one] for one in holders if one not in listed and one in nodes.slot_of}
    for one, holder in listed.items():
        usable = _usable(holder)
        if not usable.accelerators:
            continue
        taken = holder.foreign_use.accelerator_counts() if isinstance(holder, Node) else {}
        for model, count in usable.accelerator_counts().items():
            stock.setdefault(model, {})[nodes.slot_of[one]] = count, max(0, count - taken.get(model, 0))
    if not stock:
        return nodes
    models = dict(nodes.accelerators)
    for model, by_slot in stock.items():
        unused = {slot: 0 for slot in by_slot if slot in dropped}
        models[model] = models.get(model, _NONE).replaced(by_slot, unused, more_used=False)
    return replace(nodes, accelerators=models)


def _numbered(nodes: NodeColumns, holders: Sequence[Holder]) -> NodeColumns:
    real = [one for one in holders if isinstance(one, Node)]
    archs = nodes.archs.including(one.arch for one in real)
    taint_sets = nodes.taint_sets.including(((), *(tuple(one.taints) for one in real if one.taints)))
    tenants = nodes.tenants.including(one.tenant_id for one in holders)
    if archs is nodes.archs and taint_sets is nodes.taint_sets and tenants is nodes.tenants:
        return nodes
    return replace(nodes, archs=archs, taint_sets=taint_sets, tenants=tenants)


def _key(holder: Holder, sites: SiteColumns) -> tuple[int, bool, str]:
    return sites.row_of[_site_id(holder)], _is_accelerated(holder), holder.id


def _is_listed(holder: Holder, sites: SiteColumns) -> bool:
    return _site_id(holder) in sites.row_of and (isinstance(holder, Node) or holder.capacity is not None)


def _site_id(holder: Holder) -> str:
    return holder.site_id if isinstance(holder, Node) else holder.id


def _usable(holder: Holder) -> Resources:
    if type(holder) is Node:
        return holder.allocatable if holder.allocatable is not None else holder.capacity
    return holder.capacity or _NOTHING


def _is_accelerated(holder: Holder) -> bool:
    return bool(_usable(holder).accelerators)


def _amounts(resources: Sequence[Resources]) -> Ints:
    amounts = np.empty((len(RESOURCES), len(resources)), dtype=np.int64)
    amounts[0] = [one.cpu_millicores for one in resources]
    amounts[1] = [one.memory_bytes for one in resources]
    amounts[2] = [one.storage_bytes for one in resources]
    return amounts


def _ints(values: Iterable[int]) -> Ints:
    return np.array(list(values), dtype=np.int64)


_NOTHING = Resources()
_EMPTY = np.zeros(0, dtype=np.int64)
_NONE = Accelerators(slots=_EMPTY, offered=_EMPTY, available=_EMPTY, used=_EMPTY)
